#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_spectrum.sh  eigenstep spectrum on an HDF5 file made by h5py, against NumPy, on 1
# to 4 ranks; a spectrum followed during training; wrong files and numbers refused.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py numpy
"$python" - "$work" <<'EOF' || fail "cannot make the data"
import sys
import h5py
import numpy as np
rng = np.random.default_rng(1)
x = rng.standard_normal((301, 24)) * 0.8 ** np.arange(24) + 0.5
with h5py.File(sys.argv[1] + "/e.h5", "w") as f:
    f["/a/z32"] = x.astype(np.float32)
    f["/z"] = x
    f["/cube"] = x.reshape(301, 2, 3, 4)
    bad = x.copy()
    bad[200, 3] = np.nan
    f["/nan"] = bad
    f["/vector"] = x[:, 0]
    # wide: eigenvalues without vectors, and the leading three vectors alone; fewer rows
    # than columns, and more
    w = rng.standard_normal((1150, 1100)) * 0.97 ** np.arange(1100)
    w = w @ np.linalg.qr(rng.standard_normal((1100, 1100)))[0] + 0.1
    f["/few"] = w[:90]
    f["/many"] = w
    f["/text"] = "not numbers"
EOF
for n in 1 2 3 4; do
  launch $n spectrum "$work/e.h5:/z" output.dir="$work/z$n" > "$work/log" 2>&1 ||
    { cat "$work/log"; fail "$n ranks"; }
  "$python" - "$work" "z$n" <<'EOF' || fail "$n ranks: eigenvalues or metrics"
import sys
import h5py
import numpy as np
d, run = sys.argv[1:]
x = np.asarray(h5py.File(d + "/e.h5")["/z"])
want = np.linalg.eigvalsh(np.cov(x.T))[::-1]
with h5py.File(f"{d}/{run}/trajectory.h5") as f:
    got = f["/spectrum/covariance/eigenvalues"][0]
    assert np.max(np.abs(got - want)) <= 1e-12 * want[0], np.max(np.abs(got - want))
    assert f["/spectrum/covariance/residual"][0] < 1e-12
    s = np.linalg.svd(x, compute_uv=False)
    p = s / s.sum() + 1e-7
    rankme = np.exp(-np.sum(p * np.log(p)))
    assert abs(f["/metrics/rankme/value"][0] - rankme) < 1e-6 * rankme
    p = want / want.sum()
    effective = np.exp(-np.sum(p * np.log(p)))
    assert abs(f["/metrics/effective_rank/value"][0] - effective) < 1e-8 * effective
    pr = want.sum() ** 2 / np.sum(want ** 2)
    assert abs(f["/metrics/participation_ratio/value"][0] - pr) < 1e-10 * pr
EOF
done
for set in few many; do
for n in 1 2; do
  launch $n spectrum "$work/e.h5:/$set" output.dir="$work/$set$n" > "$work/log" 2>&1 ||
    { cat "$work/log"; fail "$set, $n ranks"; }
  "$python" - "$work" "$set" "$set$n" <<'EOF' || fail "$set, $n ranks: eigenvalues or axes"
import sys
import h5py
import numpy as np
d, name, run = sys.argv[1:]
x = np.asarray(h5py.File(d + "/e.h5")[name])
c = x - x.mean(axis=0)
u, s, vt = np.linalg.svd(c, full_matrices=False)
want = np.concatenate([s**2 / (len(x) - 1), np.zeros(1100 - len(s))])
with h5py.File(f"{d}/{run}/trajectory.h5") as f:
    got = f["/spectrum/covariance/eigenvalues"][0]
    assert np.max(np.abs(got - want)) <= 1e-12 * want[0], np.max(np.abs(got - want))
    assert f["/spectrum/covariance/residual"][0] < 1e-11
    pca = f["/embedding/pca"][0]
    mine = (u * s)[:, :3]
    sign = np.sign(np.sum(pca * mine, axis=0))
    assert np.max(np.abs(pca * sign - mine)) <= 1e-9 * s[0]
    p = np.linalg.svd(x, compute_uv=False)
    p = p / p.sum() + 1e-7
    rankme = np.exp(-np.sum(p * np.log(p)))
    assert abs(f["/metrics/rankme/value"][0] - rankme) < 1e-3 * rankme
EOF
done
done
for set in /a/z32 /cube; do
  launch 2 spectrum "$work/e.h5:$set" output.dir="$work/s$(basename $set)" > "$work/log" 2>&1 ||
    { cat "$work/log"; fail "$set"; }
done
grep -q "/cube has 4 dimensions: flattening each sample to 24 values" "$work/log" ||
  fail "the flattening of a cube is not reported"
launch 3 spectrum "$work/e.h5:/z" spectrum.top=5 output.dir="$work/top" > "$work/log" 2>&1 ||
  { cat "$work/log"; fail "spectrum.top=5"; }

# a spectrum followed from snapshot to snapshot is the one that is solved each time
for solver in subspace syevd; do
  launch 2 train - $tiny projector.widths=300 spectrum.every=1 spectrum.top=30 \
    spectrum.solver=$solver output.dir="$work/$solver" > "$work/log" 2>&1 ||
    { cat "$work/log"; fail "train with $solver"; }
done
"$python" - "$work" <<'EOF' || fail "subspace differs from syevd"
import sys
import h5py
import numpy as np
with h5py.File(sys.argv[1] + "/subspace/trajectory.h5") as a, \
        h5py.File(sys.argv[1] + "/syevd/trajectory.h5") as b:
    assert np.array_equal(a["/loss/value"], b["/loss/value"])
    for m in ("covariance", "cross_correlation"):
        x = a[f"/spectrum/{m}/eigenvalues"][:]
        y = b[f"/spectrum/{m}/eigenvalues"][:]
        assert x.shape == (11, 30)
        assert np.max(np.abs(x - y)) <= 1e-12 * np.max(y), np.max(np.abs(x - y))
EOF

refuse() { # refuse CODE REGEX ARGUMENT...
  local code=$1 regex=$2 got; shift 2
  launch 2 spectrum "$@" output.dir="$work/none" > "$work/out" 2> "$work/err"
  got=$?
  [ $got -eq "$code" ] || fail "exit $got instead of $code: $*"
  grep -qE "$regex" "$work/err" || { fail "no '$regex' from: $*"; cat "$work/err"; }
}
refuse 2 "FILE.h5:/DATASET" "$work/e.h5"
refuse 1 "no-such.h5" "$work/no-such.h5:/z"
refuse 1 "/no-such" "$work/e.h5:/no-such"
refuse 1 "/vector" "$work/e.h5:/vector"
refuse 2 "spectrum\.matrices.*cross" "$work/e.h5:/z" spectrum.matrices=cross
refuse 2 "spectrum\.top.*24" "$work/e.h5:/z" spectrum.top=25
head -c 3000 "$work/e.h5" > "$work/cut.h5"
refuse 1 "cut\.h5" "$work/cut.h5:/z"
rm -rf "$work/none"
refuse 1 "not finite" "$work/e.h5:/nan"
finish
