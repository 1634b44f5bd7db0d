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

awk '
  function breach(what) { print what; bad = 1 }
  function ended() {
    if (!licensed) breach(file ": no SPDX line")
    if (lines > 400) breach(file ": " lines " lines")
  }
  FNR == 1 { if (file != "") ended(); file = FILENAME; licensed = 0 }
  FNR <= 2 && /SPDX-License-Identifier: BSD-3-Clause/ { licensed = 1 }
  { lines = FNR }
  length($0) > (file ~ /\.sh$/ ? 100 : 90) && !/https?:/ {
    breach(file ":" FNR ": " length($0) " columns")
  }
  /[ \t]$/ { breach(file ":" FNR ": trailing space") }
  /^(<<<<<<<|>>>>>>>|=======$)/ { breach(file ":" FNR ": left by a merge") }
  END { ended(); exit bad }
  ' $code $rest || bad=1
for file in $(find $code $rest -empty); do breach "$file: empty"; done
! grep -nHE '\b(TODO|FIXME|XXX)\b' $(echo $code $rest | tr ' ' '\n' |
                                    grep -v '/check_lint\.sh$') || bad=1

! grep -nHE '^(<<<<<<<|>>>>>>>)' README.md NEWS tests/*.list $(find src inputs jobs -name '*.md' \
    -o -name '*.ini' -o -name '*.tsv') || bad=1

python3 tests/lint.py || bad=1

built=$(grep -hoE 'src/[^ ]+\.[ch]\b' src/local.am src/*/local.am)
for file in $(find src -name '*.[ch]' | grep -vxF "$built"); do
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

# what is told to be started by sh runs in any shell, or starts bash itself
for file in $(grep -hoE '(^|[ `(])sh [a-z_/]+\.sh\b' $rest README.md CONTRIBUTING.md */README.md \
                .ci/run 2> /dev/null | sed 's/.*sh //' | sort -u); do
  ! { [ -f "$file" ] && head -n 1 "$file" | grep -q bash; } || grep -q BASH_VERSION "$file" ||
    breach "$file: started by sh, but written for bash"
done

echo "longest files:"; wc -l $code | sort -rn | sed -n '2,4p'
exit $bad
