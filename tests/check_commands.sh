#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# check_commands.sh  What can be called is tested and documented: each command of --help is
# started by a test and has a row in README.md's table of tasks, each script a row in its
# folder's README.md. And what these pages and CONTRIBUTING.md name exists: commands,
# parameters, files.
set -u
. "$srcdir/tests/e2e.sh"
cd "$srcdir" || exit 99
launch 1 --help > "$work/help" || fail "--help ended with $?"
launch 1 params > "$work/params" || fail "params ended with $?"
commands=$(sed -n '/^Commands:/,/^Options:/ s/^  \([a-z]\{1,\}\)\( .*\)\{0,1\}$/\1/p' "$work/help")
[ "$(wc -w <<< "$commands")" -ge 10 ] || fail "commands of --help not understood: $commands"
for command in $commands; do # what looks like an option and is none is named
  "$EIGENSTEP" "$command" --no-such-option x > "$work/out" 2> "$work/err"
  [ $? -eq 2 ] && [ "$(wc -l < "$work/err")" -eq 1 ] ||
    fail "$command --no-such-option: $(cat "$work/err")"
done

for words in "help train" "train - --help" "train -h" "params --help" "help"; do
  "$EIGENSTEP" $words 2>&1 | grep -q '^Usage: eigenstep' || fail "'$words' prints no help"
done

tests=$(sed -e 's/#.*//' -e '/^ *$/d' -e 's|.*|tests/&.sh|' tests/sh.list |
        grep -vE '/(check_commands|readme_snippets)\.sh')
for command in $commands; do
  grep -qE "^[^#]*launch [^ ]+ $command( |\$)" $tests || fail "no test starts '$command'"
  grep -qE "^\|.*\beigenstep $command\b" README.md ||
    fail "README.md's table of tasks has no row with 'eigenstep $command'"
done

for script in jobs/* postprocess/*.py autotools/*.sh inputs/data/*.sh; do
  case $script in
    *.sh | *.sbatch | *.py) ;;
    *) continue ;;
  esac
  case $script in
    autotools/* | inputs/*) page=jobs/README.md ;;
    *) page=$(dirname "$script")/README.md ;;
  esac
  grep -qwF "$(basename "$script")" "$page" || fail "$page does not name $script"
done

# A script says what it is for, and starts nothing, when it is asked or misspelt.
for script in jobs/*.sh jobs/*.sbatch jobs/*.flux jobs/*.pbs inputs/data/fetch-*.sh tests/run.sh; do
  case $script in
    */bench.sh | */gpu-proof.sh | */launcher.sh) continue ;;
  esac
  bash "$script" --help > "$work/out" 2>&1 && head -n 1 "$work/out" |
    grep -q "^$(basename "$script")  " || fail "$script --help: $(head "$work/out")"
  case $script in
    */mpirun.sh | */sweep*.sbatch) continue ;; # options are passed on
  esac
  bash "$script" --no-such-option > "$work/out" 2>&1
  [ $? -eq 2 ] && grep -q "unknown option '--no-such-option'" "$work/out" ||
    fail "$script --no-such-option: $(head "$work/out")"
done
sh jobs/quickstart.sh run.steps > "$work/out" 2>&1 && fail "quickstart.sh took 'run.steps'"

for entry in inputs/*/; do # inputs/README.md has a row for each; "-vicreg" in one beside others
  name=$(basename "$entry")
  grep -qE "^\| \`$name\`|^\| \`${name%%-*}-barlow\`.*\`-${name##*-}\`" inputs/README.md ||
    [ "$name" = data ] || fail "inputs/README.md has no row for $name"
done

# What is in backquotes, in blocks of four columns and in fences is code.
code() {
  awk '/^ *```/ { fence = !fence; next } fence || /^    / { print; next }
       { while (match($0, /`[^`]+`/)) { print substr($0, RSTART + 1, RLENGTH - 2)
                                        $0 = substr($0, RSTART + RLENGTH) } }' "$1"
}
for page in README.md CONTRIBUTING.md jobs/README.md postprocess/README.md; do
  code "$page" > "$work/code"
  [ -s "$work/code" ] || fail "$page: no code found in it"
  for command in $(sed -n 's/#.*//; s/.*\beigenstep \([a-z]\{3,\}\).*/\1/p' "$work/code"); do
    grep -qx "$command" <<< "$commands" || fail "$page: '$command' is no command"
  done
  for key in $(grep -v 'section\.key' "$work/code" |
               grep -oE '(^|[ `])[a-z0-9_]+(\.[a-z0-9_]+)+=' | tr -d ' `=' | sort -u); do
    awk -v section="${key%.*}" -v key="${key##*.}" '
      /^\[/ { in_it = $0 == "[" section "]" }
      in_it && $0 ~ "^[# ]*" key " *=" { found = 1 }
      END { exit !found }' "$work/params" || fail "$page: '$key' is no parameter"
  done
  folders='(src|include|tests|jobs|inputs|postprocess|autotools)'
  for path in $(grep -oE "(^|[ \`(])$folders/[A-Za-z0-9_./*{},-]*" "$work/code" |
                tr -d ' `(' | sort -u); do
    case $path in *foo* | */x.* | *_x.c | */x/) continue ;; esac
    eval "ls -d $path" > "$work/ls" 2>&1 || fail "$page: no $path"
  done
done
for first in 'sh jobs/quickstart.sh' 'sh tests/run.sh'; do
  grep -qF "$first" README.md || fail "README.md: does not name '$first'"
done
finish
