#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_ranks.sh  The same training run on 1, 2, 3 and 4 ranks: losses of the first ten
# steps within 1e-5 relative, spectra within 1e-6 of the top eigenvalue, complete folder.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py numpy
for n in 1 2 3 4; do
  launch $n train - $tiny output.dir="$work/r$n" > "$work/log$n" 2>&1 ||
    { cat "$work/log$n"; fail "run on $n ranks ended with $?"; }
  for f in run.ini unused.txt build.txt job.txt log.txt timesteps.txt STATUS trajectory.h5 \
           ckpt/latest; do
    [ -e "$work/r$n/$f" ] || fail "$n ranks: no $f in the output folder"
  done
  ls "$work/r$n"/ckpt/step_*10/DONE > /dev/null || fail "$n ranks: no complete checkpoint"
  [ "$(cat "$work/r$n/STATUS")" = DONE ] || fail "$n ranks: STATUS is not DONE"
done
[ -z "${failures:-}" ] || finish
"$python" "$srcdir/tests/compare_runs.py" "$work/r1" "$work/r2" "$work/r3" "$work/r4" ||
  fail "results differ between rank counts"
# the effective parameters are runnable and give the same run
launch 2 train "$work/r1/run.ini" output.dir="$work/again" > "$work/log" 2>&1 ||
  { cat "$work/log"; fail "run.ini of a run is not runnable"; }
"$python" "$srcdir/tests/compare_runs.py" "$work/r1" "$work/again" ||
  fail "run.ini gives another run"
# statistics of each rank alone: running averages differ, a checkpoint holds their mean
for n in 2 3; do
  launch $n train - $tiny batch.sync_bn=false spectrum.bn=running ckpt.every=5 \
    output.dir="$work/local$n" > "$work/log" 2>&1 || { cat "$work/log"; fail "sync_bn=false"; }
  launch 1 export "$work/local$n" "$work/local$n.safetensors" > "$work/log" 2>&1 ||
    { cat "$work/log"; fail "export of sync_bn=false"; }
done
finish
