#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# check_lint.sh  The house rules that a machine can check, file by file, and that no file
# is missing from the build; lint.py has those about functions, structs and includes.
# Prints each breach, then the longest files.
set -u
cd "${srcdir:-.}"
LC_ALL=C.UTF-8; export LC_ALL
bad=0
breach() { echo "$1"; bad=1; }

code=$(find src include tests -name '*.[ch]' | sort)
rest=$(find src tests autotools jobs postprocess inputs configure.ac Makefile.am \
         -regextype posix-extended -regex '.*(\.(am|ac|m4|sh|py|sbatch)|/bootstrap)' \
         ! -path tests/generated.am | sort)

for file in $code $rest; do
  head -n 2 "$file" | grep -q 'SPDX-License-Identifier: BSD-3-Clause' ||
    breach "$file: no SPDX line"
  awk -v file="$file" '
    length($0) > (file ~ /\.sh$/ ? 100 : 90) && !/https?:/ {
      print file ":" NR ": " length($0) " columns"; n++
    }
    /[ \t]$/ { print file ":" NR ": trailing space"; n++ }
    /^(<<<<<<<|>>>>>>>|=======$)/ { print file ":" NR ": left by a merge"; n++ }
    END { if (NR > 400) { print file ": " NR " lines"; n++ } exit n > 0 }
    ' "$file" || bad=1
  case $file in
    */check_lint.sh) ;;
    *) ! grep -nHE '\b(TODO|FIXME|XXX)\b' "$file" || bad=1 ;;
  esac
done

! grep -nHE '^(<<<<<<<|>>>>>>>)' README.md NEWS tests/*.list $(find src inputs jobs -name '*.md' \
    -o -name '*.ini' -o -name '*.tsv') || bad=1

python3 tests/lint.py || bad=1

for file in $(find src -name '*.[ch]' | sort); do
  grep -qF "$file" src/local.am src/*/local.am ||
    breach "$file: not in its folder's local.am"
done
for file in tests/unit_*.c tests/par_*.c tests/ref_*.c; do
  name=$(basename "$file" .c)
  [ -e "$file" ] || continue
  grep -qx "$name" tests/unit.list tests/par.list ||
    breach "$file: not in tests/unit.list or par.list"
done
for file in tests/*.sh; do # a test, or something that another one or make uses
  name=$(basename "$file" .sh)
  grep -qx "$name" tests/sh.list || [ "$name" = run ] ||
    grep -qF "$name.sh" $(ls tests/*.sh tests/local.am tests/*/local.am | grep -vF "$file") ||
    breach "$file: not in tests/sh.list"
done

echo "longest files:"; wc -l $code | sort -rn | sed -n '2,4p'
exit $bad
