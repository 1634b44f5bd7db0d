#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_kill.sh  A run is killed (SIGKILL) again and again at random instants, all ranks or
# one of them, and resumed: from the first snapshot on trajectory.h5 can be opened at any
# time and its series have equal lengths; from the first checkpoint on every resume works;
# the end equals that of the undisturbed run, bit for bit. A third of the instants is while
# the program starts, the others are counted in steps of this part of the run, so that a
# busy machine kills at the same places. KILLS=n and SEED=n override.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py
cd "$work" || exit 1
case $EIGENSTEP in /*) ;; *) fail "EIGENSTEP must be an absolute path" ;; esac
RANDOM=${SEED:-1}
kills=${KILLS:-6} lost=0 steps=$((${KILLS:-6} * 12)) limit=3000
run="$tiny encoder.base_width=4 run.steps=$steps spectrum.every=2 ckpt.every=3 ckpt.keep=2
     run.log_every=1 parallel.deterministic=true"

out=$work/torn/out # absolute: tells this run's processes from those of other tests
mkdir -p calm torn
cd calm || exit 1
launch 2 train - $run output.dir=out > log 2>&1 || { cat log; fail "the undisturbed run"; }
cd ../torn || exit 1

whole() { # the trajectory that readers find is complete
  "$python" - << 'PY' || fail "after kill $1: trajectory.h5 is damaged"
import h5py
with h5py.File("out/trajectory.h5") as f:
    for name in ("/loss", "/gradient", "/probe_loss", "/spectrum/covariance"):
        if name not in f:
            continue
        rows = {len(v) for v in f[name].values()
                if isinstance(v, h5py.Dataset) and v.maxshape[0] is None}
        assert len(rows) == 1, (name, rows)
PY
}

progress() { # rows of progress so far
  local rows
  rows=$(grep -c '^ *[0-9]' out/timesteps.txt 2> progress.log)
  echo "${rows:-0}"
}
instant() { # wait for a random one
  local from more
  if [ $((RANDOM % 3)) = 0 ]; then
    early=$((early + 1))
    sleep "0.$((RANDOM % 9 + 1))"
    return
  fi
  from=$(progress) more=$((RANDOM % 12))
  while kill -0 $started 2> kill.log && [ "$(progress)" -lt $((from + more)) ]; do
    sleep 0.05
  done
  sleep "0.0$((RANDOM % 9 + 1))"
}

early=0 resumed=0
for k in $(seq "$kills"); do
  if [ -e out/ckpt/latest ]; then command="resume $out"; resumed=$((resumed + 1))
  else rm -rf out; command="train - $run output.dir=$out"; fi
  setsid timeout $limit $MPIRUN $MPIRUN_FLAGS -n 2 "$EIGENSTEP" $command > log 2>&1 &
  started=$!
  instant
  if [ $((RANDOM % 2)) = 0 ]; then
    kill -9 -- -$started 2> kill.log
    pkill -9 -f "^$EIGENSTEP .*$out"
  else # one rank, as soon as there is one; the launcher ends the others
    until victim=$(pgrep -n -f "^$EIGENSTEP .*$out") || ! kill -0 $started 2> kill.log; do
      sleep 0.05
    done
    kill -9 $victim 2> kill.log
  fi
  wait $started 2> kill.log
  while pgrep -f "^$EIGENSTEP .*$out" > kill.log; do sleep 0.1; done
  [ ! -e out/ckpt/latest ] || [ -e out/trajectory.h5 ] ||
    fail "after kill $k: a checkpoint without a trajectory"
  [ ! -e out/trajectory.h5 ] || whole "$k"
  ! grep -q '^DONE' out/STATUS 2> kill.log || break # it was faster than the kill
  lost=$((lost + 1))
  ! grep 'error:' log || fail "kill $k: the resumed run ended with an error"
done
echo "$lost kills hit a run that was not done; $early instants while it started," \
  "$resumed runs resumed"
[ "$lost" -gt 0 ] || fail "no run was interrupted"
command="resume $out"
[ -e out/ckpt/latest ] || { rm -rf out; command="train - $run output.dir=$out"; }
grep -q '^DONE' out/STATUS 2> kill.log ||
  launch 2 $command > log 2>&1 || { cat log; fail "the last resume"; }
cd ..
"$python" - calm/out torn/out << 'PY' || fail "the resumed run differs from the undisturbed"
import glob
import sys
import h5py
import numpy as np

def items(path, skip):
    found = {}
    with h5py.File(path) as f:
        f.visititems(lambda n, v: found.update({n: v[()]}) if isinstance(v, h5py.Dataset)
                     and n.split("/")[0] not in skip else None)
    return found

calm, torn = sys.argv[1:3]
skip = ("timing", "environment", "code", "parameters", "resumes")
a, b = items(f"{calm}/trajectory.h5", skip), items(f"{torn}/trajectory.h5", skip)
differ = [n for n in a if n not in b or a[n].tobytes() != b[n].tobytes()]
assert not differ and len(a) > 20, differ
last = [sorted(glob.glob(f"{d}/ckpt/step_*/state.h5"))[-1] for d in (calm, torn)]
a, b = (items(path, ("parameters",)) for path in last)
differ = [n for n in a if not np.array_equal(a[n], b[n])]
assert not differ and len(a) > 20, differ
PY
[ ! -e torn/out/trajectory.h5.part ] || fail "a working file is left after the end"
finish
