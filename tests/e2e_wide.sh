#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_wide.sh  Cost by what is there, not by width or by the largest number: spectra of few
# wide samples by their rows, against NumPy, in the memory of the rows; a steep spectrum
# whose Gram matrix has lost its small eigenvalues; labels that are large numbers.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py numpy
cd "$work" || exit 1

"$python" - <<'END' || fail "data"
import h5py
import numpy as np
r = np.random.default_rng(1)
with h5py.File("wide.h5", "w") as f:
    f["few"] = r.standard_normal((10, 60000)) * np.geomspace(1, 0.1, 10)[:, None]
    f["some"] = r.standard_normal((40, 1500)) @ np.diag(np.geomspace(1, 1e-3, 1500))
with h5py.File("labels.h5", "w") as f:
    f["x"] = r.integers(0, 256, (80, 3, 8, 8), dtype=np.uint8)
    f["label"] = np.where(np.arange(80) % 2, 14999999, 7)
END
for n in 1 3; do
  launch $n spectrum wide.h5:/some output.dir=some$n > log 2>&1 || { cat log; fail "some"; }
  launch $n spectrum wide.h5:/some spectrum.top=4 output.dir=top$n > log 2>&1 ||
    { cat log; fail "some, top 4"; }
done
launch 1 spectrum wide.h5:/few output.dir=few > log 2>&1 || { cat log; fail "few"; }
grep -q "at most 9 eigenvalues are above 0; if the file holds one sample a column" log ||
  fail "nothing said of few rows"
"$python" - <<'END' || fail "wide spectra differ from NumPy's"
import h5py
import numpy as np
def check(run, z, k):
    with h5py.File(f"{run}/trajectory.h5") as f:
        got = f["/spectrum/covariance/eigenvalues"][0]
        pca = f["/embedding/pca"][0]
    c = z - z.mean(0)
    u, s, v = np.linalg.svd(c, full_matrices=False)
    want = np.zeros(z.shape[1])
    want[:len(s)] = s ** 2 / (len(z) - 1)
    assert got.shape == (k,) and abs(got - want[:k]).max() < 1e-12 * want[0], run
    sign = np.sign(v[np.arange(3), abs(v[:3]).argmax(1)])
    assert abs(pca - (u * s)[:, :3] * sign).max() < 1e-8 * s[0], run
with h5py.File("wide.h5") as f:
    for n in (1, 3):
        check(f"some{n}", f["some"][:], 1500)
        check(f"top{n}", f["some"][:], 4)
    check("few", f["few"][:], 60000)
END
for n in 1 2; do
  launch $n linear - data.name=gaussian data.dim=300 data.decay=5 data.noise=0 \
    linear.sample=100 linear.dim=4 linear.alpha=1e-3 linear.steps=50 linear.rows=10 \
    output.dir=steep$n > steep$n.txt 2>&1 || { cat steep$n.txt; fail "steep spectrum"; }
  launch $n linear - data.name=gaussian data.dim=300 data.decay=5 data.noise=0 \
    linear.sample=100 linear.dim=4 linear.alpha=1e-3 linear.steps=50 linear.rows=10 \
    linear.solver=syevd output.dir=matrix$n > log 2>&1 || { cat log; fail "by the matrix"; }
done
grep -q "taking QR factors" steep1.txt || fail "the steep spectrum is not steep enough"
"$python" - <<'END' || fail "steep spectrum"
import h5py
import numpy as np
def gamma(run):
    with h5py.File(f"{run}/trajectory.h5") as f:
        return f["/theory/gamma"][:]
for n in (1, 2):
    a, b = gamma(f"steep{n}"), gamma(f"matrix{n}")
    assert abs(a - b[:len(a)]).max() < 1e-12 * b[0]
END
launch 2 train - $tiny data.name=hdf5 data.path=labels.h5 data.size=8 augment.crop.size=8 \
  encoder.base_width=4 batch.pairs=8 spectrum.probe=8 run.steps=1 spectrum.every=1 \
  accuracy.list=knn,linear accuracy.bank=40 accuracy.test=20 output.dir=labels > log 2>&1 ||
  { cat log; fail "labels up to 15 million"; }
"$python" - <<'END' || fail "labels up to 15 million: accuracy or memory"
import h5py
with h5py.File("labels/trajectory.h5") as f:
    assert 0.1 < f["/metrics/linear_accuracy/value"][-1] < 0.9
    assert f["/timing/allocated"][-1] < 100e6
END
finish
