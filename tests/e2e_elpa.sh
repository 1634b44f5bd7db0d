#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_elpa.sh  The eigensolver elpa, where this build has it: all pairs of a matrix, each
# solution verified, on 1 to 4 ranks. par_eig compares it with the others on small ones.
# A build without it refuses the name, and the test is skipped.
set -u
. "$srcdir/tests/e2e.sh"
cd "$work" || exit 99
launch 1 bench eig bench.eig.n=8 bench.eig.solvers=elpa > out 2> err
if grep -q "unknown eigensolver 'elpa'" err; then
  echo "SKIP: a build without ELPA (configure --with-elpa)"
  exit 77
fi
for n in 1 2 3 4; do
  launch $n bench eig bench.eig.n=8,300 bench.eig.solvers=syevd,elpa bench.repeats=1 \
    bench.warmup=0 > out 2> err || { cat err; fail "on $n ranks"; continue; }
  [ "$(awk '$1 == "elpa" && $7 < 1e-13 && $8 < 1e-13' out | wc -l)" -eq 2 ] ||
    fail "on $n ranks: expected errors below 1e-13 in $(cat out)"
done
finish
