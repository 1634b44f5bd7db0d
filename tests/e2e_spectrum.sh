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
    f["/equal"] = np.full((50, 24), 0.3)
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
grep -q "all embeddings are equal" "$work/log" && fail "embeddings that differ are equal"
launch 1 spectrum "$work/e.h5:/equal" output.dir="$work/equal" > "$work/log" 2>&1
grep -q "warning: all embeddings are equal" "$work/log" ||
  { cat "$work/log"; fail "nothing said of equal embeddings"; }
# the sections that it reads, in its help and in what it stores
"$EIGENSTEP" spectrum --help > "$work/help" || fail "help"
[ "$(sed -n 's/^  \[\(.*\)\] .*/\1/p' "$work/help" | xargs)" = "run output spectrum" ] &&
  [ "$(sed -n 's/^\[\(.*\)\]/\1/p' "$work/z1/run.ini" | xargs)" = "run output spectrum" ] ||
  fail "sections: $(cat "$work/help" "$work/z1/run.ini")"
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
launch 2 spectrum "$work/e.h5:/a/z32" output.dir="$work/sz32" > "$work/log" 2>&1 ||
  { cat "$work/log"; fail "/a/z32"; }
grep -q modes_learned "$work/log" && fail "modes of embeddings of unknown origin are counted"

# .npy in both orders of bytes and indices, safetensors, two views in every form: all have
# the eigenvalues that NumPy finds
"$python" - "$work" <<'EOF' || fail "cannot make the files"
import json
import struct
import sys
import h5py
import numpy as np
d = sys.argv[1] + "/"
rng = np.random.default_rng(3)
x = rng.standard_normal((101, 7)) * 0.7 ** np.arange(7)
y = x + 0.3 * rng.standard_normal((101, 7))
np.save(d + "c.npy", x)
np.save(d + "f.npy", np.asfortranarray(x))
np.save(d + "big.npy", x.astype(">f8"))
np.save(d + "half.npy", np.round(x * 64).astype("<f2"))
np.save(d + "short.npy", np.round(x * 1000).astype(">i2"))
np.save(d + "y.npy", y)
np.save(d + "pair_f.npy", np.asfortranarray(np.stack([x, y])))
np.save(d + "mixed.npy", np.stack([x, y], axis=1))
np.save(d + "mixed_f.npy", np.asfortranarray(np.stack([x, y], axis=1)))
np.save(d + "cube.npy", np.zeros((5, 3, 7)))
with open(d + "v2.npy", "wb") as f:
    np.lib.format.write_array(f, x, version=(2, 0))
with h5py.File(d + "p.h5", "w") as f:
    f["x"], f["y"], f["pair"], f["mixed"] = x, y, np.stack([x, y]), np.stack([x, y], 1)
    f["dense/kernel:0"] = x
parts = [("x", x.astype("<f8"), "F64"), ("y", y.astype("<f8"), "F64"),
         ("pair", np.stack([x, y]).astype("<f4"), "F32")]
head, at = {}, 0
for name, a, kind in parts:
    head[name] = {"dtype": kind, "shape": a.shape, "data_offsets": [at, at + a.nbytes]}
    at += a.nbytes
text = json.dumps(head).encode()
with open(d + "s.safetensors", "wb") as f:
    f.write(struct.pack("<Q", len(text)) + text + b"".join(a.tobytes() for _, a, _ in parts))
EOF
k=0
for address in f.npy v2.npy half.npy short.npy s.safetensors:x p.h5:/dense/kernel:0 \
  big.npy,y.npy pair_f.npy "mixed_f.npy 2" "p.h5:/mixed 2" p.h5:/x,/y \
  s.safetensors:pair; do
  set -- $address
  k=$((k + 1))
  (cd "$work" && launch $((1 + k % 3)) spectrum "$1" ${2:+spectrum.views=$2} \
    output.dir="form$k" > log 2>&1) || { cat "$work/log"; fail "$address"; }
done
cp "$work/log" "$work/form$k.log"
"$python" - "$work" <<'EOF' || fail "a form of the file changes the numbers"
import sys
import h5py
import numpy as np
d = sys.argv[1] + "/"
x, y = np.load(d + "c.npy"), np.load(d + "y.npy")
one = [x, x, np.load(d + "half.npy"), np.load(d + "short.npy"), x, x]
two = np.vstack([x, y])
a, b = [z - z.mean(0) for z in (x, y)]
cross = np.linalg.eigvalsh((a.T @ b + b.T @ a) / (2 * len(a)))[::-1]
for k in range(1, 13):
    with h5py.File(f"{d}form{k}/trajectory.h5") as f:
        z = one[k - 1].astype(float) if k <= 6 else two
        want = np.linalg.eigvalsh(np.cov(z.T))[::-1]
        got = f["/spectrum/covariance/eigenvalues"][0]
        loose = 1e-6 if k == 12 else 1e-12  # the last one is stored in f32
        assert np.max(np.abs(got - want)) <= loose * want[0], (k, got, want)
        assert ("cross_correlation" in f["/spectrum"]) == (k > 6), k
        if k > 6:
            got = f["/spectrum/cross_correlation/eigenvalues"][0]
            assert np.max(np.abs(got - cross)) <= max(loose, 1e-9) * cross[0], (k, got, cross)
        assert "modes_learned" not in f["/metrics"]
