#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_scaling.sh  jobs/scaling.py: a study of tiny problems gives a table with a row for
# each measurement, which scaling.py draws; --check notices a change beyond its bounds.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py matplotlib
cd "$work" || exit 99
small=$(tr ' \n' '\n\n' <<< "$tiny" | grep -vE '^(run|batch|optim)\.' | tr '\n' ' ')
cat > grid.txt <<EOF
# name bench ranks problem
strong  step  1,2  $(tr '\n' ' ' <<< "$small") batch.pairs=24
weak    step  1,2  $(tr '\n' ' ' <<< "$small") batch.pairs={12*P}
refused step  1    batch.pairs=0
eigen   eig   1,2  bench.eig.n={int(60*P**(1/3))}
output  io    2    bench.io.rows=200 bench.io.columns=8
link    allreduce  2  bench.allreduce.bytes=8
link    allreduce  2  bench.allreduce.bytes=1000000
EOF
study() { "$python" "$srcdir/jobs/scaling.py" "$@" > out 2> err; }
study grid.txt -o s --node 2 --model-ranks 8 --program "$EIGENSTEP" \
  --launch "$MPIRUN $MPIRUN_FLAGS -n {P}" ||
  fail "the study ended with $?: $(cat err)"
[ "$(wc -l < s.csv)" = 10 ] || fail "9 rows expected: $(cat out err)"
grep -q '^refused on 1 ranks: batch.pairs: got 0' err || fail "no reason: $(cat err)"
grep -q ',.*batch.pairs=24' s.csv && grep -q 'bench.eig.n=75' s.csv ||
  fail "{...} was not computed"
"$python" - <<'EOF' || fail "s.h5 does not hold what it should"
import h5py, numpy as np
with h5py.File("s.h5") as f:
    step = f["bench"][:] == b"step"
    assert list(f["ranks"][:]) == [1, 2, 1, 2, 1, 2, 2, 2, 2]
    assert np.all(f["min"][:] <= f["median"][:]) and np.all(f["median"][:] <= f["max"][:])
    assert np.all(f["forward_mean"][:][step] > 0) and f["efficiency"][0] == 1
    assert f["efficiency"][1] == f["rate"][1] / f["rate"][0] / 2
    assert np.all(f["above"][:] == 30) and f["above"].attrs["units"] == "%"
    assert all(d.attrs["units"] and d.attrs["description"] for d in f.values())
EOF
grep -q '^weak  *24 pairs a rank' s-model.txt || fail "no model: $(cat err s-model.txt)"
"$python" "$srcdir/postprocess/scaling.py" s.h5 -o m --format png > out 2> err &&
  [ -s m.png ] || fail "scaling.py: $(cat err)"
awk '/^strong .* 1 / { if ($8 > 0) seen++ } END { exit !seen }' out ||
  fail "no model beside the step of one rank: $(cat out)"
study --check s.csv s.csv || fail "a table differs from itself: $(cat out)"
awk -F, -v OFS=, 'NR == 3 { $9 *= 1.5 } { print }' s.csv > slow.csv
study --check s.csv slow.csv && fail "50 % slower passed"
grep -q 'OUT$' out || fail "--check does not name what is slower: $(cat out)"
study --check slow.csv s.csv && fail "33 % faster passed: the reference is out of date"
"$python" - <<'EOF' # the tolerance of a row is in its file
import csv
rows = list(csv.DictReader(open("s.csv")))
rows[1]["above"] = 60
with open("wide.csv", "w") as f:
    table = csv.DictWriter(f, rows[0])
    table.writeheader()
    table.writerows(rows)
EOF
study --check wide.csv slow.csv || fail "a tolerance of 60 %: $(cat out)"
finish
