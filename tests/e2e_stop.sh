#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_stop.sh  A run that is asked to stop ends after its step with a checkpoint, exit code
# 75 and STATUS STOPPED; a killed run leaves a readable trajectory.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py
long="$tiny run.steps=100000 run.log_every=5 spectrum.every=5"

wait_for() { # wait_for DIR: until some rows of progress are there, at most two minutes
  local rows
  for _ in $(seq 600); do
    rows=$(grep -c '^ ' "$work/$1/timesteps.txt" 2> /dev/null)
    [ "${rows:-0}" -ge 4 ] && return 0
    sleep 0.2
  done
  fail "$1: no progress"; cat "$work/log"
}

readable() { # readable DIR SNAPSHOTS: at least so many, and as many steps as values
  "$python" - "$work/$1" "$2" <<'EOF' || fail "$1: the trajectory"
import sys
import h5py
with h5py.File(sys.argv[1] + "/trajectory.h5") as f:
    g = f["/spectrum/cross_correlation"]
    assert g["eigenvalues"].shape[0] >= int(sys.argv[2]), g["eigenvalues"].shape
    assert len(g["step"]) == len(g["time"]) == g["eigenvalues"].shape[0]
    assert len(f["/loss/value"]) == len(f["/loss/step"])
EOF
}

stopped() { # stopped DIR CODE REASON SNAPSHOTS
  [ "$2" -eq 75 ] || fail "$1: exit $2 instead of 75"
  grep -qE "^STOPPED [0-9]+ .*$3" "$work/$1/STATUS" || fail "$1: $(cat "$work/$1/STATUS")"
  ls "$work/$1"/ckpt/step_*/DONE > /dev/null || fail "$1: no checkpoint"
  readable "$1" "$4"
}

# the wall time of the run
launch 2 train - $long run.walltime=5 output.dir="$work/wall" > "$work/log" 2>&1
stopped wall $? "wall time" 1

# a file called stop
launch 2 train - $long output.dir="$work/file" > "$work/log" 2>&1 & pid=$!
wait_for file
touch "$work/file/stop"
wait $pid
stopped file $? "stop file" 3

# a signal to one rank is enough; only this test's ranks are meant
launch 3 train - $long output.dir="$work/signal" > "$work/log" 2>&1 & pid=$!
wait_for signal
kill -USR1 "$(pgrep -f "train - .*output.dir=$work/signal" | tail -n 1)"
wait $pid
stopped signal $? "signal" 3

