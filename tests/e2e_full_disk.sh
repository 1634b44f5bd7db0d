#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_full_disk.sh  A disk that fills up (here: a limit on file sizes, which needs no root) ends the
# run with one sentence, exit 1 on all ranks, no hang, and what was flushed stays readable.
set -u
. "$srcdir/tests/e2e.sh"
for n in 1 2 3; do
  # ulimit -f counts KiB in bash; the trajectory passes it before the run ends
  ( trap '' XFSZ; ulimit -f 40
    launch $n train - $tiny run.steps=400 run.log_every=100 spectrum.every=2 \
      output.dir="$work/out$n" ) > "$work/out" 2> "$work/err"
  got=$?
  [ $got -eq 1 ] || { fail "$n ranks: exit $got instead of 1"; tail -n 5 "$work/err"; }
  grep -q "eigenstep: error:.*" "$work/err" || fail "$n ranks: no sentence"
  grep -qE "out$n/(trajectory.h5|timesteps.txt|log.txt|ckpt)" "$work/err" ||
    { fail "$n ranks: the file is not named"; cat "$work/err"; }
done
finish
