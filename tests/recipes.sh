#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# recipes.sh  The public recipes and the staircases of inputs/ make a few steps with a
# narrow network on generated images, and use every key they give; check says what wide
# projectors take.
set -u
. "$srcdir/tests/e2e.sh"
generated="data.name=deadleaves data.path= data.split= data.count=4096"
# memory of a wide projector: its matrices, with gradients and momentum, and the loss
launch 1 check "$srcdir/inputs/imagenet-barlow/run.ini" $generated --ranks 64 check.node=1 \
  > "$work/log" 2>&1
mb() { awk -v what="$1" 'index($0, what) { print int($(NF - 1)); exit }' "$work/log"; }
[ "$(mb 'moments')" -ge 600 ] || fail "momentum of 8192 x 3: $(mb moments) MB"
[ "$(mb 'embeddings and loss')" -ge 2147 ] || fail "C of 8192: $(mb 'and loss') MB"

narrow="$generated data.size=16 data.count=64 augment.crop.size=16 encoder.name=resnet18
        encoder.base_width=4 batch.pairs=12 run.steps=3 spectrum.probe=12 spectrum.top=0
        spectrum.solver=auto backend.tune=false"
for run in imagenet-{barlow,vicreg,simclr} {cifar10,stl10}-{barlow,vicreg,simclr} \
           resnet50-{cifar10,stl10}{,-vicreg,-simclr}; do
  launch 2 train "$srcdir/inputs/$run/run.ini" $narrow projector.widths=24,16 \
    backend.precision=f32 output.dir="$work/$run" > "$work/log" 2>&1 ||
    { cat "$work/log"; fail "three steps of $run"; }
  [ -s "$work/$run/unused.txt" ] && grep -v '^#' "$work/$run/unused.txt" |
    grep . && fail "$run gives keys that nothing reads"
done
finish
