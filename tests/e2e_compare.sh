#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_compare.sh  eigenstep compare of runs, steps, predictions and files: the numbers by
# hand, on any number of ranks; what it refuses.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py numpy
for seed in 1 2; do
  launch 2 train - $tiny run.steps=20 ckpt.every=10 ckpt.keep=3 run.seed=$seed \
    projector.widths=$((5 + seed)) output.dir="$work/run$seed" > "$work/log" 2>&1 ||
    { cat "$work/log"; fail "train, seed $seed"; finish; }
done
launch 1 ntk "$work/run1" ntk.pairs=24 ntk.at=last ntk.bootstrap=2 > "$work/log" 2>&1 ||
  { cat "$work/log"; fail "ntk"; }

compare() { # compare RANKS FOLDER SOURCE...
  local n=$1 to=$2; shift 2
  launch "$n" compare "$@" output.dir="$work/$to" compare.bootstrap=5 > "$work/$to.log" 2>&1
}
runs="$work/run1@all $work/run2 $work/run2@first $work/run1@ntk"
compare 1 one $runs || { cat "$work/one.log"; fail "1 rank"; }
compare 3 three $runs || { cat "$work/three.log"; fail "3 ranks"; }
"$python" - "$work" << 'PYTHON' || fail "files"
import sys
import h5py, numpy as np
work = sys.argv[1]
with h5py.File(f"{work}/run1/ntk/ntk.h5") as f:
    z = f["/ntk/learned"][0]
rng = np.random.default_rng(1)
with h5py.File(f"{work}/z.h5", "w") as f:
    f["z"] = z
    f["rotated"] = 3 * z @ np.linalg.qr(rng.standard_normal((6, 6)))[0] + 1
    f["few"] = z[1:]
    f["flat"] = np.ones_like(z)
    f["round"] = 0.3 + 1e-15 * z
    f["nan"] = np.where(np.arange(48)[:, None] == 7, np.nan, z)
PYTHON
compare 2 files "$work/run1" "$work/z.h5:/z" "$work/z.h5:/rotated" ||
  { cat "$work/files.log"; fail "files"; }
"$python" -c "import h5py, numpy as np
np.save('$work/z.npy', h5py.File('$work/z.h5')['few'])"
compare 2 alone "$work/z.npy" "$work/z.h5:/few" "$work/z.h5:/few" || fail "files alone"


# pairs that were held out of a file's images by one seed, not by the other
"$python" -c "import h5py, numpy as np
h5py.File('$work/x.h5', 'w')['x'] = np.random.default_rng(3).integers(
  0, 256, (96, 3, 16, 16), np.uint8)"
for seed in 1 2; do
  launch 1 train - $tiny run.steps=2 run.seed=$seed data.name=hdf5 data.path="$work/x.h5" \
    output.dir="$work/held$seed" > "$work/log" 2>&1 || { cat "$work/log"; fail "train, held out"; }
done
compare 2 held "$work/held1" "$work/held2" &&
  grep -q "warning: compare: .*held2 has run.seed = 2, the first run 1: it may" "$work/held.log" ||
  { fail "pairs that another run was trained on"; cat "$work/held.log"; }
