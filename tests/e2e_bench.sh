#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_bench.sh  Every benchmark runs on 1 and 2 ranks, prints its table and leaves no file;
# the list is printed, a wrong name refused.
set -u
. "$srcdir/tests/e2e.sh"
cd "$work" || exit 99
launch 1 bench > list || fail "bench alone ended with $?"
launch 1 bench --help > help || fail "bench --help ended with $?"
names=$(sed -n 's/^  \([a-z]*\) .*/\1/p' list)
for name in $names; do
  grep -q "^  $name " help || fail "--help lacks $name"
done
[ "$(echo "$names" | wc -w)" -ge 3 ] || fail "got $(cat list)"
launch 1 bench setp > out 2> err && fail "bench setp is accepted"
grep -q "did you mean 'step'" err || fail "no nearest name: $(cat err)"

table() { # table RANKS ROWS... -- ARGUMENT...: all rows are there, with numbers
  local n=$1 rows=(); shift
  while [ "$1" != -- ]; do rows+=("$1"); shift; done
  shift
  launch "$n" bench "$@" bench.repeats=2 bench.warmup=1 > out 2> err ||
    { cat err; fail "$* on $n ranks"; return; }
  for row in "${rows[@]}"; do
    grep -qE "^$row +[0-9]+" out || fail "$* on $n ranks: no row '$row' in $(cat out)"
  done
  ! grep -qw nan out || fail "$*: nan in $(cat out)"
}
for n in 1 2; do
  table $n forward backward loss all-reduce optimiser data probe spectrum step "with data" \
    -- step $tiny
  grep -qE "^median [0-9.]+ img/s$" <(tail -1 out) || fail "step ends with $(tail -1 out)"
  table $n syevd subspace tracked -- eig bench.eig.n=300 bench.eig.top=10 \
    bench.eig.solvers=syevd,subspace,tracked bench.eig.decay=2
  table $n write HDF5 "HDF5 read" -- io bench.io.rows=1001 bench.io.columns=33
  table $n sum -- allreduce bench.allreduce.bytes=1000
done
# pairs that are too many for the iteration, in every repetition
launch 1 bench eig bench.eig.n=512 bench.eig.top=64 bench.eig.solvers=subspace,tracked \
  bench.repeats=2 > out 2> err || fail "64 pairs of 512: $(cat err)"
[ "$(grep -c 'did not converge in a basis' out)" = 1 ] || fail "said once: $(cat out)"
left=$(ls | grep -vE '^(list|help|out|err)$')
[ -z "$left" ] || fail "left behind: $left"
finish
