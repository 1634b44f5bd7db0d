#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_stop_looks.sh  Commands on finished runs and on files end on a wall time, a signal or a
# file called stop: exit code 75 and one sentence; ntk goes on from what it has saved.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py

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
  rm -f "$work/log" # that of the last command may have this text, too
  launch 2 "${@:4}" > "$work/log" 2>&1 & pid=$!
  for _ in $(seq 600); do
    grep -q "$3" "$2" 2> "$work/grep" && break
    sleep 0.05
  done
  local rank; rank=$(pgrep -f "^$EIGENSTEP $4 .*$work" | tail -n 1)
  kill -TERM "${rank:-$pid}" # nobody to tell: the launcher ends it, with another exit code
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
finish