[ "$(grep -c "x.h5': /x .* are images" "$work/held.log")" = 1 ] ||
  { fail "what is in the data is to be said once"; cat "$work/held.log"; }
# images that have moved, and others in their place
mv "$work/x.h5" "$work/moved.h5"
compare 2 moved "$work/held1" "$work/held2" data.path="$work/moved.h5" ||
  { fail "images that have moved"; cat "$work/moved.log"; }
"$python" -c "import h5py; h5py.File('$work/y.h5', 'w')['x'] = \
  h5py.File('$work/moved.h5')['x'][:][::-1]"
! grep -q "run.seed" "$work/one.log" || fail "endless images are held out of nothing"

"$python" - "$work" << 'PYTHON' || fail "numbers"
import sys
import h5py, numpy as np
work = sys.argv[1]
one, three, files = (h5py.File(f"{work}/{name}/compare.h5")
                     for name in ("one", "three", "files"))
names = one["runs"][()].decode().split("\n")
assert [n[len(work) + 1:] for n in names] == ["run1@0", "run1@10", "run1@20", "run2@20",
                                              "run2@0", "run1@ntk"][-len(names):], names
R, K = len(names), 6
assert one["subspace"].shape == (R, R, K) and one["modes"].shape == (R, R, K, K)
for name, item in one.items():
    if isinstance(item, h5py.Dataset) and item.ndim > 0:
        assert item.attrs["description"] and item.attrs["units"], name
        assert h5py.h5ds.is_scale(item.id) or all(len(d) == 1 for d in item.dims), name
for name in ("subspace", "cka", "cka_unbiased", "mutual_knn", "svcca"):
    a, b = one[name][:], three[name][:]
    assert np.allclose(a, b, atol=2e-2), (name, np.abs(a - b).max())
    own = a[np.arange(R), np.arange(R)]
    assert np.allclose(own, 1), (name, own)
    assert np.allclose(a, np.swapaxes(a, 0, 1)), name
# by hand: files that hold the run's own embeddings, and the same rotated
s = files["subspace"][:]
assert np.allclose(s, 1, atol=1e-4), s
assert np.allclose(files["cka"][:], 1, atol=1e-4)
with h5py.File(f"{work}/run1/ntk/ntk.h5") as f:
    z, p = f["/ntk/learned"][0], f["/ntk/predicted"][0]
u = np.linalg.svd(z - z.mean(0), full_matrices=False)[0]
q = np.linalg.qr(p - p.mean(0))[0]
last, ntk = names.index(f"{work}/run1@20"), names.index(f"{work}/run1@ntk")
for k in range(1, K + 1):
    share = np.sum((u[:, :k].T @ q[:, :k]) ** 2) / k
    assert abs(share - one["subspace"][last, ntk, k - 1]) < 1e-3, k
PYTHON
"$python" "$srcdir/postprocess/plot_compare.py" "$work/one" > "$work/log" 2>&1 &&
  [ -s "$work/one/compare.png" ] && [ -s "$work/one/compare-steps.png" ] ||
  { cat "$work/log"; fail "plot_compare.py"; }

refused() { # refused STATUS WORDS ARGUMENT...: on 2 ranks, with one sentence
  local status=$1 words=$2; shift 2
  launch 2 compare "$@" output.dir="$work/no" > "$work/log" 2>&1
  local got=$?
  [ $got = "$status" ] && grep -q "$words" "$work/log" && [ ! -e "$work/no" ] ||
    { cat "$work/log"; fail "compare $*: status $got, expected $status and '$words'"; }
}
refused 2 'got no source'
refused 2 "expected the checkpoint's" "$work/held1" "$work/held2" data.path="$work/y.h5"
refused 2 'got 47 rows, expected 48' "$work/run1" "$work/z.h5:/few"
refused 1 'z.h5:/nan: row 7 is not finite: column 0 is nan' "$work/run1" "$work/z.h5:/nan"
refused 1 'z.h5:/flat: got the same embedding' "$work/run1" "$work/z.h5:/flat"
refused 1 'z.h5:/round: got the same embedding' "$work/run1" "$work/z.h5:/round"
refused 2 'got 1 held-out pairs, expected at least 2, one for each rank' "$work/run1" \
  "$work/run2" compare.pairs=1
refused 2 'expected a step, first, last, all or ntk' "$work/run1@x" "$work/run2"
refused 1 'no complete checkpoint of step 7' "$work/run1" "$work/run1@7"
refused 2 'for other pairs than those of the first' "$work/run2" "$work/run1@ntk"
compare 2 run1 "$work/run1" "$work/run2" && fail "wrote into the folder of a run"
grep -q 'is not empty' "$work/run1.log" || { cat "$work/run1.log"; fail "no such words"; }
launch 2 train - $tiny run.steps=0 augment.crop.size=12 output.dir="$work/run3" \
  > "$work/log" 2>&1 || fail "train with other views"
refused 2 'expected those of the first' "$work/run1" "$work/run3"
finish
