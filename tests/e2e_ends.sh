#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_ends.sh  However a run ends, its folder says so and nothing complete is lost: signals
# once and in storms, a closed terminal, nobody who reads stdout, a removed output folder,
# a kill, data that one rank cannot read, another program that wants to write.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py PIL
long="$tiny encoder.base_width=4 run.steps=1000000 run.log_every=1 spectrum.every=50"
cd "$work" || exit 1

wait_for() { # wait_for COMMAND...: until it succeeds, at most a minute
  for _ in $(seq 300); do
    "$@" 2> /dev/null && return 0
    sleep 0.2
  done
  fail "waited in vain: $*"; cat log
}
going() { [ "$(grep -c '^ ' "$1/timesteps.txt")" -ge 3 ]; }
with_hup="" # where these tests were started by nohup, programs ignore SIGHUP, too
if env --default-signal=HUP true 2> /dev/null; then with_hup="env --default-signal=HUP"; fi
begin() { # begin DIR ARGUMENT...: a long run of one rank in the background, in $pid
  local dir=$1; shift
  $with_hup "$EIGENSTEP" train - $long output.dir="$dir" "$@" > log 2>&1 & pid=$!
  wait_for going "$dir"
}
ended() { # ended DIR CODE STATUS: how the program $pid ended
  wait $pid; local got=$?
  [ $got -eq "$2" ] || fail "$1: exit $got instead of $2"
  grep -qE "$3" "$1/STATUS" || fail "$1: $(cat "$1/STATUS") instead of $3"
}

# checkpoints by the clock, and what stops a run; a signal twice changes nothing
begin hup ckpt.minutes=0.01
wait_for test -e hup/ckpt/latest
kill -HUP $pid
ended hup 75 '^STOPPED [0-9]+ signal'
begin storm
for _ in $(seq 50); do kill -TERM $pid; kill -XCPU $pid; done 2> /dev/null
ended storm 75 '^STOPPED [0-9]+ signal'
ls storm/ckpt/step_*/DONE > /dev/null || fail "storm: no checkpoint"

begin both
kill -INT $pid
kill -TERM $pid
ended both 75 '^STOPPED [0-9]+ signal'

# by mpirun: the wrapper passes the request on, and the ranks have the time they need
MPIRUN=$MPIRUN sh "$srcdir/jobs/mpirun.sh" $MPIRUN_FLAGS -n 2 "$EIGENSTEP" train - $long \
  output.dir=wrapped > log 2>&1 & pid=$!
wait_for going wrapped
kill -TERM $pid
ended wrapped 75 '^STOPPED [0-9]+ signal'
ls wrapped/ckpt/step_*/DONE > /dev/null || fail "wrapped: no checkpoint"

# Ctrl-C twice: at once; the next command that opens the folder corrects STATUS
begin twice ckpt.minutes=0.01
wait_for test -e twice/ckpt/latest
kill -INT $pid
kill -INT $pid
wait $pid; got=$?
# the second one may come after the step that the first one ended
[ $got -eq 130 ] || [ $got -eq 75 ] || fail "Ctrl-C twice: exit $got"
"$EIGENSTEP" resume twice run.walltime=0.1 > log 2>&1
got=$?
[ $got -eq 75 ] || { fail "resume after Ctrl-C twice: exit $got"; cat log; }
begin killed ckpt.minutes=0.01
wait_for test -e killed/ckpt/latest
"$EIGENSTEP" export killed k.safetensors > log 2>&1 || { fail "export of a live run"; cat log; }
[ "$(cat killed/STATUS)" = RUNNING ] || fail "STATUS of a live run: $(cat killed/STATUS)"
kill -KILL $pid
wait $pid
"$EIGENSTEP" export killed again.safetensors > log 2>&1 || fail "export of a killed run"
grep -q "was killed" log && grep -q '^FAILED killed' killed/STATUS ||
  { fail "STATUS of a killed run: $(cat killed/STATUS)"; cat log; }
# one that has no checkpoint is told to start again
cp -r killed early
rm -r early/ckpt
echo RUNNING > early/STATUS
"$EIGENSTEP" resume early > log 2>&1 && fail "resume of a run without a checkpoint"
grep -q "no complete checkpoint .*start it again with another output.dir.*mpirun.sh" log ||
  fail "remedy: $(cat log)"
