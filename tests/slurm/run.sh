#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# run.sh  The jobs of jobs/ under a real Slurm: Debian's slurm-wlm and munge on this machine
# as two virtual nodes (two slurmd), for this test alone. Part of `make check-long`.
#   train.sbatch        runs out of time, stops with a checkpoint, is requeued, and ends
#                       equal to an uninterrupted run, to the bit
#   sweep-array.sbatch  18 runs, one task cancelled, one node drained; the array again
#                       makes what is missing, each run once
#   sweep.sbatch        a sweep in one allocation that is cancelled and submitted again
# Minutes; needs no privileges. KEEP=DIR keeps logs and results there.
set -u
. "$srcdir/tests/e2e.sh"
PATH=$PATH:/usr/sbin:/sbin
for program in slurmctld slurmd munged srun sbatch scontrol; do
  command -v "$program" > /dev/null ||
    { echo "SKIP: no $program (Debian: slurm-wlm, munge)"; exit 77; }
done
need_python h5py
cd "$work" || exit 99
stop_all() {
  local f
  for f in slurmctld.pid v1.pid v2.pid run/munged.pid; do
    [ ! -s "$f" ] || kill "$(cat "$f")" 2> /dev/null
  done
  sleep 1
  [ -z "${KEEP:-}" ] || cp -r "$work/." "$KEEP"
  rm -rf "$work"
}
trap stop_all EXIT
mkdir state v1 v2 run
head -c 1024 /dev/urandom > key
chmod 400 key
munged --force --key-file="$work/key" --socket="$work/run/munge.socket" --num-threads=2 \
  --pid-file="$work/run/munged.pid" --log-file="$work/munged.log" \
  --seed-file="$work/seed" 2> munged.err || { cat munged.err; echo "SKIP: munged"; exit 77; }
host=$(hostname -s) port=$((20000 + $$ % 20000))
cat > slurm.conf <<EOF
ClusterName=eigenstep
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
AuthType=auth/munge
AuthInfo=socket=$work/run/munge.socket,cred_expire=5
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/%n
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/%n.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=1
MpiDefault=pmix
ReturnToService=2
KillWait=5
SlurmdParameters=config_overrides
NodeName=v1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=2
NodeName=v2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 2)) CPUs=2
PartitionName=all Nodes=v1,v2 Default=YES MaxTime=INFINITE State=UP
EOF
export SLURM_CONF=$work/slurm.conf EIGENSTEP
slurmctld -f slurm.conf && slurmd -N v1 -f slurm.conf && slurmd -N v2 -f slurm.conf ||
  { fail "Slurm does not start"; finish; }
for _ in $(seq 100); do
  [ "$(sinfo -h -t idle -o %D 2> /dev/null)" = 2 ] && break
  sleep 0.2
done
[ "$(sinfo -h -t idle -o %D)" = 2 ] || { fail "no two idle nodes: $(sinfo)"; finish; }

submit() { sbatch --parsable --chdir="$work" "$@"; }
ended() { # ended SECONDS: wait until the queue is empty, and not only out of reach
  local left
  for _ in $(seq $(($1 * 2))); do
    left=$(squeue -h 2> /dev/null) && [ -z "$left" ] && return
    sleep 0.5
  done
  fail "jobs did not end: $(squeue)"
  scancel -u "$(id -un)"
}
done_runs() { grep -l '^state = DONE' "$1"/*.state 2> /dev/null | wc -l; }
claims() { find "$1/queue" -name '*.[0-9]*' ! -name 'clock*' | wc -l; }

# ---- a training that runs out of time; it stops in a moment, but Slurm needs some
# seconds to end a step, more on a busy machine
part="$tiny parallel.deterministic=true parallel.shards=2 run.steps=${STEPS:-4000}
      spectrum.every=1000 run.log_every=100"
one="--nodes=1 --ntasks-per-node=2 --output=train.out"
start=$(date +%s)
submit $one --time=2 --signal=USR1@75 "$srcdir/jobs/train.sbatch" - cut $part > id
ended 6000
[ "$(cat cut/STATUS)" = DONE ] || fail "the requeued training says $(cat cut/STATUS)"
stops=$(grep -c '^STOPPED' train.out)
[ "$stops" -ge 1 ] || fail "Slurm's limit did not stop the training"
resumes=$(grep -c 'resumed at step' cut/log.txt)
[ "$resumes" = "$stops" ] || fail "stopped $stops times, resumed $resumes times"
echo "training: stopped and requeued $stops times in $(($(date +%s) - start)) s"
mkdir whole && cd whole &&
  limit=3000 launch 2 train - $part output.dir=cut > ../whole.out 2>&1 ||
  fail "uninterrupted run: $(tail -n 3 ../whole.out)"
cd "$work" || exit 99
"$python" "$srcdir/tests/compare_bits.py" cut whole/cut > bits # only where it resumed
grep 'differ' bits | sed 's/.*differ //' | grep -oE "'[^']+'" | grep -vE "'resumes/" &&
  fail "the requeued training differs from an uninterrupted one: $(cat bits)"
[ -e whole/cut/trajectory.h5 ] || fail "nothing to compare with"

# ---- a sweep as a job array: one task cancelled, one node drained
cat > sweep.ini <<EOF
[sweep]
base = $srcdir/inputs/linear-deadleaves/run.ini
command = linear
linear.alpha = 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4
seeds = 1:3
[linear]
sample = 100
steps = 1000000
[output]
dir = array
EOF
array="--array=1-18 --ntasks=1 --output=array.out $srcdir/jobs/sweep-array.sbatch sweep.ini"
id=$(submit $array)
for _ in $(seq 2000); do
  [ "$(done_runs array)" -ge 2 ] && break
  sleep 0.3
done
victim=$(squeue -h -r -t running -j "$id" -o %K | head -n 1)
scancel "${id}_$victim"
scontrol update NodeName=v2 State=DRAIN Reason=test
ended 900
before=$(done_runs array)
[ "$before" = 17 ] || fail "array: $before of 18 runs done after one was cancelled"
scontrol update NodeName=v2 State=RESUME
submit $array > id
ended 600
[ "$(done_runs array)" = 18 ] || fail "array: $(done_runs array) of 18 runs done at last"
again=$(grep -L '^generation = 1$' array/*.state | wc -l)
[ "$again" -le 1 ] && [ "$(claims array)" = $((18 + again)) ] ||
  fail "array: $(claims array) claims of 18 runs, $again made again"
echo "array: task $victim cancelled, $before of 18 done; again: 18, $(claims array) claims"

# ---- a sweep in one allocation, cancelled in the middle
id=$(submit --nodes=1 --ntasks-per-node=2 --output=one.out "$srcdir/jobs/sweep.sbatch" \
       sweep.ini output.dir=one)
for _ in $(seq 2000); do
  [ "$(done_runs one)" -ge 6 ] && break
  sleep 0.3
done
scancel "$id"
ended 60
before=$(done_runs one)
submit --nodes=1 --ntasks-per-node=2 --output=one.out "$srcdir/jobs/sweep.sbatch" \
  sweep.ini output.dir=one > id
ended 900
[ "$(done_runs one)" = 18 ] || fail "one allocation: $(done_runs one) of 18 runs done"
[ "$(claims one)" -le 20 ] || fail "one allocation: $(claims one) claims of 18 runs"
echo "one allocation: cancelled at $before of 18 done; again: 18, $(claims one) claims"
finish
