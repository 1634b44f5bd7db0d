#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_sweep.sh  eigenstep sweep: each run once, whatever is killed and however many jobs
# work on it; interrupted trainings resume; a failed run is recorded; bad input is refused.
set -u
. "$srcdir/tests/e2e.sh"
cd "$work" || exit 99

cat > base.ini <<'EOF'
[run]
seed = 1
[output]
dir = grid
[linear]
sample = 60
dim = 4
steps = 40000
rows = 50
EOF
cat > grid.ini <<'EOF'
[sweep]
base = base.ini
command = linear
linear.alpha = 1e-8, 1e-6, 1e-4
seeds = 1:2
report = 0.5
EOF

alone() { timeout 300 "$EIGENSTEP" "$@"; }                   # on one rank, without mpirun
# All of $tiny but what the trainings below vary.
small=$(tr ' \n' '\n\n' <<< "$tiny" | grep -vE '^(optim.lr|batch.pairs)=' | tr '\n' ' ')
field() { sed -n "s/^$2 = //p" "$1"; }                      # field FILE KEY
count() { grep -l "^state = $1" "$2"/*.state 2> /dev/null | wc -l; }
until_running() { # until_running DIR: at most 20 s
  for _ in $(seq 400); do
    grep -qs '^state = RUNNING' "$1"/*.state && return
    sleep 0.05
  done
}
claims() { find "$1/queue" -name '*.[0-9]*' ! -name 'clock*' | wc -l; }
all_done() { # all_done DIR RUNS
  [ "$(count DONE "$1")" = "$2" ] || fail "$1: $(count DONE "$1") of $2 runs done"
  [ "$(sed 1d "$1/sweep.csv" | grep -c ',DONE,')" = "$2" ] || fail "$1: sweep.csv"
  h5ls "$1/sweep.h5/step" > /dev/null 2>&1 || fail "$1: sweep.h5 has no /step"
  local s
  for s in "$1"/*.state; do
    [ "$(cat "${s%.state}/STATUS")" = DONE ] || fail "${s%.state} is not DONE"
  done
}

# A plan: nothing is written.
launch 1 sweep grid.ini --dry-run > out 2> err || fail "dry run ended with $?"
[ "$(grep -c PENDING out)" = 6 ] || fail "dry run does not show 6 runs"
[ ! -e grid ] || fail "the dry run wrote something"

# Killed: the same command goes on with what is missing.
$MPIRUN $MPIRUN_FLAGS -n 2 "$EIGENSTEP" sweep grid.ini > out 2>&1 &
job=$!
for _ in $(seq 200); do
  [ "$(count DONE grid)" -ge 2 ] && break
  sleep 0.05
done
pkill -9 -P "$job"; kill -9 "$job" 2> /dev/null; wait "$job" 2> /dev/null
before=$(count DONE grid)
[ "$before" -lt 6 ] || echo "note: all runs were done before the kill"
grep -l '^state = DONE' grid/*.state > first
for s in $(cat first); do stat -c '%n %i %Y' "${s%.state}/trajectory.h5"; done > times
launch 2 sweep grid.ini > out 2> err || fail "the restarted sweep ended with $?: $(cat err)"
all_done grid 6
for s in $(cat first); do stat -c '%n %i %Y' "${s%.state}/trajectory.h5"; done |
  cmp -s - times || fail "a run that was done was made again"
for s in $(cat first); do
  [ "$(field "$s" generation)" = 1 ] || fail "$s was claimed again"
done
[ "$(claims grid)" -le 8 ] || fail "$(claims grid) claims for 6 runs and one kill of 2"
launch 2 sweep grid.ini > out 2> err || fail "a sweep that is done ended with $?"
[ "$(claims grid)" -le 8 ] || fail "a sweep that was done made runs"

# Two jobs at once, without knowing of each other, as srun starts them; the first stands
# still while it holds a claim until the second has made a run, and loses nothing by it.
export SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=2
"$EIGENSTEP" sweep grid.ini output.dir=both > out1 2> err1 &
slow=$!
for _ in $(seq 400); do
  [ "$(claims both 2> /dev/null)" != 0 ] && break
  sleep 0.02
done
kill -STOP "$slow"
held=$(count DONE both)
alone sweep grid.ini output.dir=both > out2 2> err2 &
other=$!
for _ in $(seq 400); do
  [ "$(count DONE both)" -gt "$held" ] && break
  sleep 0.02
done
kill -CONT "$slow"
wait "$slow" "$other"
unset SLURM_PROCID SLURM_STEP_NUM_TASKS
alone sweep grid.ini output.dir=both > out 2> err || fail "two jobs: $(cat err1 err2)"
all_done both 6
[ "$(claims both)" = 6 ] || fail "two jobs made $(claims both) claims for 6 runs"
[ "$(sed -n 's/^job = //p' both/*.state | sort -u | wc -l)" = 2 ] ||
  fail "one of two jobs did all the work"

# Array tasks: any six numbers in a row are the six runs, each that which --dry-run shows.
alone sweep grid.ini output.dir=array --dry-run > numbers 2>&1
for k in 1 2 3 4 5 6; do
  alone sweep --task "$k" grid.ini output.dir=array > out 2> err ||
    fail "task $k: $(cat err)"
  [ "$(count DONE array)" = "$k" ] || fail "task $k: $(count DONE array) runs are done"
  name=$(awk -v k="$k" '$1 == k && $2 == "PENDING" { print $5 }' numbers)
  [ "$(field "array/$name.state" state)" = DONE ] || fail "task $k did not make '$name'"
done
all_done array 6

# A run deleted by hand is made again, and a summary that is open elsewhere is replaced.
gone=$(find array -name 'alpha=*_seed=2' -type d | head -n 1)
rm -r "$gone"
exec 9< array/sweep.h5; flock -x 9
alone sweep grid.ini output.dir=array > out 2> err || fail "deleted run: $(cat err)"
exec 9<&-
all_done array 6
[ "$(claims array)" = 7 ] || fail "deleted run: $(claims array) claims, not 7"

# A folder that another program writes to is left alone: STOPPED, not FAILED or moved.
rm -r "$gone"; mkdir "$gone"; touch "$gone/log.txt" "$gone/run.ini" "$gone/mine"
sed -i 's/^state = DONE/state = FAILED/' "$gone.state"
exec 9< "$gone/log.txt"; flock -x 9
alone sweep --retry failed grid.ini output.dir=array > out 2> err
[ $? = 75 ] || fail "a folder in use: not 75 ($(cat err))"
[ "$(field "$gone.state" state)" = STOPPED ] && [ -e "$gone/mine" ] ||
  fail "a folder in use: $(cat "$gone.state")"
exec 9<&-
alone sweep grid.ini output.dir=array > out 2> err || fail "after its use: $(cat err)"
all_done array 6

# Its figures, and the step times on the curve of the theory.
if "$python" -c 'import h5py, matplotlib' 2> /dev/null; then
  "$python" "$srcdir/postprocess/plot_sweep.py" grid --format png \
    --map linear.alpha run.seed > out 2> err ||
    fail "plot_sweep.py: $(cat err)"
  for figure in steps collapse map; do
    [ -s "grid/sweep-$figure.png" ] || fail "plot_sweep.py: no sweep-$figure.png"
  done
  off=$(sed -n 's/.*separated modes:.* deviation from the curve \([0-9.]*\) %.*/\1/p' out)
  awk -v x="${off:-99}" 'BEGIN { exit !(x < 2) }' ||
    fail "step times are $off % from the curve of the theory: $(cat out)"
else
  echo "note: plot_sweep.py not tried (no h5py, matplotlib)"
fi

# Trainings: a failing value is recorded with its sentence, the others are made, each on
# two ranks; one that was killed resumes from its checkpoint.
cat > train.ini <<EOF
[sweep]
base = -
ranks = 2
optim.lr, optim.name = (3e-3, sgd), (1e-2, lars)
batch.pairs = 24, 0
skip = batch.pairs = 0 and optim.name = lars
[output]
dir = nets
EOF
rest="ckpt.every=20 run.steps=400 run.log_every=20 spectrum.every=200"
$MPIRUN $MPIRUN_FLAGS -n 2 "$EIGENSTEP" sweep train.ini $small batch.pairs=24 $rest \
  output.dir=cut > out 2>&1 &
job=$!
for _ in $(seq 400); do
  [ -e cut/lr=0.003/ckpt/latest ] && break
  sleep 0.05
done
pkill -9 -P "$job"; kill -9 "$job" 2> /dev/null; wait "$job" 2> /dev/null
launch 2 sweep train.ini $small batch.pairs=24 $rest output.dir=cut > out 2> err ||
  fail "trainings after a kill ended with $?: $(cat err)"
all_done cut 2
grep -q 'resumed at step' cut/*/log.txt || fail "no run was resumed after the kill"
tail -n 1 cut/lr=0.003/timesteps.txt | grep -q '^ *400 ' ||
  fail "the resumed run has not made its 400 steps"

# A file `stop` ends the training in hand, and as long as it is there none is started.
long="train.ini $small batch.pairs=24 $rest run.steps=9000000 output.dir=cut"
limit=60 launch 2 sweep $long > out 2> err &
job=$!
until_running cut
touch cut/stop
wait "$job"; got=$?
[ $got = 75 ] && grep -q '^STOPPED [0-9]* stop file' cut/*/STATUS ||
  fail "a sweep with a file stop ended with $got: $(cat cut/*/STATUS err)"
limit=60 launch 2 sweep $long > out 2> err
[ $? = 75 ] && grep -q "stopped by the file 'cut/stop': remove it" out ||
  fail "a sweep that is stopped: $(cat out err)"
rm cut/stop
# A solved model has no checkpoint: the runs of both groups go on to their ends, and none
# is taken after them.
limit=200 launch 2 sweep grid.ini linear.steps=10000000 \
  output.dir=solved > out 2> err &
job=$!
until_running solved
touch solved/stop
wait "$job"; got=$?
[ $got = 75 ] && [ "$(count DONE solved)" = 2 ] ||
  fail "solved models with a file stop ended with $got: $(cat solved/*/STATUS out err)"

launch 2 sweep train.ini $small > out 2> err
[ $? = 1 ] || fail "a sweep with a failed run ended with $?"
[ "$(count DONE nets)" = 2 ] && [ "$(count FAILED nets)" = 1 ] ||
  fail "one of three runs should have failed: $(grep -h ^state nets/*.state)"
grep -q 'FAILED,"*batch.pairs: got 0, expected' nets/sweep.csv ||
  fail "sweep.csv lacks the sentence of the failed run"
launch 2 sweep --status train.ini $small > out 2> err || fail "--status: $(cat err)"
grep -q 'FAILED .*batch.pairs: got 0' out || fail "--status lacks the failed run"
launch 2 sweep --retry failed train.ini $small > out 2> err
[ "$(grep -h '^generation' nets/*pairs=0.state)" = 'generation = 2' ] ||
  fail "--retry failed did not run the failed one again"
# more steps extend the runs that are done
launch 2 sweep train.ini $small run.steps=15 batch.pairs=24 output.dir=nets > out 2> err ||
  fail "longer runs: $(cat err)"
grep -q "'nets' also holds 1 failed run that this sweep does not have" out ||
  fail "nothing said of a failed run of another grid: $(cat out)"
for s in nets/*pairs=24; do
  tail -n 1 "$s/timesteps.txt" | grep -q '^ *15 ' || fail "$s was not extended to step 15"
done

# Forecasts of short trainings with their intervals, recomputed from the spectra, beside
# what came.
cat > told.ini <<EOF
[sweep]
base = -
optim.lr = 0.02, 0.03
seeds = 1:2
[output]
dir = told
EOF
for how in --dry-run ""; do # a key that no run reads
  launch 2 sweep $how "$srcdir/inputs/sweep-linear/sweep.ini" optim.lr=1e-3 linear.steps=2 \
    linear.sample=60 output.dir=unread > out 2> err || fail "a key that no run reads: $(cat err)"
  [ "$(grep -c 'has no effect' err)" -eq 1 ] &&
    grep -q "optim.lr has no effect: none of the runs of 'eigenstep linear' reads it" err ||
    fail "a key that no run reads: $(cat err)"
done
launch 2 sweep told.ini data.name=gaussian data.dim=12 data.decay=2 augment.list=none \
  projector.widths=3 projector.bias=false batch.pairs=64 spectrum.probe=64 \
  spectrum.every=3 init.scale_last=0.02 loss.barlow.center=true backend.name=blas \
  encoder.name=linear encoder.hidden=none run.steps=260 run.log_every=100 \
  > out 2> err || fail "told: $(cat err)"
head -n 1 told/sweep.csv | grep -q 'forecast_1,.*forecast_error_1,' ||
  fail "sweep.csv has no intervals: $(head -n 1 told/sweep.csv)"
if "$python" -c 'import h5py, matplotlib' 2> /dev/null; then
  "$python" "$srcdir/postprocess/plot_calibration.py" told --format png > out 2> err ||
    fail "plot_calibration.py: $(cat err)"
  grep -qE '^all: [3-9] forecasts of [34] runs; .* within one error' out ||
    fail "plot_calibration.py: $(cat out)"
  [ -s told/calibration.png ] || fail "plot_calibration.py: no figure"
  "$python" - <<'END' || fail "the summary of told is not what its runs say"
import csv
import glob
import h5py
import numpy as np
for row in csv.DictReader(open("told/sweep.csv")):
    with h5py.File(f"told/{row['name']}/trajectory.h5") as f:
        for name, of in (("time", "time_measured"), ("forecast", "time_forecast"),
                         ("forecast_error", "time_error")):
            stored = f[f"/steps/{of}"][0]
            said = float(row[f"{name}_1"] or "nan")
            assert np.isclose(said, stored, rtol=1e-9, equal_nan=True), (name, row)
        error = abs(np.log(f["/steps/time_measured"][:] / f["/theory/tau"][:]))
        assert abs(float(row["score_start"]) / np.nanmedian(error) - 1) < 1e-9, row
        assert np.allclose(error, abs(f["/steps/log_ratio_start"][:]), equal_nan=True)
END
  "$python" "$srcdir/postprocess/plot_calibration.py" grid > out 2> err &&
    fail "a calibration of solved models was drawn"
fi

# What is refused, before anything is begun: status 2 and one sentence.
refused() { # refused PATTERN ARGUMENT...
  local pattern=$1; shift
  alone sweep "$@" > out 2> err
  [ $? = 2 ] || fail "sweep $*: not refused ($(cat err))"
  [ "$(grep -c 'error:' err)" = 1 ] || fail "sweep $*: $(grep -c error: err) errors"
  grep -qE "$pattern" err || fail "sweep $*: got '$(cat err)', expected /$pattern/"
}
ini() { printf '[sweep]\nbase = base.ini\ncommand = linear\n%b\n' "$1" > bad.ini; }
ini 'linear.alhpa = 1, 2';                refused "did you mean 'linear.alpha'" bad.ini
ini 'linear.alpha =';                     refused 'axis linear.alpha: got no value' bad.ini
ini 'linear.alpha = 1e-3, 0.001';         refused 'same run twice' bad.ini output.dir=x
ini 'linear.alpha = 1, 2\nskip = linear.alpha > 0'; refused 'all 2 runs' bad.ini output.dir=x
ini 'rank = 2';                           refused "did you mean 'sweep.ranks'" bad.ini
ini 'output.dir = a, b';                  refused 'grid.*|folder' bad.ini output.dir=grid
ini 'ranks = 3\nlinear.alpha = 1, 2';     refused 'sweep.ranks: got 3' bad.ini output.dir=x
ini 'linear.alpha = (1, 2';               refused 'parentheses' bad.ini
ini 'seeds = 5:1';                        refused 'sweep.seeds' bad.ini
ini 'skip = run.seed ~ 1';                refused 'sweep.skip' bad.ini
ini 'table = none.tsv';                   refused 'none.tsv' bad.ini
ini 'linear.alpha = 1, 2';                refused 'belongs to another sweep' bad.ini
refused "expected failed" grid.ini --retry all
refused "got 'x'" grid.ini --task x
mkdir full; touch full/file
refused 'not the folder of a sweep' grid.ini output.dir=full
sed -i 's/^sample = 60/sample = 61/' base.ini
refused 'linear.sample is 61, was 60' grid.ini
alone sweep grid.ini --dry-run --accept > out 2> err || fail "--accept: $(cat err)"
[ "$(grep -c PENDING out)" = 6 ] || fail "another base file makes other runs"
first=$(cd grid && echo base.*.ini)
alone sweep grid.ini --accept --task 1 > out 2> err || fail "--accept: $(cat err)"
grep -q '^sample = 60' "grid/$first" || fail "--accept changed what a job at work reads"
[ "$(find grid -name 'base.*.ini' | wc -l)" = 2 ] || fail "no base file of its own"
printf 'linear.alpha\trun.seed\n1e-3\t1\n1e-2\t2\n' > runs.tsv
ini 'table = runs.tsv'
alone sweep --dry-run bad.ini output.dir=t > out 2> err || fail "table: $(cat err)"
grep -q 'PENDING.* alpha=0.01' out || fail "table: $(cat out)"

# The command line replaces axes, seeds and tables; what moves together it does not.
refused 'run.seed moves together' bad.ini output.dir=t run.seed=7
plan() { # plan RUNS PATTERN ARGUMENT...: of bad.ini
  local runs=$1 pattern=$2; shift 2
  alone sweep --dry-run bad.ini output.dir=t "$@" > out 2> err || fail "$*: $(cat err)"
  [ "$(grep -c PENDING out)" = "$runs" ] && grep -q "$pattern" out ||
    fail "$*: expected $runs runs with $pattern, got $(cat out)"
}
ini 'seeds = 1:5';                        plan 1 ' run$' run.seed=7
printf 'linear.alpha\n1e-3\n1e-2\n' > runs.tsv
ini 'table = runs.tsv\nseeds = 1:3';      plan 3 ' seed=3$' linear.alpha=1
ini 'seeds = 1:3\nskip = run.seed = 2e0'; plan 2 ' seed=3$'
ini 'seeds = 1:5';                        plan 3 ' seed=9$' seeds=7:9
plan 2 ' seed=8$' seeds=7:9 skip='run.seed = 7' # the last of each key counts
plan 4 ' seed=2$' sweep.seeds=1:2 seeds=1:4
refused "did you mean" bad.ini seed=1:2
ini 'linear.alpha = 1, 2\nseeds = 1:2';   plan 6 ' alpha=5_seed=2$' linear.alpha=3,4,5
plan 2 ' seed=2$' linear.alpha=3
refused 'linear.alpha: got an empty value' bad.ini linear.alpha=3,,4
ini 'linear.lr, linear.lr = (1, 2)';      refused 'second time' bad.ini output.dir=x
refused "got ''" grid.ini --task ''
finish
