#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_features.sh  spectrum.of = embedding, features and spectrum.keep: the features' groups
# are what `eigenstep spectrum` and NumPy find in what is kept, on any number of ranks; a
# resumed run has the file of an uninterrupted one; no more is stored than `check` says; the
# readers follow; what cannot be is refused.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py numpy matplotlib xarray
both="spectrum.of=embedding,features spectrum.keep=z,vectors spectrum.keep_every=4"
scripts=$(cd "$srcdir/postprocess" && pwd)
export PYTHONDONTWRITEBYTECODE=1 MPLCONFIGDIR="$work/config"
cd "$work" || exit 99
run() { # run RANKS ARGUMENT...
  launch "$@" > log 2>&1 || { cat log; fail "$* ended with $?"; }
}

for n in 1 2 3 4; do run $n train - $tiny $both output.dir=on$n; done
run 2 train - $tiny $both parallel.deterministic=true output.dir=whole
# wide: features from the rows where these are few, else from the matrix
wide="encoder.name=linear encoder.hidden=1024 data.size=8 data.count=1200
      augment.crop.size=8 batch.pairs=24 projector.widths=8 run.steps=2 spectrum.every=2
      optim.lr=1e-4 backend.tune=false"
run 3 train - $wide $both spectrum.probe=24 output.dir=rows
run 2 train - $wide $both spectrum.probe=600 spectrum.top=20 projector.widths=32 \
  output.dir=matrix

"$python" - << 'EOF' || fail "the file is not what is kept"
import h5py
import numpy as np

def close(a, b, scale, tolerance, what):
    error = np.abs(np.asarray(a) - b).max() / scale
    assert error < tolerance, (what, error)

def agrees(f, root, followed):
    """What is kept, and the file's eigenvalues."""
    steps = list(f[f"{root}/kept/z/step"][:])
    assert steps == list(f[f"{root}/kept/vectors/step"][:])
    for i, step in enumerate(steps):
        row = list(f[f"{root}/spectrum/covariance/step"][:]).index(step)
        z = f[f"{root}/kept/z/value"][i].astype(float)
        n, v = len(z) // 2, f[f"{root}/kept/vectors/value"][i].astype(float)
        a, b = z[:n] - z[:n].mean(0), z[n:] - z[n:].mean(0)
        of = {"covariance": np.cov(z.T), "cross_correlation": (a.T @ b + b.T @ a) / (2 * n)}
        scale = np.linalg.eigvalsh(of["covariance"])[-1]
        for name, matrix in of.items():
            stored = f[f"{root}/spectrum/{name}/eigenvalues"][row]
            close(stored, np.linalg.eigvalsh(matrix)[::-1][:len(stored)], scale, 1e-11,
                  (root, name))
        value = f[f"{root}/spectrum/{followed}/eigenvalues"][row]
        some = np.linalg.norm(v, axis=1) > 0.5  # 0: of zero eigenvalues
        assert some.sum() >= min(len(v), n), some.sum()
        close(v[some] @ of[followed], value[some, None] * v[some], scale, 1e-6,
              (root, "vectors"))

one = h5py.File("on1/trajectory.h5")
assert list(one["/features/kept/z/step"][:]) == [0, 4, 8, 10]
assert list(one["/features/spectrum/covariance/step"][:]) == [0, 4, 5, 8, 10]
assert one["/kept/z/value"].shape == (4, 48, 8), one["/kept/z/value"].shape
assert one["/features/kept/vectors/value"].shape == (4, 64, 64)
assert "forecast" not in one["/features"]
assert set(one["/features/metrics"]) | {"modes_learned"} == set(one["/metrics"])
for n in 1, 2, 3, 4:
    f = h5py.File(f"on{n}/trajectory.h5")
    agrees(f, "", "cross_correlation")
    agrees(f, "/features", "covariance")
    for name in "covariance", "cross_correlation":
        x, y = (g[f"/features/spectrum/{name}/eigenvalues"][:] for g in (f, one))
        close(x, y, y.max(), 1e-4, (n, name))
for name in "rows", "matrix":
    agrees(h5py.File(f"{name}/trajectory.h5"), "/features", "covariance")
steps = one["/features/steps"]
assert steps["mode"].shape == (64,) and "gamma" not in steps
np.save("z.npy", one["/features/kept/z/value"][-1].reshape(2, 24, 64).astype(float))
EOF

