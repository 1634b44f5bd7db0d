#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_linear.sh  eigenstep linear end to end: the same table at 1 to 4 ranks, the groups
# of the trajectory, one's own pairs, odd sizes, and what it says about wrong input.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py numpy

small="data.size=16 data.count=64 augment.crop.size=8 linear.sample=40 linear.dim=4
       linear.rows=200"
linear() { # linear RANKS NAME ARGUMENT...: must succeed; output in $work/NAME.txt
  local n=$1 name=$2; shift 2
  launch "$n" linear - $small output.dir="$work/$name" "$@" > "$work/$name.txt" 2>&1 ||
    { cat "$work/$name.txt"; fail "$name on $n ranks"; }
}
said() { # said NAME REGEX
  grep -qE "$2" "$work/$1.txt" || { cat "$work/$1.txt"; fail "$1: no '$2'"; }
}

for n in 1 2 3 4; do
  linear $n "gd$n"
  grep -vE '\branks?\b|Gamma|simulated' "$work/gd$n.txt" > "$work/table$n"
  cmp -s "$work/table1" "$work/table$n" || fail "$n ranks: another table than on 1"
done
linear 2 centred linear.center=true linear.method=flow
linear 2 direct linear.method=direct linear.alpha=1e-2 linear.steps=300
linear 2 rotated linear.alpha=1e-2 linear.steps=300
linear 3 matrix linear.solver=syevd
linear 2 batch linear.method=direct linear.batch=16 linear.steps=50
said batch "minibatches of 16"

"$python" - "$work" <<'END' || fail "values in the trajectories"
import sys
import h5py
import numpy as np
work = sys.argv[1]
def run(name):
    return h5py.File(f"{work}/{name}/trajectory.h5", "r")
with run("gd1") as f:
    s = f["/steps"]
    measured, predicted = s["step_measured"][:], s["step_predicted"][:]
    assert (abs(measured - predicted) < np.maximum(1, 0.01 * predicted)).all()
    assert np.median(abs(measured / predicted - 1)) < 0.01
    assert np.allclose(s["time_measured"], measured * s["time_predicted"][:] / predicted)
    lam = f["/spectrum/cross_correlation/eigenvalues"][:]
    theory = f["/theory/eigenvalues"][:]
    assert lam.shape == theory.shape and abs(lam[-1] - 1).max() < 0.01
    assert np.allclose(f["/loss/value"], ((1 - lam) ** 2).sum(1), atol=1e-9)
    assert abs(f["/theory/loss"][:] - f["/loss/value"][:]).max() < 0.3
    assert (np.diff(f["/theory/gamma"]) <= 0).all() and len(f["/theory/tau"]) == 4
    train, weights = f["/embeddings/train"], f["/weights"]
    e = train["measured"][0]
    assert e.shape == (4, 80) and weights["measured"].shape == (1, 4, 192)
    c = e @ np.roll(e, 40, 1).T / 80
    assert abs(c - np.eye(4)).max() < 0.01, c
    for g, n, chance in ((train, 80, 4 / 80), (weights, 192, 4 / 192)):
        x, y = g["measured"][0], g["predicted"][0]
        u, v = (np.linalg.svd(a, full_matrices=False)[2] for a in (x, y))
        cosine = np.linalg.svd(u @ v.T)[1]
        assert abs(g.attrs["alignment"] - (cosine ** 2).mean()) < 1e-9
        assert np.allclose(np.cos(g["principal_angles"][:]), cosine, atol=1e-9)
        assert abs(g.attrs["relative_error"] -
                   np.linalg.norm(x - y) / np.linalg.norm(y)) < 1e-9
        assert abs(g.attrs["alignment_chance"] - chance) < 1e-12
        assert g.attrs["alignment"] > 0.9 and g.attrs["cka"] > 0.8
    gamma = f["/theory/gamma"][:]
    assert np.allclose((weights["predicted"][0] ** 2).sum(), (1 / gamma).sum())
    for path in ("/loss/value", "/theory/gamma", "/steps/gamma", "/theory/eigenvalues"):
        assert f[path].attrs["description"] and f[path].attrs["units"], path
for a, b in (("gd1", "gd4"), ("gd1", "matrix"), ("direct", "rotated")):
    with run(a) as f, run(b) as g:
        x, y = (h["/spectrum/cross_correlation/eigenvalues"][:] for h in (f, g))
        assert x.shape == y.shape and abs(x - y).max() < 1e-7, (a, b)
        x, y = (h["/embeddings/train/measured"][:] for h in (f, g))
        assert x.shape == y.shape and abs(x - y).max() < 1e-6, (a, b)
