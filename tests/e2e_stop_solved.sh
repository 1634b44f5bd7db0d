#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_stop_solved.sh  The solved models and a sweep of them end on a signal: exit code 75,
# STATUS STOPPED with the step, and the rows so far are there.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py

# a signal to one of two ranks, but of a flow, whose ranks meet only where rows are
# recorded, to both
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
finish
