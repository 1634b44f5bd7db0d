#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# check_layers.sh  A file includes only from its own layer or a lower one, and what
# belongs to one place stays there: world communicator, exit, getenv, HDF5, BLACS, CUDA.
set -u
cd "${srcdir:-.}"
bad=0

# Layers, lowest first. {data nn} and {spectrum theory} do not see each other, nor do
# predict, solved, ntk, compare and modes. A public header belongs to the folder of the
# line that names it.
layers='
0 base       blas_memory cadence clock log mem param progress registry rng status version
0 base       visit
1 par        comm grid partition phases reduction row_layout shared stop tree
2 io         array_file file_kind ckpt collective_error h5 h5_input path
2 io         provenance safetensors table traj traj_read
3 backend    backend shape view_recipe
4 tensor     dmat
5a data      data stratify
5a nn        encoder net net_layers optim params
5b spectrum  basis cov eig metric snapshot transitions
5b theory    compare descent flow kernel linear rates similarity
6 ssl        loss loss_theory mode_descent mode_start precondition surgery
7 train      accuracy probe probe_data run_loop step_result train
8 run        assembly config_load cost deadline embedding_file folder_name held_out
8 run        label_data load_pairs reopen run_facts run_files run_folder selected
8 run        settings step_model step_rate step_table stored_transitions views_file watch
9a predict   initial_prediction
9b solved    kernel_cost kernel_machine linear_model solved_params
9c ntk       ntk
9d compare   compare_runs
9e modes     mode_study
10 bench     bench
11 sweep     sweep
12 command   command
13 main
'
level_of_folder() { awk -v f="$1" '$2 == f { print $1; exit }' <<< "$layers"; }
level_of_header() {
  awk -v h="$1" '{ for (i = 3; i <= NF; i++) if ($i == h) print $1 }' <<< "$layers"
}
level_of_file() {
  case $1 in
    src/main.c) echo 13 ;;
    src/*) level_of_folder "$(cut -d/ -f2 <<< "$1")" ;;
    *) level_of_header "$(basename "$1" .h)" ;;
  esac
}
may_see() { # may_see LEVEL-OF-FILE LEVEL-OF-INCLUDED
  [ "$1" = "$2" ] || [ "${2%[abcde]}" -lt "${1%[abcde]}" ]
}

for file in $(find src include -name '*.[ch]' | sort); do
  own=$(level_of_file "$file")
  [ -n "$own" ] || { echo "$file: belongs to no layer; name it in $0"; bad=1; continue; }
  for inc in $(sed -n 's/^ *# *include *"\(.*\)".*/\1/p' "$file"); do
    case $inc in
      config.h|version_build.h) continue ;;
      eigenstep/*) its=$(level_of_header "$(basename "$inc" .h)") ;;
      *) if [ -e "$(dirname "$file")/$inc" ]; then its=$own
         else its=$(level_of_folder "${inc%%/*}"); fi ;;
    esac
    if [ -z "$its" ]; then echo "$file: \"$inc\" belongs to no layer"; bad=1
    elif ! may_see "$own" "$its"; then
      echo "$file: looks up, or across, to \"$inc\""; bad=1
    fi
  done
done

code_without_comments() {
  perl -0pe 's{/\*.*?\*/}{ my $c = $&; $c =~ s/[^\n]//g; $c }gse; s{//[^\n]*}{}g' "$1"
}
only_in() { # only_in PLACES-REGEX PATTERN: PATTERN in code elsewhere is a breach
  local file
  for file in $(find src include -name '*.[ch]' | grep -vE "^($1)$" | sort); do
    code_without_comments "$file" | grep -nP "$2" | sed "s|^|$file:|"
  done
}
breaches=$(
  only_in 'src/main\.c' '\bMPI_COMM_WORLD\b|\b_?exit *\(|\bgetenv *\('
  only_in 'src/io/.*' '\bhid_t\b'
  only_in 'src/par/grid\.c|src/tensor/.*|src/spectrum/eig_.*' '(?i)blacs|pdsyev|descinit'
  only_in 'src/backend/cuda.*' 'cuda[A-Z_]|cublas|cudnn'
)
[ -z "$breaches" ] || { echo "$breaches"; bad=1; }

conditionals=$(grep -cE '^ *# *(if|ifdef|ifndef)\b' $(find src -name '*.c') /dev/null |
               awk -F: '{ n += $2 } END { print n }')
echo "conditional compilation in .c files: $conditionals (at most 5)"
[ "$conditionals" -le 5 ] || bad=1
exit $bad
