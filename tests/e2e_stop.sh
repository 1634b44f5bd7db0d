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
