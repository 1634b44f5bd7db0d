#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# fault.sh  Calls fail one at a time on one of two ranks: memory, files, HDF5, agreements
# (tests/faults.c), in a training run, its resumption and the commands that follow. Each
# time the program ends within seconds, with a sentence unless it can do without the call,
# frees its memory, and loses nothing that was complete: files open and the checkpoint
# resumes to the last step. What is listed are sites: a function that can fail and its
# caller, for memory and files with the caller of that, as they have helpers. FAULTS=n of
# them are tried, spread evenly from number SEED on; all: all of them; chains: each chain
# of callers (hours). PART=i/n: of those every n-th from the i-th on. Where the ranks'
# timing has changed which call that is, the one that failed is named, and not counted.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py
cd "$work" || exit 1
faulty=$(dirname "$EIGENSTEP")/tests/eigenstep_faults
run="$tiny encoder.base_width=4 run.log_every=2 spectrum.every=2 ckpt.every=2"
gauss="data.name=gaussian data.dim=6 output.dir=out"
late=${FAULT_SECONDS:-60} # of a run that takes one or two on idle cores

on_two() { # on_two FAULT ARGUMENT...: the exit code in $got, what was printed in log
  ES_FAULT=$1 timeout -k 5 $late $MPIRUN $MPIRUN_FLAGS -n 2 "$faulty" "${@:2}" > log 2>&1
  got=$?
}
names="train resume linear growth descent kernel spectrum ntk export compare views sweep"
fresh() { # fresh NAME: what the command finds
  rm -rf out views.h5 x.safetensors
  case $1 in resume | ntk | export | compare) cp -r before out ;; esac
}
try() { # try FAULT NAME
  case $2 in
    train) on_two "$1" train - $run run.steps=2 output.dir=out ;;
    resume) on_two "$1" resume out run.steps=4 ;;
    linear) on_two "$1" linear - $gauss linear.dim=3 linear.sample=40 linear.alpha=1e-2 ;;
    growth) on_two "$1" linear - $gauss loss.name=vicreg linear.dim=3 linear.sample=40 \
              linear.alpha=1e-2 linear.steps=50 ;;
    descent) on_two "$1" linear - $gauss linear.dim=3 linear.sample=40 linear.alpha=1e-2 \
               linear.momentum=0.5 ;;
    kernel) on_two "$1" kernel - $gauss kernel.dim=3 kernel.sample=40 kernel.alpha=1e-2 \
              kernel.held_out=8 ;;
    spectrum) on_two "$1" spectrum weights.safetensors:projector.0.weight \
                output.dir=out ;;
    ntk) on_two "$1" ntk out ntk.pairs=4 ;;
    export) on_two "$1" export out x.safetensors ;;
    compare) on_two "$1" compare out before output.dir=out/compared ;;
    views) on_two "$1" views - $tiny views.file=views.h5 ;;
    sweep) on_two "$1" sweep sweep.ini ;;
  esac
}
opens() { # every file under its final name, with all data
  "$python" - $(find out views.h5 -name '*.h5' -not -path '*.tmp/*' 2> find.log) << 'PY'
import sys
import h5py
for name in sys.argv[1:]:
    with h5py.File(name) as f:
        f.visititems(lambda n, v: v[()] if isinstance(v, h5py.Dataset) else None)
PY
}
two() { echo "$1 ${2:-}"; }
complete() { ls out/ckpt/step_*/DONE 2> ls.log; }
sane() { # sane WHAT: how the program ended, and what it left
  case $got in
    0) unnoticed=$((unnoticed + 1))
       [ ! -e out/STATUS ] || [ "$(cat out/STATUS)" = DONE ] ||
         fail "$1: exit 0, $(cat out/STATUS)" ;;
    124 | 137) fail "$1: hangs" ;;
    *) grep -qE "eigenstep: (error|warning): " log || fail "$1: exit $got, no sentence"
       ! grep -qE "signal (11|6|7|8)|Sanitizer" log || fail "$1: crashed" ;;
  esac
  ! grep "were not freed" log || fail "$1: leaks"
  opens || fail "$1: a file does not open"
}
resumes() { # resumes WHAT: the checkpoint that is there leads to the end
  [ "$(cat out/STATUS)" != DONE ] || return
  "$EIGENSTEP" resume out run.steps=4 > again 2>&1 ||
    { fail "$1: the resumption after it"; cat again; return; }
  "$python" -c 'import h5py; assert len(h5py.File("out/trajectory.h5")["/loss/value"]) == 4' ||
    fail "$1: rows of the trajectory are lost"
}

cat > sweep.ini << EOF
[sweep]
base = -
command = linear
linear.alpha = 1e-2, 1e-3
[data]
name = gaussian
dim = 6
[linear]
dim = 3
sample = 40
[output]
dir = out
EOF
for name in $names; do
  fresh $name
  try list:list.$name $name
  [ $got -eq 0 ] || { fail "$name without a fault: exit $got"; cat log; finish; }
  [ $name != train ] || cp -r out before
  [ $name != resume ] || "$EIGENSTEP" export out weights.safetensors > log 2>&1
  for rank in 0 1; do
    sed "s/\([a-z0-9]*\) \([0-9]*\)/$name \1:$rank:\2/" list.$name.$rank >> chains
  done
done
# of a site that several ranks and commands reach, one of the first two
awk '{
  n = /^[a-z]* (mem|file)/ ? 5 : 4
  key = $3
  for (i = 4; i <= n; i++) key = key " " $i
  if (!(key in line) || (++more[key] == 1 && ++chosen % 2)) line[key] = $0
  if (!(key in place)) { place[key] = ++sites; at[sites] = key }
} END { for (i = 1; i <= sites; i++) print line[at[i]] }' chains > sites
[ "$(wc -l < sites)" -gt 500 ] || fail "only $(wc -l < sites) sites are listed"

list=sites count=${FAULTS:-8}
case $count in
  all) count=$(wc -l < sites) ;;
  chains) list=chains; count=$(wc -l < chains) ;;
esac
total=$(wc -l < $list) part=${PART:-1/1}
tried=0 unnoticed=0 elsewhere=0
for k in $(seq $((${part%/*} - 1)) "${part#*/}" $((count - 1))); do
  number=$((1 + (k * total / count + ${SEED:-0}) % total))
  read -r name fault function callers <<< "$(sed -n ${number}p $list)"
  fresh $name
  had=$(complete)
  try $fault:${callers%% *} $name
  read -r _ hit at <<< "$(grep -m 1 "^fault: " log)"
  [ -n "$hit" ] || continue # fewer calls than in the list
  if [ "$hit $(two $at)" = "$function $(two $callers)" ]; then tried=$((tried + 1))
  else elsewhere=$((elsewhere + 1)) function=$hit callers=$at; fi
  what="$name $fault $function, called from $(
    addr2line -s -e "$faulty" $callers 2> addr2line.log | head -n 3 | tr '\n' ' ')"
  sane "$what"
  [ -z "$had" ] || complete > ls.out || fail "$what: the checkpoint is lost"
  case $name in train | resume) ! complete > ls.out || resumes "$what" ;; esac
  [ "${failures:-0}" = "${seen:-0}" ] || { tail -n 5 log; seen=$failures; }
done
echo "$tried calls failed of $total listed, and $elsewhere other ones;" \
  "$unnoticed of all without harm"
[ $((tried * ${part#*/})) -ge $((count / 2)) ] || fail "only $tried failed as asked"
finish
