#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_modes.sh  eigenstep modes: images of which mode 1 is the hue and mode 2 the
# luminance by construction are recovered as such; the file by hand and on any number of
# ranks; augmentations alone, and growth rates against their strength; what it refuses.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py numpy
# Each image has its own hue h, along one axis without luma, and its own luminance l; all
# else differs between the views. Classes are bright and dark.
"$python" - "$work" << 'PYTHON' || { fail "images"; finish; }
import sys
import h5py, numpy as np
rng = np.random.default_rng(1)
n, side = 512, 8
h, l = rng.uniform(-1, 1, (2, n))
colour = np.array([1, -0.299 / 0.587, 0])
def view(hue, light):
    x = (hue * h)[:, None, None, None] * colour[:, None, None]
    x = x + (light * l)[:, None, None, None] + rng.uniform(-15, 15, (n, 3, side, side))
    return np.clip(np.rint(x + 128), 0, 255).astype(np.uint8)
def write(name, label, **views):
    with h5py.File(f"{sys.argv[1]}/{name}.h5", "w") as f:
        for key, value in views.items():
            f[key] = value
        if label is not None:
            f["label"] = label.astype(np.int64)
write("pairs", l > 0, x=view(90, 30), x_prime=view(90, 30))
write("images", l > 0, x=view(80, 40))
grey = np.repeat(view(0, 60)[:, :1], 3, axis=1)
write("grey", None, x=grey)
write("black", None, x=np.zeros((256, 3, side, side), np.uint8))
PYTHON
linear="encoder.name=linear data.name=hdf5 spectrum.probe=128 spectrum.every=5
        projector.widths=4 projector.bias=false batch.pairs=64 init.scale_last=0.01
        loss.barlow.center=true ckpt.every=80 ckpt.keep=4 optim.lr=1.5e-2
        backend.tune=false"
train() { # train RANKS NAME KEY=VALUE...: into the folder NAME
  local n=$1 to=$2; shift 2
  launch "$n" train - $linear "$@" output.dir="$work/$to" > "$work/$to.log" 2>&1 ||
    { cat "$work/$to.log"; fail "train $to"; finish; }
}
modes() { # modes RANKS FOLDER RUN KEY=VALUE...: of the run, in a folder of its own
  local n=$1 to=$2 run=$3; shift 3
  launch "$n" modes "$work/$run" output.dir="$work/$to" modes.permutations=200 "$@" \
    > "$work/$to.log" 2>&1 || { cat "$work/$to.log"; fail "modes $to"; }
}
train 1 pairs run.steps=320 data.path="$work/pairs.h5"
modes 1 one pairs
modes 3 three pairs
tail -12 "$work/one.log"
train 1 gray run.steps=240 data.path="$work/images.h5" \
  augment.list=flip,gray augment.gray.p=0.5
modes 1 gray2 gray modes.augment=true modes.count=2
"$python" - "$work" << 'PYTHON' || fail "numbers"
import sys
import h5py, numpy as np
work = sys.argv[1]
one, three, gray = (h5py.File(f"{work}/{name}/modes.h5")
                    for name in ("one", "three", "gray2"))
def check(name, item):
    assert not isinstance(item, h5py.Dataset) or (
        item.attrs["description"] and item.attrs["units"]), name
for f in (one, gray):
    for name in ("r2", "null", "learned", "invariance", "extremes", "probe_accuracy"):
        assert name in f, name
        if isinstance(f[name], h5py.Group):
            f[name].visititems(check)
        else:
            check(name, f[name])
names = [a.decode() for a in one["attribute"][:]]
own, null = one["learned/r2"][:], one["null"][:]
best = [names[int(np.nanargmax(own[k, :-1]))] for k in range(2)]
print("modes 1 and 2 are", best, np.round(own[:2], 3), "null", np.round(null, 3))
assert best == ["hue", "luminance"], best
assert own[0, 0] > 0.9 and own[1, names.index("luminance")] > 0.9
assert own[0, names.index("luminance")] < null[names.index("luminance")]
assert (own[2:, :5] < 0.2).all()                 # the others are noise
# by hand: R^2 from the pixels, eta^2 from the classes, on the coordinates of the file
with h5py.File(f"{work}/pairs.h5") as f:
    record = one["sample/record"][:]
    order = np.argsort(record)
    def pick(key):
        value = f[key][np.sort(record)]
        return value[np.argsort(order)]
    x = np.concatenate([pick("x"), pick("x_prime")]) / 255.0
    label = np.tile(pick("label"), 2)
assert np.array_equal(label[:len(record)], one["sample/label"][:])
mean = x.mean((2, 3))
design = np.stack([np.ones(len(x)), mean[:, 0] - (mean[:, 1] + mean[:, 2]) / 2,
                   np.sqrt(0.75) * (mean[:, 1] - mean[:, 2])], axis=1)