grep -q "^FAILED killed before its first checkpoint" early/STATUS ||
  fail "STATUS of a run without a checkpoint: $(cat early/STATUS)"

# of a run on another host a lock that is free proves nothing: STATUS stays until the folder
# has been silent for ten minutes
cp -r killed far
echo RUNNING > far/STATUS
sed -i "s/$(hostname)/elsewhere/g" far/job.txt
"$EIGENSTEP" export far f.safetensors > log 2>&1 || fail "export of a run elsewhere"
[ "$(cat far/STATUS)" = RUNNING ] || fail "STATUS of a run elsewhere: $(cat far/STATUS)"
find far -exec touch -d '11 minutes ago' {} +
"$EIGENSTEP" export far again.safetensors > log 2>&1 || fail "export of a silent run"
grep -q '^FAILED killed' far/STATUS || fail "STATUS of a silent run: $(cat far/STATUS)"

# nobody reads what it prints: the run goes on, and log.txt holds everything
"$EIGENSTEP" train - $tiny output.dir=quiet run.log_every=1 2> log | head -n 2 > /dev/null
[ "$(cat quiet/STATUS)" = DONE ] || fail "stdout closed: $(cat quiet/STATUS)"
grep -q "modes learned" quiet/log.txt || fail "log.txt ends early"

# no standard descriptor at all: nothing is printed into other files
"$EIGENSTEP" train - $tiny output.dir=mute <&- >&- 2>&-
[ "$(cat mute/STATUS)" = DONE ] && "$python" -c '
import h5py
h5py.File("mute/trajectory.h5")["/loss/value"][()]
' || fail "without standard descriptors: $(cat mute/STATUS)"

# the folder is removed while the run writes into it, and is not made again
begin gone ckpt.every=7
rm -r gone 2> /dev/null; rm -rf gone
wait $pid && fail "a run without its folder ended with 0"
[ ! -e gone ] || fail "the removed folder is there again"
grep -q "error: .*gone" log || { fail "nothing said about the folder"; tail -n 3 log; }

# another program may read the trajectory and not write it
begin lock
"$python" - << 'PY' || fail "the trajectory is not kept from writers"
import h5py
for name in ("lock/trajectory.h5", "lock/trajectory.h5.part"):
    try:
        h5py.File(name, "r+")
        raise SystemExit(f"{name} was opened for writing")
    except OSError:
        pass
h5py.File("lock/trajectory.h5", "r").close()
PY
touch lock/stop
ended lock 75 '^STOPPED [0-9]+ stop file'

# a picture that rank 1 alone reads is damaged: its sentence is in STATUS and log.txt
"$python" - << 'PY'
import os
import numpy as np
from PIL import Image
os.makedirs("pictures/a")
for i in range(48):
    x = np.random.default_rng(i).integers(0, 256, (20, 20, 3), np.uint8)
    Image.fromarray(x).save(f"pictures/a/{i:02d}.png")
PY
launch 2 train - $tiny data.name=imagefolder data.path=pictures output.dir=sound \
  run.steps=1 data.shuffle=false batch.pairs=8 spectrum.probe=8 > log 2>&1 ||
  { fail "the run on sound pictures"; cat log; }
# its end is there; of the first batch's second half
printf '%200s' "" | dd of=pictures/a/06.png bs=1 seek=500 conv=notrunc 2> log
launch 2 train - $tiny data.name=imagefolder data.path=pictures output.dir=damaged \
  run.steps=9 data.shuffle=false batch.pairs=8 spectrum.probe=8 > log 2>&1 &&
  fail "a damaged picture was taken"
for file in damaged/STATUS damaged/log.txt; do
  grep -q "06.png" $file || { fail "$file does not name the picture"; cat $file log; }
done

# srun without MPI support: as many programs as ranks
SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=4 "$EIGENSTEP" train - output.dir=s > log 2>&1 &&
  fail "one of four programs of srun ran"
grep -q "srun --mpi=pmix" log || { fail "no remedy for srun"; cat log; }
SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=4 "$EIGENSTEP" train --help > log 2>&1 ||
  fail "no help under srun: $(cat log)"
SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=4 "$EIGENSTEP" --version > log 2>&1 ||
  fail "no version under srun: $(cat log)"
finish
