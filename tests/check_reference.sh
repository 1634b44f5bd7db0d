#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# check_reference.sh  inputs/reference.ini is what `eigenstep params` prints, and runs.
set -u
. "$srcdir/tests/e2e.sh"
launch 1 params > "$work/reference.ini" || fail "eigenstep params ended with $?"
diff -u "$srcdir/inputs/reference.ini" "$work/reference.ini" ||
  fail "renew it: eigenstep params > inputs/reference.ini"
launch 1 check "$srcdir/inputs/reference.ini" > "$work/plan" || fail "it cannot be read back"
grep -q "^network .* parameters" "$work/plan" || fail "no plan: $(cat "$work/plan")"
for section in run loss.barlow view2.blur; do
  launch 1 params $section > "$work/one" || fail "params $section"
  [ "$(grep -c '^\[' "$work/one")" -eq 1 ] || fail "params $section: not one section"
done
# every input file of ours is complete and correct; those for a GPU on the host double, where
# they fit the GPU that their head names
double=$(dirname "$EIGENSTEP")/tests/cuda_host/eigenstep
for ini in "$srcdir"/inputs/*/run.ini; do
  room=$(sed -n 's/^# Resources  *one GPU of \([0-9]*\) GB.*/\1/p' "$ini")
  if [ -z "$room" ]; then set -- "$EIGENSTEP"
  elif [ -x "$double" ]; then set -- "$double" check.gpu="$room"
  else set -- "$EIGENSTEP" backend.name=auto backend.precision=f32; fi
  "$1" check "$ini" data.name=deadleaves data.path= data.split= "${@:2}" > "$work/plan" \
    2> "$work/err" || { fail "$ini"; cat "$work/err"; }
  [ -z "$room" ] || [ ! -x "$double" ] || grep -q '^GPU  *fits' "$work/plan" ||
    fail "$ini in $room GB: $(grep GPU "$work/plan")"
done
finish