r = np.random.default_rng(1)
x = r.standard_normal((30, 6)).astype("f4")
for name, value in (("own", 0), ("bad", np.nan)):
    with h5py.File(f"{work}/{name}.h5", "w") as f:
        y = x + 0.1 * r.standard_normal(x.shape).astype("f4")
        y[17, 2] += value
        f["x"], f["x_prime"] = x, y
    if name == "own":
        np.savetxt(f"{work}/gamma", np.linalg.eigvalsh((x.T @ y + y.T @ x) / 60.0)[::-1])
END

# one's own pairs
own="data.name=hdf5 data.path=$work/own.h5 linear.sample=30"
linear 3 own $own
"$python" - "$work" <<'END' || fail "eigenvalues of one's own pairs"
import sys
import h5py
import numpy as np
work = sys.argv[1]
gamma = h5py.File(f"{work}/own/trajectory.h5", "r")["/theory/gamma"][:]
assert np.allclose(gamma, np.loadtxt(f"{work}/gamma")[:4], rtol=1e-5)
END

# odd sizes
linear 2 one linear.sample=1
said one "only 1 of 4 modes can grow.*plateau 3"
linear 4 wide $own linear.dim=9
said wide "only [0-6] of 9 modes can grow"
linear 2 zero linear.sample=1 linear.center=true
said zero "only 0 of 4 modes can grow.*plateau 4"
! grep -q nan "$work/zero.txt" || fail "zero: nan in the table"
linear 1 large linear.alpha=0.05
said large "alpha = 0.05 is too large.*estimated error"
linear 2 decay linear.weight_decay=1
linear 2 top linear.modes=6
linear 2 listed linear.times=0.01,0.02,0.05

# memory: falls with the number of ranks
megabytes() { # megabytes RANKS
  launch 1 check - --ranks "$1" $small linear.sample=400 |
    sed -n 's/^linear .*m = 192, *\([0-9.]*\) MB a rank/\1/p'
}
awk -v a="$(megabytes 1)" -v b="$(megabytes 4)" \
  'BEGIN { exit !(a > 0 && b > 0 && b < 0.3 * a) }' || fail "memory in check"
# a deep encoder of k = 192 modes: 8 (2 k^2 + m k + (m + n + k) k + 6 w + ...), in MB
plain=$(megabytes 1)
for case in "jepa 2.17" "mae 2.78"; do
  deep=$(small="$small linear.depth=3 linear.model=${case% *}" megabytes 1)
  awk -v more="$plain $deep ${case#* }" 'BEGIN {
    split(more, x, " "); exit !((x[2] - x[1] - x[3])^2 < 0.0121) }' || fail "memory of $case"
done

# wrong input: exit code, sentence
refuse() {
  local code=$1 regex=$2 got; shift 2
  launch 2 linear - $small output.dir="$work/none" "$@" > "$work/out" 2> "$work/err"
  got=$?
  [ $got -eq "$code" ] || fail "exit $got instead of $code: $*"
  grep -qE "$regex" "$work/err" || { cat "$work/err"; fail "no '$regex' from: $*"; }
  [ "$(grep -c 'eigenstep: error:' "$work/err")" -eq 1 ] ||
    { cat "$work/err"; fail "not one sentence: $*"; }
}
refuse 2 "batch: got 50" linear.method=direct linear.batch=50
refuse 2 "batch.*direct" linear.batch=5
refuse 2 "modes: got 2" linear.modes=2
refuse 2 "times: got 1 after 2" linear.times=2,1
refuse 2 "sampel.*sample" linear.sampel=5
refuse 2 "linear.solver.*syevx" linear.solver=syevx
refuse 2 "sample: got 31.*30" $own linear.sample=31
refuse 1 "nan.*record 17 of /x_prime" data.name=hdf5 data.path="$work/bad.h5" \
  linear.sample=30
refuse 1 "no-such" data.name=hdf5 data.path="$work/no-such.h5"
[ ! -e "$work/none" ] || fail "an output folder was made for refused input"
refuse 1 "diverged: lr = .* above the stability limit" linear.lr=100
grep -q "^FAILED diverged" "$work/none/STATUS" || fail "STATUS of a diverged run"
"$python" -c "
import h5py
f = h5py.File('$work/none/trajectory.h5', 'r')
assert len(f['/loss/value']) >= 1 and len(f['/steps/mode']) == 4" ||
  fail "trajectory of a diverged run"
finish
