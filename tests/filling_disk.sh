#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# filling_disk.sh  The disk (a small tmpfs in a mount namespace of our own) is full from some
# moment of a run on: while it writes trajectory, its copies, checkpoints, STATUS, texts;
# and within what other commands write. Each ends with one sentence and an error on all
# ranks, no hang; files under final names are whole; with room again the run resumes to the
# end of the undisturbed one. POSITIONS=n: so many positions of the run (4), half of them at its
# start, and a quarter of each command.
set -u
if [ "${1-}" != inside ]; then
  unshare -rm mount -t tmpfs tmpfs /mnt 2> /dev/null ||
    { echo "skipped: a tmpfs cannot be mounted here"; exit 77; }
  exec unshare -rm bash "$0" inside
fi
. "$srcdir/tests/e2e.sh"
need_python h5py
mount -t tmpfs -o size=48m tmpfs /mnt || exit 99
cd /mnt || exit 99
positions=${POSITIONS:-4}
few=$(((positions + 1) / 2)) each=$(((positions + 3) / 4))
run="$tiny encoder.base_width=4 run.steps=40 spectrum.every=2 ckpt.every=2 ckpt.keep=2
     run.log_every=1"
log=$work/log

used() { du -sk "$@" | awk '{ n += $1 } END { print n }'; }
leave() { # leave KIB: so much room on the disk
  rm -f filler
  local free
  free=$(df -k --output=avail /mnt | tail -n 1)
  [ "$free" -le "$1" ] || head -c $(((free - $1) * 1024)) /dev/zero > filler
}
whole() { # whole WHAT: all HDF5 files under final names, all data; rows of equal number
  "$python" - $(find . -name '*.h5' -not -path '*.tmp/*') << 'PY' ||
import sys
import h5py
for name in sys.argv[1:]:
    with h5py.File(name) as f:
        f.visititems(lambda n, v: v[()] if isinstance(v, h5py.Dataset) else None)
        for group in ("loss", "probe_loss", "spectrum/covariance"):
            if group in f:
                rows = {len(v) for v in f[group].values()
                        if isinstance(v, h5py.Dataset) and v.maxshape[0] is None}
                assert len(rows) <= 1, (name, group, rows)
PY
    fail "$1: a file is damaged"
}
try() { # try WHAT ARGUMENT...: it fails as it should, or did not need the room: returns 1
  local what=$1 got
  shift
  limit=60 launch 2 "$@" > "$log" 2>&1
  got=$?
  rm -f filler
  [ $got -ne 0 ] || return 1
  full=$((full + 1))
  [ $got -ne 124 ] && ! grep -qE "signal (6|7|8|11)" "$log" || fail "$what: exit $got"
  [ "$(grep -c 'error: ' "$log")" = 1 ] && grep -q 'No space left on device' "$log" ||
    { fail "$what: not one sentence on the full disk"; cat "$log"; }
  whole "$what"
}

launch 2 train - $run output.dir=calm > "$log" 2>&1 ||
  { fail "the undisturbed run"; cat "$log"; finish; }
mv calm "$work/calm"

resumes() { # resumes WHAT: from a checkpoint, if there is one, to the same end
  [ ! -s out/STATUS ] || grep -q '^FAILED .*No space left' out/STATUS ||
    fail "$1: STATUS is $(cat out/STATUS)"
  ls out/ckpt/step_*/DONE > "$work/list" 2>&1 || return
  resumed=$((resumed + 1))
  launch 2 resume out > "$log" 2>&1 || { fail "$1: resume"; cat "$log"; }
  "$python" "$srcdir/tests/compare_runs.py" "$work/calm" out > "$work/list" ||
    { fail "$1: another run after the resumption"; cat "$work/list"; }
}

# There is too little from the beginning on: from nothing to what rows to come reserve
full=0 resumed=0
for k in $(seq "$few"); do
  leave $((4 + 7000 * (k - 1) / few))
  try "run, start $k of $few" train - $run output.dir=out && resumes "run, start $k"
  rm -rf out
done
echo "$full of $few positions of the start of a run met a full disk"
[ $full -eq "$few" ] || fail "a start of a run did not notice the full disk"

# It is filled while the run is under way, when so many steps are done
fill_at() { # fill_at STEP
  local rows
  for _ in $(seq 1200); do
    rows=$(grep -c '^ ' out/timesteps.txt 2> /dev/null)
    [ "${rows:-0}" -lt "$1" ] || break
    sleep 0.01
  done
  cat /dev/zero > filler 2> /dev/null
}
full=0
for k in $(seq "$positions"); do
  step=$((40 * (2 * k - 1) / (2 * positions)))
  fill_at $step &
  filling=$!
  try "run, full from step $step on" train - $run output.dir=out &&
    resumes "run, full from step $step on"
  wait $filling
  rm -rf out filler
done
echo "$full of $positions positions of a run met a full disk, $resumed runs resumed"
[ $full -gt $((positions / 2)) ] && [ $resumed -gt $((positions / 3)) ] ||
  fail "only $full runs met a full disk, $resumed resumed"

# The other commands, on a run that is there; what they leave unfinished is not under a
# final name, and what was there stays
cp -r "$work/calm" calm
"$python" -c "
import numpy as np
np.save('x.npy', np.random.default_rng(1).normal(size=(2, 60, 40)))"
gauss="data.name=gaussian data.dim=40 output.dir=made"
command() { # command NAME: its arguments
  case $1 in
    export) echo "export calm made.safetensors" ;;
    spectrum) echo "spectrum x.npy output.dir=made" ;;
    linear) echo "linear - $gauss linear.dim=8 linear.sample=60 linear.alpha=1e-2" ;;
    kernel) echo "kernel - $gauss kernel.dim=3 kernel.sample=40 kernel.held_out=8" ;;
    ntk) echo "ntk calm output.dir=made" ;;
    modes) echo "modes calm output.dir=made" ;;
    compare) echo "compare calm@all output.dir=made" ;;
    views) echo "views - $tiny views.file=made" ;;
  esac
}
before=$(cd calm && find . -type f -exec cksum {} + | sort)
for name in export spectrum linear kernel ntk modes compare views; do
  rm -rf made*
  launch 2 $(command $name) > "$log" 2>&1 || { fail "$name"; cat "$log"; continue; }
  need=$(used made*) full=0
  for k in $(seq "$each"); do
    rm -rf made*
    leave $((need * (2 * k - 1) / (2 * each)))
    try "$name, position $k of $each of $need KiB" $(command $name) || continue
    [ ! -f made ] && [ ! -f made.safetensors ] || fail "$name, position $k: half a file is left"
  done
  [ $full -gt 0 ] || fail "$name met no full disk in $each positions"
  [ "$(cd calm && find . -type f -exec cksum {} + | sort)" = "$before" ] ||
    fail "$name changed the run"
done
finish
