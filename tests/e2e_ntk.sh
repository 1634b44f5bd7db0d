#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_ntk.sh  eigenstep ntk on a finished run: the file, the same numbers on any number of
# ranks, with little memory, the kernel of the last layer against the features' own; what
# it refuses.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py numpy
launch 2 train - $tiny run.steps=60 init.scale_last=0.1 spectrum.every=5 ckpt.every=30 \
  ckpt.keep=2 optim.lr=8e-3 output.dir="$work/run" > "$work/log" 2>&1 ||
  { cat "$work/log"; fail "train ended with $?"; finish; }

ntk() { # ntk RANKS FOLDER KEY=VALUE...: on the run, in a folder of its own
  local n=$1 to=$2; shift 2
  launch "$n" ntk "$work/run" output.dir="$work/$to" ntk.bootstrap=20 "$@" \
    > "$work/$to.log" 2>&1
}
two="ntk.outputs=random:2 ntk.keep=true"
ntk 1 one $two ntk.at=first,30,last || { cat "$work/one.log"; fail "1 rank"; }
ntk 3 three $two ntk.at=first,last ntk.memory=1 || fail "3 ranks: $?"
ntk 2 further ntk.at=last ntk.further=8 ntk.outputs=mean ntk.bn=running ||
  fail "further pairs: $?"
ntk 2 last ntk.at=last ntk.outputs=last ntk.keep=true || fail "last layer: $?"
# refused where there are no products in bf16
ntk 2 narrow $two ntk.at=last ntk.precision=bf16 || {
  grep -q 'ntk.precision: .*bf16' "$work/narrow.log" || fail "products in bf16"
  ! grep -q avx512_bf16 /proc/cpuinfo || ! "$EIGENSTEP" --version | grep -qi onednn ||
    { fail "products in bf16 are refused here"; cat "$work/narrow.log"; }
}
for words in 'by the structured form' 'chance' 'when modes are learned'; do
  grep -q "$words" "$work/one.log" || fail "the log does not say '$words'"
done

"$python" - "$work" << 'PYTHON' || fail "numbers"
import os, sys
import h5py, numpy as np
work = sys.argv[1]
one, three, further, last = (h5py.File(f"{work}/{name}/ntk.h5")
                             for name in ("one", "three", "further", "last"))
def check(name, item):
    assert item.attrs["description"], name
    assert isinstance(item, h5py.Group) or item.attrs["units"], name
for group in ("ntk", "alignment", "change", "layers", "steps"):
    one[group].visititems(check)
assert list(one["/ntk/step"]) == [0, 30, 60]
kernel = one["/ntk/kernel"][:]
T, n, _ = kernel.shape
size = np.abs(kernel).max(axis=(1, 2), keepdims=True)
assert n == 48 and np.array_equal(kernel, kernel.transpose(0, 2, 1))
for k in kernel:
    e = np.linalg.eigvalsh(k)
    assert e[0] > -1e-6 * e[-1], e
# ranks sum the statistics of batch norm in another order
ends = [0, 2]
assert (np.abs(three["/ntk/kernel"][:] - kernel[ends]) < 2e-5 * size[ends]).all()
for name in ("alignment/subspace", "alignment/cka", "change/start", "layers/share"):
    assert np.allclose(one[name][:][ends], three[name][:], atol=1e-3), name
if os.path.exists(f"{work}/narrow/ntk.h5"): # factors are rounded, to 2^-9 of themselves
    with h5py.File(f"{work}/narrow/ntk.h5") as f:
        apart = np.abs(f["/ntk/kernel"][0] - kernel[2]).max() / size[2].max()
        assert 1e-4 < apart < 1e-2, apart
        assert np.allclose(f["/alignment/subspace"][0], one["/alignment/subspace"][2],
                           atol=1e-2)
share = one["/layers/share"]
assert np.allclose(share[:].sum(1), 1) and len(share.attrs["names"].split()) == share.shape[1]
assert one["/change/start"][0] == 1 and 0 < one["/change/start"][2] < 1
# the same by hand: shares of subspaces of predicted functions and principal components
p, z = one["/ntk/predicted"][2], one["/ntk/learned"][2]
q = np.linalg.qr(p - p.mean(0))[0]
u = np.linalg.svd(z - z.mean(0), full_matrices=False)[0]
for k in range(1, p.shape[1] + 1):
    share = np.sum((u[:, :k].T @ q[:, :k]) ** 2) / k
    assert abs(share - one["/alignment/subspace"][2, k - 1]) < 1e-9, k
a = one["/alignment"]
assert a["subspace"][2, 1] > 0.6 > 10 * a["chance"][2, 1], a["subspace"][2]
assert (a["in_triple"][:] >= a["subspace"][:] - 1e-12).all()
assert (a["error"][:] >= 0).all() and (a["error"][:] < 1).all()
# a random u is a mean over outputs, but for noise; the further pairs are predicted, too
assert further["/further/subspace"][0, 1] > 0.6, further["/further/subspace"][0]
# features: the kernel of the last layer is that of its inputs, its bias an input of 1
k, z = last["/ntk/kernel"][0], last["/ntk/learned"][0]
w = np.linalg.lstsq(k, z, rcond=1e-6)[0]
assert np.allclose(k @ w, z, atol=1e-3)
assert last["/layers/share"].shape[1] == 1
PYTHON
"$python" "$srcdir/postprocess/plot_ntk.py" "$work/one" > "$work/plot.log" 2>&1 &&
  [ -s "$work/one/ntk.png" ] || { cat "$work/plot.log"; fail "plot_ntk.py"; }