# the command on the features that were kept: the same spectra and metrics
run 2 spectrum z.npy output.dir=z spectrum.keep=vectors
"$python" - << 'EOF' || fail "eigenstep spectrum finds something else"
import h5py
import numpy as np
a, b = h5py.File("z/trajectory.h5"), h5py.File("on1/trajectory.h5")["/features"]
names = [f"spectrum/{m}/{k}" for m in ("covariance", "cross_correlation")
         for k in ("eigenvalues", "trace")]
names += [f"metrics/{m}/value" for m in b["metrics"]]
for name in names:
    x, y = a[name][0], b[name][-1]
    assert np.allclose(x, y, rtol=1e-6, atol=1e-9 * np.abs(y).max(), equal_nan=True), (
        name, x, y)
x, y = (f["spectrum/covariance/invariance"][-1] for f in (a, b))
assert np.abs(x[:8] - y[:8]).max() < 1e-6
x, y = a["kept/vectors/value"][0], b["kept/vectors/value"][-1]
assert np.abs(x[:8] - y[:8]).max() < 1e-5
EOF

# stopped between two of its keeps, continued on other ranks
run 1 train - $tiny $both parallel.deterministic=true run.steps=6 output.dir=half
run 4 resume half run.steps=10
"$python" - << 'EOF' || fail "a resumed run has another file"
import h5py
a, b = (h5py.File(d + "/trajectory.h5") for d in ("half", "whole"))
names = []
b.visititems(lambda n, o: names.append(n) if isinstance(o, h5py.Dataset) else None)
names = [n for n in names if n.startswith(("features/", "kept/", "spectrum/"))]
assert len([n for n in names if "kept" in n]) == 20, names
for n in names:
    assert a[n][()].tobytes() == b[n][()].tobytes(), n
EOF

# what check says is what is stored
much="$tiny $both spectrum.probe=600 data.count=1200"
run 1 check - $much
said=$(sed -n 's/^kept *\([0-9.]*\) MB (z,vectors), stored 4 times.*/\1/p' log)
run 2 train - $much output.dir=much
"$python" - "${said:-0}" << 'EOF' || fail "check says something else"
import sys
import h5py
f = h5py.File("much/trajectory.h5")
stored = sum(f[root + kind].id.get_storage_size() for root in ("", "/features")
             for kind in ("/kept/z/value", "/kept/vectors/value"))
assert 0.9 * stored < 1e6 * float(sys.argv[1]) < 1.1 * stored, (sys.argv, stored)
EOF

# readers
"$python" - "$scripts" << 'EOF' || fail "eigenstep.py"
import sys
sys.path.insert(0, sys.argv[1])
import eigenstep
run = eigenstep.open_run("on2")
x = run.eigenvalues(of="features")
assert x.dims == ("time", "mode") and x.sizes["mode"] == 64, x
assert run.features(3)[1].shape == (5, 3) and run.eigenvalues().sizes["mode"] == 8
assert "value" in run.dataset("/features/kept/z")
assert eigenstep.open_run("z").features() is None
EOF
draw() { # draw SCRIPT ARGUMENT...
  "$python" "$scripts/$1" "${@:2}" > out 2>&1 || { cat out; fail "$*"; }
}
draw plot_run.py on1 on2 -o pair --format png
draw plot_run.py on1 z -o mixed --format png
draw report.py on1
grep -q 'of the encoder&#x27;s output' on1/report.html || fail "no features in the report"
run 1 watch on1
grep -q '^  feature_3 ' log || { cat log; fail "watch shows no features"; }

refused() { # refused SENTENCE ARGUMENT...
  launch 2 train - $tiny output.dir=none "${@:2}" > log 2>&1 && fail "$* is accepted"
  { [ "$(grep -c 'eigenstep: error' log)" = 1 ] && grep -q "$1" log; } ||
    { cat log; fail "$* is not said"; }
  [ ! -e none ] || { fail "$*: a folder is left"; rm -r none; }
}
refused "spectrum.of: got 'foo', expected" spectrum.of=foo
launch 1 check - $tiny spectrum.of=features > log 2>&1 || { cat log; fail "features alone"; }
refused 'whose features are the pixels' spectrum.of=embedding,features \
  encoder.name=linear encoder.hidden=none init.scale_last=1
refused "spectrum.keep: got 'y'" spectrum.keep=z,y
refused "spectrum.keep_every: got 'x'" spectrum.keep=z spectrum.keep_every=x
refused 'spectrum.keep: got [0-9.]* GB to store' spectrum.keep=z spectrum.keep_every=1 \
  run.steps=99999999 projector.widths=4096
finish