q = one["learned/coordinates"][:]
for k in range(q.shape[0]):
    left = q[k] - design @ np.linalg.lstsq(design, q[k], rcond=None)[0]
    assert abs(1 - left @ left - own[k, 0]) < 1e-4, (k, 1 - left @ left, own[k, 0])
    eta = sum((label == c).sum() * q[k][label == c].mean() ** 2 for c in (0, 1))
    assert abs(eta - own[k, -1]) < 1e-6, k
assert own[1, -1] > 0.5 > 0.1 > own[0, -1]
# the absent: nothing is cropped or flipped where both views are given
assert np.isnan(own[:, [names.index("area"), names.index("flip")]]).all()
assert (one["learned/reproducibility"][:2] > 0.95).all()
assert one["learned/p"][0, 0] <= 1 / 200 and np.nanmin(one["p"][:]) > 0
# the learned are orthonormal, learned one after the other, and still there at the end
assert one["learned/step"][0] < one["learned/step"][1]
assert np.allclose((q * q).sum(1), 1) and (one["learned/kept"][:2] > 0.9).all()
# the class is the sign of the luminance, so mode 2 tells it and mode 1 does not
alone, first = one["probe_accuracy/alone"][:], one["probe_accuracy/first"][:]
chance = one["probe_accuracy"].attrs["chance"]
assert alone[1] > 0.9 and first[1] > 0.9 and alone[0] < 0.7 and 0.4 < chance < 0.65
assert np.isclose(one["probe_accuracy/random"][-1], first[-1])
# extremes are the samples at the ends of the first views, and their pictures
n = len(record)
for k in range(2):
    order = np.argsort(-q[k, :n], kind="stable")
    assert np.array_equal(one["extremes/top"][k], order[:8])
    assert set(one["extremes/bottom"][k]) == set(order[-8:])
top = x[one["extremes/top"][1]].transpose(0, 2, 3, 1) * 255
assert np.array_equal(one["extremes/top_image"][1], np.rint(top).astype(np.uint8))
for name in ("null", "invariance/value", "probe_accuracy/alone", "extremes/top",
             "learned/direction", "learned/r2"):
    a, b = one[name][:], three[name][:]
    if name in ("learned/r2", "null"):
        a, b = (a, b) if name == "null" else (a[:2], b[:2])
        assert np.allclose(a, b, atol=5e-3, equal_nan=True), (name, a, b)
    else:
        assert np.allclose(a[:2], b[:2], rtol=2e-3, atol=2e-2 * np.abs(a[:2]).max()), name
# gray images half of the time: the luminance is learned first, and only the hue minds
names_of = [s.decode() for s in gray["invariance/name"][:]]
assert names_of == ["views", "flip", "gray"]
r2 = gray["learned/r2"][:]
hue, light = int(np.argmax(r2[:, 0])), int(np.argmax(r2[:, 2]))
assert (hue, light) == (1, 0), r2
v = gray["invariance/value"][:]
assert v[hue, 2] < 0.9 < v[light, 2] and v[:, 1].min() > 0.9, v
# d ln gamma / d strength by hand: what both views of an image have in common is its mean
# view, (1 - p) of the image and p of the grey one, each half mirrored
with h5py.File(f"{work}/images.h5") as f:
    x = f["x"][np.sort(gray["sample/record"][:])] / 255.0
x = (x + x[..., ::-1]) / 2
luma = np.tensordot(x, [0.299, 0.587, 0.114], (1, 0))[:, None].repeat(3, 1)
def common(p):
    m = ((1 - p) * x + p * luma).reshape(len(x), -1)
    m = m - m.mean(0)
    return m.T @ m / len(m)
gamma, v = np.linalg.eigh(common(0.5))
gamma, v = gamma[:-3:-1], v[:, :-3:-1]
less = np.einsum("ij,ik,kj->j", v, common(0.375), v)
expected = (1 - less / gamma) / 0.25
for kind in ("pixels", "features"):
    change = gray[f"augment/{kind}/change"][:]
    print(kind, "gray:", np.round(change[:, 1], 3), "expected", np.round(expected, 3))
    # a quarter of 128 pairs is left in colour, of which two in five are more with less gray:
    # 32 and 50 are counted to 0.2 of their ratio, over a quarter of the strength
    assert np.allclose(change[:, 1], expected, atol=0.9), change
    assert np.abs(change[:, 0]).max() < 0.3, change      # the flip does not matter
    error = gray[f"augment/{kind}/change_error"][:]
    assert (error[:, 1] > 0.01).all() and (error < 1).all(), error
    assert (np.abs(change[:, 1] - expected) < 4 * error[:, 1]).all(), (change, error)
    assert change[1, 1] < -1 < -0.5 < change[0, 1]
