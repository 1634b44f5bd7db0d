#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_kernel.sh  eigenstep kernel end to end: the same table at 1 to 4 ranks, eigenvalues
# and embeddings against NumPy, leading modes alone, networks that approach the kernel as
# they get wide, odd sizes, and what it says about wrong input.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py numpy
"$python" - "$work" <<'END' || fail "cannot make the data"
import sys
import h5py
import numpy as np
r = np.random.default_rng(3)
x = r.standard_normal((20, 6)).astype("f4") * 0.8 ** np.arange(6, dtype="f4")
with h5py.File(sys.argv[1] + "/own.h5", "w") as f:
    f["x"], f["x_prime"] = x, x + 0.2 * r.standard_normal(x.shape).astype("f4")
with h5py.File(sys.argv[1] + "/same.h5", "w") as f:
    f["x"], f["x_prime"] = x, x
with h5py.File(sys.argv[1] + "/flat.h5", "w") as f:
    f["x"] = f["x_prime"] = np.ones_like(x)
END

small="data.name=hdf5 data.path=$work/own.h5 data.shuffle=false kernel.sample=14
       kernel.held_out=5 kernel.dim=3 kernel.rows=100"
kernel() { # kernel RANKS NAME ARGUMENT...: must succeed; output in $work/NAME.txt
  local n=$1 name=$2; shift 2
  launch "$n" kernel - $small output.dir="$work/$name" "$@" > "$work/$name.txt" 2>&1 ||
    { cat "$work/$name.txt"; fail "$name on $n ranks"; }
}
said() { # said NAME REGEX
  grep -qE "$2" "$work/$1.txt" || { cat "$work/$1.txt"; fail "$1: no '$2'"; }
}

for n in 1 2 3 4; do
  kernel $n "gd$n"
  grep -vE '\branks?\b|residual|simulated|angle' "$work/gd$n.txt" > "$work/table$n"
  cmp -s "$work/table1" "$work/table$n" || fail "$n ranks: another table than on 1"
done
kernel 1 flow kernel.method=flow kernel.name=laplace kernel.center=true
kernel 2 direct kernel.method=direct kernel.alpha=1e-2 kernel.name=ntk_relu
kernel 1 modes kernel.alpha=1e-2 kernel.name=ntk_relu
kernel 2 wide kernel.name=arccos kernel.alpha=1e-3 kernel.dim=2 kernel.widths=16,512
kernel 1 mirror kernel.name=ntk_relu kernel.alpha=1e-2 kernel.widths=32 kernel.seeds=1

"$python" - "$work" <<'END' || fail "values in the trajectories"
import sys
import h5py
import numpy as np
work = sys.argv[1]
def run(name):
    return h5py.File(f"{work}/{name}/trajectory.h5", "r")
with h5py.File(f"{work}/own.h5", "r") as f:
    x, y = (np.asarray(f[k], "f8") for k in ("x", "x_prime"))
n, p, d = 14, 5, 3
z = np.vstack([x[:n], y[:n]])
new = np.vstack([x[n:n + p], y[n:n + p]])
d2 = lambda a, b: ((a[:, None] - b[None]) ** 2).sum(-1)
width2 = d2(z, z).sum() / (2 * n * (2 * n - 1))
k, k_new = (np.exp(-d2(z, b) / (2 * width2)) for b in (z, new))
gamma = np.sort(np.linalg.eigvals(np.roll(k, n, 0) / (2 * n)).real)[::-1]
with run("gd1") as f:
    assert np.allclose(f["/theory/gamma"], gamma[:d], rtol=1e-9)
    s = f["/steps"]
    measured, predicted = s["step_measured"][:], s["step_predicted"][:]
    assert (abs(measured - predicted) < np.maximum(1, 0.01 * predicted)).all()
    train, held = f["/embeddings/train"], f["/embeddings/held_out"]
    for what, far in (("measured", 1e-3), ("predicted", 1e-3)):
        e, h = train[what][0], held[what][0]
        assert e.shape == (d, 2 * n) and h.shape == (d, 2 * p)
        c = e @ np.roll(e, n, 1).T / (2 * n)
        assert abs(c - np.eye(d)).max() < far, (what, c)
        dual = np.linalg.solve(k, e.T)  # f(x) = dual' k(x), in the span of the points
        assert abs(dual.T @ k_new - h).max() < 1e-6, what
        assert abs((e @ dual).trace() / (1 / gamma[:d]).sum() - 1) < 1e-2
    norm = train.attrs["rkhs_norm"]
    assert abs(norm / (1 / gamma[:d]).sum() - 1) < 1e-2
    for path in ("/embeddings/train/measured", "/theory/gamma", "/steps/gamma"):
        assert f[path].attrs["description"] and f[path].attrs["units"], path
with run("direct") as f, run("modes") as g:
    for path in ("/spectrum/cross_correlation/eigenvalues", "/embeddings/train/measured",
                 "/embeddings/held_out/measured"):
        assert f[path].shape == g[path].shape
        assert abs(f[path][:] - g[path][:]).max() < 1e-8, path
with run("wide") as f:
    t = f["/networks"]
    narrow = t["width"][:] == 16
    for column in ("error_train", "error_held_out"):
        e = t[column][:]
        assert len(e) == 6 and e[~narrow].max() < e[narrow].min(), (column, e)
    assert t["alignment"][:][~narrow].min() > 0.9
