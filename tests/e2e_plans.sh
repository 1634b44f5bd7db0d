#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_plans.sh  Backend onednn times its algorithms for convolutions once, keeps its
# choices in backend.plans, and computes the same bits with the same choices. A file of
# another kind is a warning and is not changed.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py numpy
cd "$work" || exit 1
case $EIGENSTEP in /*) ;; *) fail "EIGENSTEP must be an absolute path" ;; esac
launch 1 check - $tiny backend.name=onednn > log 2>&1 ||
  { grep -q "'onednn' is not in this build" log && { echo "SKIP: no oneDNN"; exit 77; }; }

run() { # run DIR ARGUMENT...: in a folder of its own, as the output's name is in the files
  mkdir -p "$1" && cd "$1" || exit 1
  shift
  launch 2 train - $tiny backend.name=onednn backend.tune=true run.steps=3 \
    output.dir=out "$@" > log 2>&1 || { rc=$?; cat log; fail "$*: ended with $rc"; }
  cd ..
}
timed() { grep -q 'timed [0-9]* passes of convolutions' "$1/log"; }

plans=$work/new/folder/plans.tsv
run first backend.plans="$plans"
timed first || { cat first/log; fail "nothing was timed"; }
awk -F '\t' 'NF != 5 || $4 + 0 < 1 { bad = 1 } END { exit bad || NR < 10 }' "$plans" ||
  { cat "$plans"; fail "expected processor, library, key, images and algorithm in each line"; }
cp "$plans" kept
for again in second third; do
  run $again backend.plans="$plans"
  timed $again && fail "$again: what the file has was timed again"
done
cmp kept "$plans" || fail "a run that timed nothing changed the file"
"$python" "$srcdir/tests/compare_bits.py" second/out third/out ||
  fail "the same choices give other bits"

# networks in bf16 and in f32 on one backend: each choice once in the file
for again in both both_again; do
  run $again backend.plans="$work/both.tsv" backend.precision=bf16
done
timed both || fail "both: nothing was timed"
timed both_again && fail "both_again: what the file has was timed again"
[ -z "$(sort both.tsv | uniq -d)" ] || { cat both.tsv; fail "a choice is there twice"; }
grep -q "$(printf '\t')f32 " both.tsv || { cat both.tsv; fail "no choice for f32"; }

# other sizes are added; lines of other processors stay
printf 'another processor\toneDNN 0\tkey\t1\tway\n' >> "$plans"
run other backend.plans="$plans" batch.pairs=16 spectrum.probe=16
timed other || fail "other sizes were not timed"
grep -q '^another processor' "$plans" || fail "lines of another processor are gone"
[ "$(wc -l < "$plans")" -gt "$(wc -l < kept)" ] || fail "nothing was added"

sed 's/[a-z]*$/sorcery/' kept > spoilt
run wrong backend.plans="$work/spoilt"
grep -q "warning: .*spoilt: not used" wrong/log || { cat wrong/log; fail "no warning"; }
timed wrong || fail "without a file that can be used nothing was timed"

# a file of another kind neither blocks the run nor is written to
mkfifo fifo
printf 'precious\0bytes\n' > precious
cp precious precious.kept
for other in fifo precious; do
  run at_$other backend.plans="$work/$other"
  [ "$(grep -c "warning: .*$other: .*another kind of file" at_$other/log)" -eq 2 ] ||
    { cat at_$other/log; fail "$other: expected a warning at reading and at writing"; }
done
[ -p fifo ] && cmp precious precious.kept || fail "a file that is not of plans was replaced"

run rules backend.plans="$work/none.tsv" backend.tune=false
[ ! -e none.tsv ] || fail "fixed rules wrote a file"
timed rules && fail "fixed rules timed something"
finish