without = gray["augment/pixels/without"][:, 1]
assert without[1] > without[0]
PYTHON
grep -q 'without gray the order of these would be 2 1' "$work/gray2.log" ||
  fail "the order of modes without gray"
"$python" "$srcdir/postprocess/plot_modes.py" "$work/one" > "$work/log" 2>&1 &&
  [ -s "$work/one/modes.png" ] && [ -s "$work/one/modes.pdf" ] ||
  { cat "$work/log"; fail "plot_modes.py"; }
mkdir "$work/gray/modes" && cp "$work/gray2/modes.h5" "$work/gray/modes"
"$python" "$srcdir/postprocess/plot_augment.py" "$work/gray" --format png > "$work/log" 2>&1 &&
  [ -s "$work/gray/augment.png" ] || { cat "$work/log"; fail "plot_augment.py"; }
"$python" "$srcdir/postprocess/plot_augment.py" "$work/one" > "$work/log" 2>&1 &&
  fail "plot_augment.py of a study without"
grep -q "cannot read .*modes.augment=true" "$work/log" || { cat "$work/log"; fail "no remedy"; }
# all modes; a number that is none; on the page of a run a file that is torn is a sentence
"$python" "$srcdir/postprocess/plot_modes.py" "$work/gray2" --modes 0 --format svg \
  > "$work/log" 2>&1 || { cat "$work/log"; fail "plot_modes.py --modes 0"; }
"$python" "$srcdir/postprocess/plot_modes.py" "$work/one" --modes -1 > "$work/log" 2>&1 &&
  fail "plot_modes.py --modes -1"
grep -q 'got -1, expected 0' "$work/log" || { cat "$work/log"; fail "--modes -1"; }
mkdir "$work/pairs/modes" && head -c 3000 "$work/one/modes.h5" > "$work/pairs/modes/modes.h5"
"$python" "$srcdir/postprocess/report.py" "$work/pairs" -o "$work/page.html" \
  > "$work/log" 2>&1 && grep -q 'What each mode is about: cannot read' "$work/page.html" ||
  { cat "$work/log"; fail "report.py with a torn modes.h5"; }

# more checkpoints than are taken
train 1 many run.steps=70 ckpt.every=1 ckpt.keep=100 data.path="$work/pairs.h5"
modes 1 many1 many modes.pairs=16 modes.count=2
grep -q 'got 7[01] checkpoints in .* the newest 64 are taken' "$work/many1.log" ||
  fail "the log does not say that 64 checkpoints are taken"

# grey images without classes, one output, nothing learned
train 1 dull run.steps=0 data.path="$work/grey.h5" augment.list=none projector.widths=1
modes 2 dull2 dull
for words in 'hue: not defined: the images have no colour' 'views are not cropped' \
  'views are not flipped' 'the records have no classes' 'the data have no classes' \
  'no mode was learned'; do
  grep -q "$words" "$work/dull2.log" || fail "the log does not say '$words'"
done

refused() { # refused STATUS WORDS ARGUMENT...: on 2 ranks, with one sentence
  local status=$1 words=$2; shift 2
  launch 2 modes "$@" > "$work/log" 2>&1
  local got=$?
  [ $got = "$status" ] && grep -q "$words" "$work/log" && [ ! -e "$work/no" ] ||
    { cat "$work/log"; fail "modes $*: status $got, expected $status and '$words'"; }
}
to=output.dir=$work/no
refused 2 'expected the output folder of train'
refused 1 'is not an Eigenstep run' "$work" $to
refused 2 'expected at least 4' "$work/pairs" $to modes.pairs=3
train 1 black run.steps=0 data.path="$work/black.h5" augment.list=flip spectrum.probe=16
refused 1 'modes: step 0: got the same embedding for all points' "$work/black" $to
if [ -n "$(ls -A ~)" ]; then # the home folder, not one called "~"
  refused 2 'is not empty' "$work/pairs" 'output.dir=~'
fi
[ ! -e '~' ] || fail "a folder is called ~"
refused 2 'expected at most 128' "$work/pairs" $to modes.pairs=129
refused 2 'expected ascending steps' "$work/pairs" $to modes.at=last,20
refused 2 'got .knn, linear., expected one classifier' "$work/pairs" $to \
  modes.accuracy='knn, linear' modes.at=last
# before anything is computed: the first network of these steps could not be read
mv "$work"/pairs/ckpt/step_*80 "$work/step_80" || fail "no checkpoint of step 80"
refused 2 "accuracy.* 'lineal'" "$work/pairs" $to modes.accuracy=lineal modes.at=80,last
refused 2 'is not empty' "$work/pairs" output.dir="$work/pairs"
refused 2 "expected the checkpoint's" "$work/pairs" $to data.path="$work/grey.h5"
rm -r "$work/pairs/ckpt"
refused 1 'no complete checkpoint' "$work/pairs" $to
finish