# what the last one printed: both matrices side by side, and where they are
log = open(f"{d}form12.log").read().split("\n")
at = next(i for i, line in enumerate(log) if line.split() == ["covariance", "cross-correlation"])
shown = np.array([line.split() for line in log[at + 1 : at + 1 + len(cross)]], float)
assert np.allclose(shown[:, 2], cross, rtol=1e-5, atol=1e-6 * cross[0]), shown
assert np.allclose(shown[:, 1], want, rtol=1e-5), shown
assert "wrote form12/trajectory.h5" in log, log
EOF

# without output.dir: named after the input, numbered where taken
(cd "$work" && for i in 1 2; do launch 1 spectrum p.h5:/dense/kernel:0; done > log 2>&1)
[ -s "$work/spectrum-p-dense-kernel-0/STATUS" ] &&
  [ -s "$work/spectrum-p-dense-kernel-0-2/STATUS" ] || fail "names of output folders"
(cd "$work" && launch 1 train - $tiny run.steps=0 > log 2>&1)
[ -s "$work/train/STATUS" ] || fail "name of the output folder of a training"
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
refuse 1 "is a group, expected a dataset; it holds /a/z32" "$work/e.h5"
refuse 1 "shape .301, 2, 3, 4., expected .samples, dimensions." "$work/e.h5:/cube"
refuse 1 "shape .5, 3, 7., expected" "$work/cube.npy"
refuse 1 "shape .101, 2, 7., expected .*spectrum.views = 2" "$work/mixed.npy"
refuse 2 "spectrum.views = 2: got one view" "$work/c.npy" spectrum.views=2
refuse 1 "several tensors, expected FILE:NAME; it has pair, x, y" "$work/s.safetensors"
refuse 1 "no tensor 'w'; it has pair, x, y" "$work/s.safetensors:w"
refuse 2 "holds one array, expected no name" "$work/c.npy:/x"
refuse 1 "is a group, expected a dataset; it holds /dense/kernel:0" "$work/p.h5:/dense"
head -c 300 "$work/c.npy" > "$work/short_c.npy"
refuse 1 "short_c.npy.*truncated" "$work/short_c.npy"
printf 'version https://git-lfs.github.com/spec/v1\n' > "$work/lfs.h5"
refuse 1 "it is a Git LFS pointer; fetch" "$work/lfs.h5:/z"
printf '<!DOCTYPE html><html>' > "$work/page.npy"
refuse 1 "it is a web page" "$work/page.npy"
printf x > "$work/cut.npy"
refuse 1 "does not begin as a .npy file does" "$work/cut.npy"
printf 'PK\003\004 archive/data.pkl' > "$work/model.pt"
refuse 1 "it is a PyTorch file; convert it" "$work/model.pt"
"$python" - "$work" <<'EOF' || fail "cannot make the files of other programs"
import sys
import h5py
import numpy as np
with h5py.File(sys.argv[1] + "/other.h5", "w") as f:
    f.create_dataset("lzf", data=np.eye(8), chunks=(4, 8), compression="lzf")
    layout = h5py.VirtualLayout(shape=(301, 24), dtype="f8")
    layout[:] = h5py.VirtualSource("e.h5", "z", shape=(301, 24))
    f.create_virtual_dataset("virtual", layout)
EOF
refuse 1 "filter 'lzf' .32000." "$work/other.h5:/lzf"
refuse 1 "virtual dataset.*h5repack" "$work/other.h5:/virtual"
refuse 1 "no-such.h5" "$work/no-such.h5:/z"
refuse 1 "/no-such" "$work/e.h5:/no-such"
refuse 1 "/vector" "$work/e.h5:/vector"
refuse 2 "spectrum\.matrices.*cross" "$work/e.h5:/z" spectrum.matrices=cross
refuse 2 "spectrum\.top.*24" "$work/e.h5:/z" spectrum.top=25
head -c 3000 "$work/e.h5" > "$work/cut.h5"
refuse 1 "cut\.h5" "$work/cut.h5:/z"
rm -rf "$work/none"
refuse 1 "e.h5:/nan: row 200 is not finite: column 3 is nan" "$work/e.h5:/nan"
[ ! -e "$work/none" ] || fail "a file that is refused leaves a folder"
finish
