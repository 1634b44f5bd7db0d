#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_degenerate.sh  Settings that would run and mean nothing: batch normalisation of one
# value, signs instead of directions, no learning rate, windows without a pixel, fewer
# modes than outputs, an off-diagonal weight above 1, views that are opposites. Each is
# refused in a sentence, or done right.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py numpy
cd "$work" || exit 1

small="$tiny encoder.base_width=4 data.size=8 augment.crop.size=8 projector.widths=4
       batch.pairs=6 spectrum.probe=6 run.steps=2 spectrum.every=2"
refuse() { # refuse RANKS SENTENCE ARGUMENT...
  local ranks=$1 sentence=$2; shift 2
  launch "$ranks" "$@" output.dir=refused > log 2>&1 && fail "$*: accepted"
  grep -q "$sentence" log || { cat log; fail "$*: expected '$sentence'"; }
  [ "$(grep -c 'error:' log)" = 1 ] || { cat log; fail "$*: more than one sentence"; }
  [ ! -e refused ] || fail "$*: wrote a folder"
}
accept() { # accept RANKS NAME ARGUMENT...
  local ranks=$1 name=$2; shift 2
  launch "$ranks" "$@" output.dir="$name" > "$name.txt" 2>&1 ||
    { cat "$name.txt"; fail "$name: refused"; }
}
one="sees one value a channel"
# maps of one pixel at the end of a ResNet of 8 x 8 images: a pass of one pair
refuse 1 "batch.pairs: got 6 .*$one" train - $small batch.micro=1
refuse 1 "batch.pairs: got 6 .*$one" train - $small batch.micro=5
refuse 2 "batch.pairs: got 3 .*$one" train - $small batch.pairs=3 batch.sync_bn=false
refuse 2 "spectrum.probe: got 5 .*$one" train - $small spectrum.probe=5 batch.micro=2
accept 2 synchronised train - $small batch.pairs=3 loss.name=spectral
accept 1 joint train - $small batch.micro=1 batch.bn_views=joint
accept 1 thirds train - $small batch.micro=2
for loss in simclr corinfomax wmse; do
  refuse 1 "are signs" train - $small projector.widths=1 loss.name=$loss
done
refuse 1 "backend.threads: got 2000, expected at most 1024" train - $small \
  backend.threads=2000 backend.name=onednn
# address space that the BLAS library cannot get: a sentence, not a loop without an end
for limit in 300000 480000 530000; do
  (ulimit -v $limit; exec timeout -k 5 60 "$EIGENSTEP" train - $small output.dir=short$limit) \
    > log 2>&1
  [ $? -lt 124 ] || { cat log; fail "ulimit -v $limit: did not end"; }
done
accept 1 at_rest train - $small optim.lr=0
grep -q "optim.lr: got 0" at_rest.txt || fail "lr 0: no warning"
accept 1 narrow views - data.size=32 augment.crop.size=8 augment.crop.ratio="0.01, 0.01" \
  augment.list=crop views.count=8 views.file=narrow.h5

gaussian="linear - data.name=gaussian data.dim=5 linear.sample=20 linear.dim=10"
accept 1 few_modes $gaussian loss.name=vicreg
accept 2 heavy linear - data.name=gaussian data.dim=12 linear.sample=200 linear.dim=4 \
  linear.offdiag=10 linear.alpha=1e-4
grep -q "offdiag = 10, above 1" heavy.txt || fail "offdiag = 10: no warning"
"$python" - <<'END' || fail "values"
import h5py
import numpy as np
with h5py.File("narrow.h5") as f:  # a window of one column is no black view
    for v in (f["view1"][:], f["view2"][:]):
        assert (v.reshape(len(v), -1).std(1) > 0).any()
with h5py.File("heavy/trajectory.h5") as f:  # it settles: the default rate knows w
    assert abs(f["/spectrum/cross_correlation/eigenvalues"][-1] - 1).max() < 0.02
    assert f["/loss/value"][-1] < 1e-2
x = np.random.default_rng(0).standard_normal((30, 6)).astype("f4")
with h5py.File("opposite.h5", "w") as f:
    f["x"], f["x_prime"] = x, -x
END
accept 1 opposite linear - data.name=hdf5 data.path=opposite.h5 linear.dim=3 \
  linear.sample=30 linear.alpha=1e-3
grep -q "only 0 of 3 modes can grow" opposite.txt || fail "opposite views: no warning"
finish
