#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_elpa.sh  The eigensolver elpa, where this build has it: all pairs of a matrix, each
# solution verified, on 1 to 4 ranks, and a run whose spectra are its. par_eig compares it
# with the others on small ones. A build without it refuses the name on all ranks and says
# which option of configure adds it.
set -u
. "$srcdir/tests/e2e.sh"
cd "$work" || exit 99

refused() { # refused WHAT ARGUMENT...: on 2 ranks, as a wrong parameter is
  launch 2 "${@:2}" output.dir="$work/refused" > out 2>&1
  local status=$?
  [ $status -eq 2 ] || fail "${*:2}: exit status $status, expected 2"
  grep -qF "$1 'elpa' is not in this build (configure --with-elpa)" out ||
    fail "${*:2}: got $(cat out)"
  [ ! -e "$work/refused" ] || fail "${*:2}: left an output folder"
}

launch 1 bench eig bench.eig.n=8 bench.eig.solvers=elpa bench.repeats=1 > out 2> err
if grep -q "eigensolver 'elpa' is not in this build" err; then
  refused eigensolver bench eig bench.eig.n=8 bench.eig.solvers=elpa
  refused spectrum.solver train - $tiny spectrum.solver=elpa
  refused linear.solver linear - linear.solver=elpa
  finish
fi
for n in 1 2 3 4; do
  launch $n bench eig bench.eig.n=8,300 bench.eig.solvers=syevd,elpa bench.repeats=1 \
    bench.warmup=0 > out 2> err || { cat err; fail "on $n ranks"; continue; }
  [ "$(awk '$1 == "elpa" && $7 < 1e-13 && $8 < 1e-13' out | wc -l)" -eq 2 ] ||
    fail "on $n ranks: expected errors below 1e-13 in $(cat out)"
done
finish
