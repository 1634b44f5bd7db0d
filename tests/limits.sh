#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# limits.sh  Machines that give little: 64 MB of shared memory (a container's default), no
# HOME, a source tree that may not be written, a TMPDIR with a long name, 64 open files,
# standard descriptors closed under a launcher. A run works, or says why it cannot. What
# needs a mount of its own is left out, visibly, where there is none. LIMITS=all: also a
# network whose gradients do not fit into 64 MB, and the quickstart in a read-only tree.
set -u
. "$srcdir/tests/e2e.sh"
cd "$work" || exit 1
small="$tiny encoder.base_width=4 run.steps=4"

works() { # works CODE DIR WHAT: the run in DIR has ended with 0 and is done
  [ "$1" -eq 0 ] && [ "$(cat "$2/STATUS")" = DONE ] ||
    { fail "$3: exit $1, $(cat "$2/STATUS" 2>&1)"; tail -n 5 log; }
}
on_two() { timeout 300 $MPIRUN $MPIRUN_FLAGS -n 2 "$@"; }

# 64 descriptors for a rank and for its launcher
(ulimit -n 64; on_two "$EIGENSTEP" train - $small output.dir=files) > log 2>&1
works $? files "64 open files"
# a rank without one to spare: no hang, and a sentence of ours or of MPI
(ulimit -n 20; timeout 60 "$EIGENSTEP" train - $small output.dir=few) > log 2>&1
got=$?
[ $got -eq 0 ] || { [ $got -ne 124 ] && [ -s log ]; } || fail "20 open files: exit $got"

# names of sockets are short: the launcher shortens its own, or says so
long=$work/$(printf 'temporary.%.0s' 1 2 3 4 5 6 7 8 9 10 11 12)
mkdir "$long"
TMPDIR=$long on_two "$EIGENSTEP" train - $small output.dir=long > log 2>&1
works $? long "TMPDIR of ${#long} characters"

# nobody's home: the plans of convolutions are not kept, and nothing is written elsewhere
env -u HOME -u XDG_CACHE_HOME -u USER $MPIRUN $MPIRUN_FLAGS -n 2 "$EIGENSTEP" train - \
  $small backend.tune=true output.dir=homeless > log 2>&1
works $? homeless "no HOME"
HOME=/proc/nowhere XDG_CACHE_HOME= "$EIGENSTEP" train - $small backend.tune=true \
  output.dir=homeless1 > log 2>&1
works $? homeless1 "a HOME that cannot be written"

# standard descriptors closed or full, under a launcher as without
on_two sh -c 'exec "$@" <&- >&-' sh "$EIGENSTEP" train - $small output.dir=mute > log 2>&1
works $? mute "stdin and stdout closed"
on_two "$EIGENSTEP" train - $small output.dir=silent < /dev/null > /dev/full 2> log
works $? silent "stdout on a full device"
"$EIGENSTEP" params <&- >&- 2> log
[ $? -eq 0 ] || grep -q "error: " log || { fail "params to a closed stdout"; cat log; }

unshare -rm true 2> log ||
  { echo "no mounts of our own here: shared memory and read-only trees are not tested"
    finish; }
apart() { unshare -rm bash -c "$1" bash "${@:2}"; } # apart COMMANDS ARGUMENT...

# shared memory of a container: the gradients of this run fit
launcher="timeout 300 $MPIRUN $MPIRUN_FLAGS -n 2"
apart 'mount -t tmpfs -o size=64m tmpfs /dev/shm && exec "$@"' \
  $launcher "$EIGENSTEP" train - $small output.dir=shared > log 2>&1
works $? shared "64 MB of shared memory"
! grep -q "its own copy" shared/log.txt || fail "64 MB of shared memory: small copies"

# a tree that may not be written: inputs are read from it, and nothing is put there
read_only='mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
apart "$read_only" "$srcdir" "$EIGENSTEP" check "$srcdir/inputs/quickstart/run.ini" \
  > log 2>&1 || { fail "check in a read-only tree"; cat log; }
apart "$read_only" "$srcdir" "$EIGENSTEP" train - $small \
  output.dir="$srcdir/limits-out" > log 2>&1
got=$?
[ $got -eq 1 ] && grep -q "error: .*limits-out.*Read-only file system" log ||
  { fail "a folder in a read-only tree: exit $got"; cat log; }

if [ "${LIMITS:-}" = all ]; then
  # gradients, values and moments of 100 MB: each rank holds its own
  apart 'mount -t tmpfs -o size=64m tmpfs /dev/shm && exec "$@"' \
    $launcher "$EIGENSTEP" train - $tiny encoder.base_width=96 run.steps=2 \
    optim.momentum=0.9 output.dir=copies > log 2>&1
  works $? copies "gradients above 64 MB"
  grep -q "each rank holds its own copy" copies/log.txt || fail "no word of copies"
  apart "$read_only" "$srcdir" $launcher "$EIGENSTEP" train \
    "$srcdir/inputs/quickstart/run.ini" run.steps=10 output.dir="$work/quick" > log 2>&1
  works $? quick "the quickstart in a read-only tree"
fi
finish
