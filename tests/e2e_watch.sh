#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_watch.sh  eigenstep watch on a run under way, finished, killed, of another kind, not
# begun: what it says, when it ends, and that it changes nothing.
set -u
. "$srcdir/tests/e2e.sh"
cd "$work" || exit 99
long="$tiny run.steps=100000 run.log_every=5 spectrum.every=5"
says() { grep -qE -- "$1" out || { fail "not said: $1"; cat out; }; }

# under way: a line now and then, on another number of ranks; it goes on after the kill of
# the watcher, and the watcher ends after that of the run
launch 2 train - $long output.dir=live > log 2>&1 & pid=$!
for _ in $(seq 600); do
  rows=$(grep -c '^ ' live/timesteps.txt 2> /dev/null)
  [ "${rows:-0}" -ge 3 ] && break
  sleep 0.2
done
for _ in $(seq 60); do # until a snapshot is published
  launch 1 watch --once live > out 2>&1 || fail "watch --once of a run under way"
  grep -q '^  lambda_8 ' out && break
  sleep 0.5
done
says '^live: RUNNING$'
says 'step [0-9]+ of 100000, t = [0-9.]+, [0-9.]+ img/s, about .* left; [0-9]+ modes? learned'
says '^  loss +[0-9.e+-]+  [_.:=+*# -]{60}$'
says '^  lambda_8 '
launch 1 watch --every 0.5 live > out 2>&1 & watcher=$!
for _ in $(seq 100); do
  [ "$(grep -c '^live: RUNNING; step' out)" -ge 3 ] && break
  sleep 0.2
done
says '^live: RUNNING; step [0-9]+ of 100000, .*, loss [0-9.e+-]+; [0-9]+ modes? learned; '
pkill -KILL -f "train - .*output.dir=live"
wait $pid
for _ in $(seq 150); do kill -0 $watcher 2> kill.log || break; sleep 0.2; done
wait $watcher || fail "watch of a killed run ended with $?"
says "^live: gone: killed without a word, .* 'eigenstep resume live' continues"

# finished: said at once, the folder as it was
launch 1 train - $tiny output.dir=done > log 2>&1 || { cat log; fail "train"; }
before=$(cd done && find . -type f -exec md5sum {} + | sort)
launch 2 watch done > out 2>&1 || fail "watch of a finished run"
says '^done: DONE$'
says 'step 10 of 10, t = '
! grep -q 'left' out || fail "time left of a finished run"
[ "$(cd done && find . -type f -exec md5sum {} + | sort)" = "$before" ] ||
  fail "watch changed the folder"
echo "STOPPED 10 wall time" > done/STATUS
launch 1 watch done live > out 2>&1 || fail "watch of two runs"
says '^done: STOPPED 10 wall time$'
says '^live: gone'

# started on another machine and not seen from here: still waited for, but said
echo RUNNING > done/STATUS
sed -i 's/^hosts .*/hosts          elsewhere*2/' done/job.txt
launch 1 watch --once done > out 2>&1 || fail "watch of a run elsewhere"
says '^done: RUNNING, not seen from this machine; last sign of life [0-9]+ s ago'
rm done/trajectory.h5 done/timesteps.txt
launch 1 watch --once done > out 2>&1 || fail "watch before the first snapshot"
says 'no progress line yet; no mode counted yet'
says 'no snapshot is published yet'

# another kind of run; no run
launch 1 linear - data.size=8 augment.crop.size=8 linear.sample=60 linear.dim=3 \
  output.dir=linear > log 2>&1 || { cat log; fail "linear"; }
launch 1 watch linear > out 2>&1 || fail "watch of a linear model"
says '^linear: DONE$'
says 'step [0-9]+, t = [0-9.e+]+; [0-9] modes? learned$'
mkdir empty
for dir in empty none; do
  launch 1 watch $dir > out 2>&1 && fail "watch of $dir"
  says "'$dir' is not an Eigenstep run \(no (STATUS|such folder)\); expected the output folder"
done
launch 1 watch --twice done > out 2>&1 && fail "an unknown option"
says "watch: got '--twice', expected --once, --every SECONDS or a folder"

# on a terminal: blocks
if command -v script > log; then
  script -qec "$EIGENSTEP watch --once linear" out > log 2>&1 < /dev/null
  says '█'
else
  echo "no script(1): the form on a terminal is left out"
fi
finish
