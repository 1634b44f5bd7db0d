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
# commands on finished runs and on files: exit 75 by a wall time or a signal to one of two
# ranks; ntk goes on from what it has saved, to the same bits
launch 2 train - $tiny run.steps=40 spectrum.every=5 ckpt.every=20 ckpt.keep=3 \
  init.scale_last=0.1 optim.lr=8e-3 output.dir="$work/run" > "$work/log" 2>&1 ||
  fail "the run to look at"
"$python" -c "
import numpy as np
x = np.random.default_rng(1).normal(size=(2, 2200, 2000))
np.save('$work/x.npy', x)"
said() { # said CODE WORDS WHAT: exit code 75 and one such sentence
  [ "$1" -eq 75 ] && [ "$(grep -c "$2" "$work/log")" = 1 ] ||
    { fail "$3: exit $1, expected 75 and '$2'"; cat "$work/log"; }
}
limited() { # limited WORDS COMMAND...: by a wall time that is over at once
  launch 2 "${@:2}" run.walltime=1e-3 > "$work/log" 2>&1
  said $? "$1" "$2 with a wall time"
}
signalled() { # signalled WORDS FILE TEXT COMMAND...: when FILE is there and has this text
  launch 2 "${@:4}" > "$work/log" 2>&1 & pid=$!
  for _ in $(seq 600); do
    grep -q "$3" "$2" 2> "$work/grep" && break
    sleep 0.05
  done
  kill -TERM "$(pgrep -f "^$EIGENSTEP $4 .*$work" | tail -n 1)"
  wait $pid
  said $? "$1" "$4 with a signal"
}
none="there is no result, and nothing to go on from"
limited "wall time.*$none" spectrum "$work/x.npy" output.dir="$work/brief"
grep -q '^STOPPED 0 wall time' "$work/brief/STATUS" || fail "brief: $(cat "$work/brief/STATUS")"
signalled "signal.*$none" "$work/heard/STATUS" RUNNING spectrum "$work/x.npy" \
  output.dir="$work/heard"
grep -q '^STOPPED 0 signal' "$work/heard/STATUS" || fail "heard: $(cat "$work/heard/STATUS")"
limited "wall time.*$none" compare "$work/run@all" output.dir="$work/none"
signalled "signal.*$none" "$work/log" backend.name -v compare "$work/run@all" \
  compare.bootstrap=20000 output.dir="$work/none"
limited "wall time.*$none" modes "$work/run" output.dir="$work/none"
signalled "signal.*$none" "$work/log" backend.name -v modes "$work/run" modes.at=all \
  modes.permutations=20000 output.dir="$work/none"
[ ! -e "$work/none" ] || fail "a command without a result left a folder"
launch 2 ntk "$work/run" output.dir="$work/calm" > "$work/log" 2>&1 || fail "ntk: exit $?"
kept="the same command goes on from it"
limited "wall time.*$kept" ntk "$work/run" output.dir="$work/parts"
limited "wall time.*$kept" ntk "$work/run" output.dir="$work/parts"
grep -q 'going on after 1 layers' "$work/log" || { fail "ntk began anew"; cat "$work/log"; }
launch 2 ntk "$work/run" output.dir="$work/parts" > "$work/log" 2>&1 || fail "ntk: exit $?"
"$python" - "$work" << 'PY' || fail "ntk in three parts differs"
import sys
import h5py
a, b = (h5py.File(f"{sys.argv[1]}/{name}/ntk.h5") for name in ("calm", "parts"))
for name in ("ntk/predicted", "ntk/learned", "layers/share"):
    assert a[name][:].tobytes() == b[name][:].tobytes(), name
PY
long_kernel="ntk $work/run ntk.outputs=random:100000 output.dir=$work/long"
signalled "signal.*$kept" "$work/log" expected: $long_kernel
touch "$work/long/stop"
launch 2 $long_kernel > "$work/log" 2>&1 & pid=$!
for _ in $(seq 600); do
  grep -q 'going on after' "$work/log" && break
  sleep 0.05
done
grep -q "removed the file .*long/stop" "$work/log" || fail "ntk stops at once again"
touch "$work/long/stop"
wait $pid
said $? "stop file.*$kept" "ntk with a file stop"
launch 2 ntk "$work/run" ntk.outputs=random:100000 output.dir="$work/gone" \
  > "$work/log" 2>&1 & pid=$!
for _ in $(seq 600); do
  [ -e "$work/gone/ntk.h5" ] && break
  sleep 0.05
done
sleep 0.5
rm -r "$work/gone"
wait $pid
[ $? -eq 1 ] && grep -q "error: .*was removed" "$work/log" && [ ! -e "$work/gone" ] ||
  { fail "ntk without its folder"; cat "$work/log"; }
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