# the solved models: exit 75, STOPPED with the step, and the rows so far are there; a signal
# to one of two ranks, but of a flow, whose ranks meet only where rows are recorded, to both
solved() { # solved DIR SERIES ARGUMENT...
  local name=$1 dir=$work/$1 series=$2 got ranks
  shift 2
  launch 2 "$@" data.name=gaussian data.dim=8 output.dir="$dir" > "$work/log" 2>&1 & pid=$!
  for _ in $(seq 600); do
    [ -s "$dir/STATUS" ] && break
    sleep 0.1
  done
  for _ in $(seq 100); do # where the progress is written, a row of it
    [ -e "$dir/timesteps.txt" ] && ! grep -q '^ ' "$dir/timesteps.txt" || break
    sleep 0.1
  done
  sleep 1
  ranks=$(pgrep -f "^$EIGENSTEP .*output.dir=$dir")
  [ $name = flow ] || ranks=${ranks##*[!0-9]}
  kill -TERM $ranks
  wait $pid; got=$?
  [ $got -eq 75 ] && grep -qE '^STOPPED [0-9]+ signal' "$dir/STATUS" ||
    { fail "$dir: exit $got, $(cat "$dir/STATUS")"; tail -n 5 "$work/log"; }
  "$python" -c "
import h5py
f = h5py.File('$dir/trajectory.h5')
assert len(f['$series']) >= 1" || fail "$dir: no rows"
  ! grep -q 'take linear.steps' "$work/log" || fail "$dir: advice to a run that was stopped"
}
linear="linear - linear.dim=3 linear.sample=60 linear.alpha=1e-6"
solved gd /loss/value $linear linear.steps=2000000000
solved flow /loss/value $linear linear.method=flow linear.tol=1e-13 linear.times=1e-9,1e9
solved direct /loss/value $linear linear.method=direct linear.steps=2000000000
solved growth /loss/value $linear loss.name=vicreg linear.steps=2000000000
solved momentum /loss/value $linear linear.momentum=0.5 linear.steps=20000000 \
  linear.lr=1e-9
deep="$linear linear.alpha=0.05 linear.lr=1e-9 linear.steps=2000000000"
solved jepa /loss/value $deep linear.model=jepa
solved mae /loss/value $deep linear.model=mae linear.method=flow
kernel="kernel - kernel.dim=3 kernel.sample=40 kernel.alpha=1e-2 kernel.held_out=8"
solved kernel /loss/value $kernel kernel.steps=2000000000
solved function /loss/value $kernel kernel.method=direct kernel.steps=2000000000
solved networks /loss/value $kernel kernel.name=arccos kernel.widths=512,1024 \
  kernel.seeds=200 kernel.steps=2000
# in a sweep: the run is not done, and the same call makes it again
printf '[sweep]\nbase = -\ncommand = linear\nlinear.alpha = 1e-6\n[data]\nname = gaussian
dim = 8\n[linear]\nsample = 60\ndim = 3\nsteps = 2000000000\n' > "$work/sweep.ini"
launch 2 sweep "$work/sweep.ini" output.dir="$work/sweep" > "$work/log" 2>&1 & pid=$!
for _ in $(seq 600); do
  ls "$work"/sweep/*/STATUS > "$work/ls" 2>&1 && break
  sleep 0.1
done
sleep 1
pkill -TERM -f "^$EIGENSTEP sweep .*$work/sweep"
wait $pid
[ $? -eq 75 ] && grep -q '^state = STOPPED' "$work"/sweep/*.state ||
  { fail "sweep: $(cat "$work"/sweep/*.state)"; cat "$work/log"; }
launch 2 sweep --dry-run "$work/sweep.ini" output.dir="$work/sweep" > "$work/log" 2>&1
grep -qE '^ +1 STOPPED' "$work/log" || { fail "sweep --dry-run"; cat "$work/log"; }

# SIGKILL: STATUS stays RUNNING; the copy published last is complete (e2e_kill.sh: more)
launch 2 train - $long output.dir="$work/kill" > "$work/log" 2>&1 & pid=$!
wait_for kill
pkill -KILL -f "train - .*output.dir=$work/kill"
wait $pid && fail "a killed run ended with 0"
readable kill 1
[ "$(cat "$work/kill/STATUS")" = RUNNING ] || fail "STATUS of a killed run"

# one rank fails inside a collective step: its error is printed and all ranks are aborted;
# all ranks fail there: one error is printed and the program ends normally
alone() { # alone RANKS ARGUMENT...
  timeout 60 $MPIRUN $MPIRUN_FLAGS -n "$1" "$(dirname "$EIGENSTEP")/tests/lone_failure" \
    "${@:2}" > "$work/out" 2> "$work/err"
  got=$?
  [ "$(grep -c "eigenstep: error: " "$work/err")" -eq 1 ] && [ $got -ne 124 ] ||
    { fail "$*: exit $got"; cat "$work/err"; }
}
for n in 2 3; do
  alone $n
  [ $got -ne 0 ] && grep -q "rank $((n - 1)) failed inside a collective step" "$work/err" ||
    { fail "rank $((n - 1)) alone: exit $got"; cat "$work/err"; }
  alone $n all
  [ $got -eq 7 ] && ! grep -q "failed inside a collective step" "$work/err" ||
    fail "all of $n: exit $got"
done
alone 1
[ $got -eq 7 ] || fail "one rank of one: exit $got"
finish