with run("mirror") as f:
    assert f["/networks/error_train"][0] < 1.2 and f["/networks/alignment"][0] > 0.5
END

# leading modes by subspace iteration: the same table on any number of ranks, the full
# solution's gammas, whitened embeddings
for n in 1 2 3 4; do
  kernel $n "few$n" kernel.solver=subspace kernel.modes=6
  grep -vE '\branks?\b|residual|MB a rank|simulated|angle' "$work/few$n.txt" > "$work/table$n"
  cmp -s "$work/table1" "$work/table$n" || fail "subspace, $n ranks: another table"
done
said few2 "6 modes by subspace iteration; the matrix is stored in double precision"
said few2 "modes learned: 3 of 3"
launch 2 kernel - $small output.dir="$work/tiny" kernel.solver=subspace \
  kernel.memory=1 > "$work/tiny.txt" 2>&1 && fail "1 MB was enough"
said tiny "kernel: got 1 MB a rank to work in, expected at least .* kernel.memory"
launch 1 check - kernel.solver=subspace kernel.sample=3000 > "$work/check.txt" 2>&1
said check "leading modes, .* MB a rank"
said check "18 modes by subspace iteration.*stored in double precision"
"$python" - "$work" <<'END' || fail "leading modes in the trajectories"
import sys
import h5py
import numpy as np
work = sys.argv[1]
with h5py.File(f"{work}/gd1/trajectory.h5") as full:
    gamma = full["/theory/gamma"][:]
for name in "few1", "few2":
    with h5py.File(f"{work}/{name}/trajectory.h5") as f:
        assert np.allclose(f["/theory/gamma"], gamma, rtol=1e-8), name
        steps = f["/steps"]
        off = abs(steps["step_measured"][:] - steps["step_predicted"][:])
        assert (off < np.maximum(1, 0.01 * steps["step_predicted"][:])).all(), name
        for where in "train", "held_out":
            e = f[f"/embeddings/{where}/measured"][0]
            assert e.shape == (3, 28 if where == "train" else 10) and np.isfinite(e).all()
        e = f["/embeddings/train/measured"][0]
        c = e @ np.roll(e, 14, 1).T / 28
        assert abs(c - np.eye(3)).max() < 1e-3, (name, c)
END

# odd sizes
kernel 2 one kernel.sample=1 kernel.held_out=0
said one "only 1 of 3 modes can grow.*plateau 2"
kernel 1 few kernel.name=linear kernel.dim=9
said few "only [0-6] of 9 modes can grow"
said few "singular to round-off: 22 of 28"
kernel 1 same data.path="$work/same.h5"
said same "singular to round-off: 14 of 28"
kernel 1 flat data.path="$work/flat.h5" kernel.name=polynomial
said flat "only 1 of 3 modes can grow"
kernel 1 large kernel.alpha=1
said large "alpha = 1 is too large.*estimated error"
kernel 1 decay kernel.weight_decay=0.05 kernel.offdiag=0.5
kernel 1 listed kernel.times=0.5,1,20

# wrong input: exit code, sentence
refuse() {
  local code=$1 regex=$2 got; shift 2
  launch 1 kernel - $small output.dir="$work/none" "$@" > "$work/out" 2> "$work/err"
  got=$?
  [ $got -eq "$code" ] || fail "exit $got instead of $code: $*"
  grep -qE "$regex" "$work/err" || { cat "$work/err"; fail "no '$regex' from: $*"; }
  [ "$(grep -c 'eigenstep: error:' "$work/err")" -eq 1 ] ||
    { cat "$work/err"; fail "not one sentence: $*"; }
}
refuse 2 "unknown kernel 'rbd'.*did you mean 'rbf'" kernel.name=rbd
refuse 2 "kernel.rbf.width.*points are equal" data.path="$work/flat.h5"
refuse 2 "width: got -1|width.*-1" kernel.rbf.width=-1
refuse 2 "depht.*depth" kernel.ntk_relu.depht=2
refuse 2 "times: got 1 after 2" kernel.times=2,1
refuse 2 "sample.*20" kernel.sample=30
refuse 2 "widths: got the kernel rbf" kernel.widths=16
refuse 2 "widths: got 15, expected even" kernel.name=ntk_relu kernel.widths=15
refuse 2 "depth: got 2" kernel.name=ntk_relu kernel.ntk_relu.depth=2 kernel.widths=16
refuse 2 "method: got flow" kernel.name=arccos kernel.method=flow kernel.widths=16
refuse 2 "solver: got subspace with kernel.method = direct" kernel.solver=subspace \
  kernel.method=direct
refuse 2 "modes: got 2, expected 0 .automatic. or more than kernel.dim = 3" kernel.modes=2
refuse 2 "weight_decay" kernel.name=arccos kernel.weight_decay=1 kernel.widths=16
[ ! -e "$work/none" ] || fail "an output folder was made for refused input"
refuse 1 "diverged: lr = .* above the stability limit" kernel.lr=100
grep -q "^FAILED diverged" "$work/none/STATUS" || fail "STATUS of a diverged run"
finish
