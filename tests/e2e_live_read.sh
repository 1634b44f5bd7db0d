#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_live_read.sh  Another program reads the trajectory of a run under way, again and
# again on another number of ranks: it finds more and more rows, and the run writes the
# same bytes as one that nobody reads.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py
reader=$PWD/tests/par_traj_read
[ -x "$reader" ] || { echo "skipped: no $reader (built where cmocka is)"; exit 77; }
cd "$work" || exit 1
case $EIGENSTEP in /*) ;; *) fail "EIGENSTEP must be an absolute path" ;; esac

train() { # train FOLDER: a snapshot, and so a flush, at every step
  mkdir "$1" && cd "$1" || return 1
  launch 2 train - $tiny run.steps=40 spectrum.every=1 output.dir=out > log 2>&1
  local rc=$?
  cd .. && return $rc
}
train alone || { cat alone/log; fail "the run that nobody reads"; }
train live & run=$!
timeout 200 $MPIRUN $MPIRUN_FLAGS -n 3 "$reader" follow live/out/trajectory.h5 40 \
  > read.log 2>&1 || { cat read.log; fail "reading a run under way"; }
wait $run || { cat live/log; fail "the run that is read"; }
tail -n 1 read.log
[ "$(sed -n 's/^40 losses in \([0-9]*\) reads$/\1/p' read.log)" -gt 1 ] ||
  fail "the run was over before it was read"
"$python" "$srcdir/tests/compare_bits.py" alone/out live/out || fail "reading changed a run"
finish
