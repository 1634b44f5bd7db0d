#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# soak.sh  Memory and open files of a run stay level over many snapshots, checkpoints and
# flushes. SOAK=n: seconds (20; `make check-long`: an hour). The first third is warm-up; of
# the rest the later half may need 2 % and 2 MiB more memory than the earlier, as HDF5
# keeps the metadata of the growing file. What is said of the way to the first line of
# progress is of steps, not of the snapshots between them.
set -u
. "$srcdir/tests/e2e.sh"
cd "$work" || exit 1
seconds=${SOAK:-20} limit=$((${SOAK:-20} + 300))
launch 2 train - $tiny encoder.base_width=4 run.steps=99999999 run.walltime=$seconds \
  run.log_every=5000 spectrum.every=5 ckpt.every=10 output.dir="$work/out" > log 2>&1 &
pid=$!
begun=$SECONDS
while kill -0 $pid 2> /dev/null; do
  sleep 1
  for rank in $(pgrep -f "^$EIGENSTEP train .*$work/out"); do
    rss=$(awk '/^VmRSS/ {print $2}' "/proc/$rank/status" 2> /dev/null)
    files=$(ls "/proc/$rank/fd" 2> /dev/null | wc -l)
    [ -z "$rss" ] || echo "$rank $((SECONDS - begun)) $rss $files"
  done >> samples
done
wait $pid
[ $? -eq 75 ] || { fail "the run did not stop at its wall time"; cat log; }
grep -q 'that of step 5000: ' log && ! grep 'that of step 5000: 100 %' log ||
  { fail "no way to the first line of progress, or a wrong one"; cat log; }
# ranks lose descriptors when they end: the last two seconds are left out
awk -v end="$seconds" '
  $2 > end / 3 && $2 < end - 2 {
    late = $2 > 2 * end / 3
    n[$1, late]++; rss[$1, late] += $3
    if (n[$1, late] == 1 || $4 < files[$1, late]) files[$1, late] = $4 # between uses
    rank[$1]
  }
  END {
    for (r in rank) {
      if (!n[r, 0] || !n[r, 1]) { print "no samples of rank " r; bad = 1; continue }
      a = rss[r, 0] / n[r, 0]; b = rss[r, 1] / n[r, 1]
      printf "memory %.0f -> %.0f KiB, descriptors %d -> %d\n", a, b, files[r, 0],
             files[r, 1]
      if (b > 1.02 * a + 2048 || files[r, 1] > files[r, 0]) bad = 1
      ranks++
    }
    exit bad || ranks < 2
  }' samples || { fail "memory or descriptors grow"; tail -n 4 samples; }
finish