# killed between two states: the same command goes on, to the same bits; with other
# parameters it does not, nor while the first is running, and both leave its file
long="output.dir=$work/torn ntk.at=first,30,last $two ntk.save=0 ntk.bootstrap=20"
"$EIGENSTEP" ntk "$work/run" $long > "$work/log" 2>&1 &
victim=$!
while [ ! -e "$work/torn/unfinished/step_60/rank_0_of_1/latest" ] && kill -0 $victim; do
  sleep 0.05
done
kill -STOP $victim
launch 2 ntk "$work/run" $long > "$work/log" 2>&1 && fail "a second one beside the first"
grep -q "unfinished': a running program writes to it" "$work/log" ||
  { cat "$work/log"; fail "the sentence on a running program"; }
kill -9 $victim
wait $victim 2> "$work/kill.log"
launch 1 ntk "$work/run" $long ntk.memory=1 > "$work/log" 2>&1 && fail "other memory"
ls "$work"/torn/ntk.h5* > "$work/list" 2>&1 || fail "a command that was refused took ntk.h5"
grep -q 'is of other parameters' "$work/log" || { cat "$work/log"; fail "other values"; }
launch 1 ntk "$work/run" $long > "$work/log" 2>&1 || { cat "$work/log"; fail "go on"; }
grep -q 'step 60: going on after' "$work/log" || { cat "$work/log"; fail "began anew"; }
[ ! -e "$work/torn/unfinished" ] || fail "states are left"
"$python" - "$work" << 'PYTHON' || fail "another kernel after a kill"
import sys
import h5py
a, b = (h5py.File(f"{sys.argv[1]}/{name}/ntk.h5") for name in ("one", "torn"))
for name in ("ntk/kernel", "ntk/predicted", "alignment/subspace", "layers/share"):
    assert a[name][:].tobytes() == b[name][:].tobytes(), name
PYTHON

refused() { # refused STATUS WORDS ARGUMENT...: on 2 ranks, with one sentence
  local status=$1 words=$2; shift 2
  launch 2 ntk "$@" > "$work/log" 2>&1
  local got=$?
  [ $got = "$status" ] && grep -q "$words" "$work/log" && [ ! -e "$work/no" ] ||
    { cat "$work/log"; fail "ntk $*: status $got, expected $status and '$words'"; }
}
to=output.dir=$work/no
refused 2 'expected the output folder of train'
refused 1 'is not an Eigenstep run' "$work" $to
refused 2 'expected at least 2 to be learned from' "$work/run" $to ntk.further=23
refused 2 'expected random:N' "$work/run" $to ntk.outputs=random:0
refused 2 "backend 'blas', which has no products" "$work/run" $to ntk.precision=bf16 \
  backend.name=blas
refused 2 'expected ascending steps' "$work/run" $to ntk.at=last,30
refused 1 'no checkpoint of step 31\|step 31' "$work/run" $to ntk.at=31
refused 2 'is not empty' "$work/run" output.dir="$work/run"
if [ -n "$(ls -A ~)" ]; then # the home folder, not one called "~"
  refused 2 'is not empty' "$work/run" 'output.dir=~'
fi
[ ! -e '~' ] || fail "a folder is called ~"
rm -r "$work/run/ckpt"
refused 1 'no complete checkpoint' "$work/run" $to

# data of a file: no more pairs than the run held out, and the same file
images() { # images SEED FILE
  "$python" -c "import h5py, numpy as np
x = np.random.default_rng($1).integers(0, 256, (40, 3, 8, 8), np.uint8)
h5py.File('$2', 'w')['x'] = x"
}
images 1 "$work/x.h5"
images 2 "$work/other.h5"
launch 1 train - encoder.name=mlp encoder.hidden=12 data.name=hdf5 data.path="$work/x.h5" \
  augment.crop.size=8 projector.widths=5 batch.pairs=8 spectrum.probe=16 run.steps=3 \
  optim.lr=1e-3 output.dir="$work/file" > "$work/log" 2>&1 || fail "train on a file"
refused 2 'expected at most 16' "$work/file" $to ntk.pairs=17
refused 2 "expected the checkpoint's" "$work/file" $to data.path="$work/other.h5"
launch 2 ntk "$work/file" ntk.pairs=16 > "$work/log" 2>&1 ||
  { cat "$work/log"; fail "all that was held out"; }

# the same image everywhere: nothing was learned that could be predicted
"$python" -c "import h5py, numpy as np
h5py.File('$work/black.h5', 'w')['x'] = np.zeros((40, 3, 8, 8), np.uint8)"
launch 1 train - encoder.name=linear data.name=hdf5 data.path="$work/black.h5" \
  augment.crop.size=8 projector.widths=5 batch.pairs=8 spectrum.probe=16 run.steps=0 \
  output.dir="$work/black" > "$work/log" 2>&1 || fail "train on one image"
refused 1 'ntk: step 0: got the same embedding for all points' "$work/black" $to

# one output, and no mode learned at all
launch 1 train - $tiny run.steps=0 projector.widths=1 output.dir="$work/run1" \
  > "$work/log" 2>&1 || fail "train with one output"
launch 2 ntk "$work/run1" > "$work/log" 2>&1 || { cat "$work/log"; fail "one output"; }
grep -q 'no mode has a measured time' "$work/log" || fail "no mode was learned"
finish
