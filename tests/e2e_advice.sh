#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_advice.sh  What a run says before its first step about a learning rate, a length or a
# probe that cannot show the staircase; optim.lr = auto, stored for a resumed run.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py
set="encoder.name=linear encoder.hidden=none data.size=8 data.count=400
     augment.crop.size=8 projector.widths=4 batch.pairs=64 loss.barlow.center=true
     spectrum.every=10 spectrum.probe=128 init.scale_last=0.01 backend.name=blas"

train() { # train FOLDER [key=value ...]: what it printed, in $work/log
  local dir=$1; shift
  launch 2 train - $set output.dir="$work/$dir" "$@" > "$work/log" 2>&1 ||
    { fail "$dir ended with $?"; cat "$work/log"; }
}
says() { grep -qE "$1" "$work/log" || { fail "not said: $1"; cat "$work/log"; }; }
silent() { ! grep -qE "$1" "$work/log" || { fail "said: $1"; cat "$work/log"; }; }
of_ini() { sed -n '/^\[optim\]/,/^\[/s/^lr = //p' "$work/$1/run.ini"; }

# auto: a number that the next run and a resumed one repeat
train auto optim.lr=auto run.steps=20
says 'optim.lr = auto: [0-9.e-]+, a quarter of the largest stable learning rate'
lr=$(of_ini auto)
grep -qE '^[0-9.]+(e-[0-9]+)?$' <<< "$lr" || fail "run.ini holds lr = '$lr'"
silent 'above .* the largest stable learning rate'
launch 1 resume "$work/auto" run.steps=40 > "$work/log" 2>&1 || fail "resume of auto"
[ "$(of_ini auto)" = "$lr" ] || fail "resume: lr = $(of_ini auto) instead of $lr"
train twice optim.lr="$lr" run.steps=20
train half optim.lr=auto optim.momentum=0.5 run.steps=0
awk -v a="$lr" -v b="$(of_ini half)" 'BEGIN { exit !(b / a > 0.49 && b / a < 0.51) }' ||
  fail "auto with momentum 0.5: $(of_ini half), without $lr" # (1 - mu)(1 + mu)/(1 + mu)

# the preset: its defaults, but for what is given; a resumed run keeps them
launch 1 train - encoder.name=linear encoder.hidden=none data.size=8 data.count=400 \
  augment.crop.size=8 projector.widths=4 batch.pairs=64 spectrum.probe=128 \
  backend.name=blas run.preset=theory init.scale_last=0.02 run.steps=4 \
  output.dir="$work/preset" > "$work/log" 2>&1 || { fail "the preset"; cat "$work/log"; }
says 'optim.lr = auto: '
for line in 'preset = theory' 'scale_last = 0.02' 'bias = false' 'center = true' \
            'every = 0:2:100, 105:5:99999999' 'zero_init_residual = true'; do
  grep -qxF "$line" "$work/preset/run.ini" || fail "the preset: no '$line'"
done
launch 2 resume "$work/preset" run.steps=6 > "$work/log" 2>&1 || fail "resume of a preset"

# a loss of which the growth rate alone is known; one without any
for loss in vicreg lejepa isoloss directpred barlow_logdet; do
  train growth-$loss loss.name=$loss run.preset=theory run.steps=1
  says "optim.lr = auto: [0-9.e-]+, with which the first mode's amplitude grows by a quarter"
done
train usual loss.name=wmse run.preset=theory run.steps=1
says 'no learning rate is known with loss.name = wmse .*, and optim.lr = 0.001 is taken'

# too fast, too short, too few pairs
train fast optim.lr="$(awk -v a="$lr" 'BEGIN { print 4.2 * a }')" run.steps=1
says "warning: optim.lr = .* is above .*; take optim.lr=$lr, as optim.lr=auto does"
says 'warning: no transition is predicted within run.steps = 1: .*take run.steps=[0-9]+'
more=$(sed -n 's/.*take run.steps=\([0-9]*\).*/\1/p' "$work/log")
train long optim.lr="$(awk -v a="$lr" 'BEGIN { print 4.2 * a }')" run.steps="$more" \
  run.skip_max=1000
says "predicted transitions within run.steps = $more: [1-4] of 4, the first at step"
train few optim.lr="$lr" run.steps=1 spectrum.probe=4
says 'warning: spectrum.probe = 4 is too small for the start: eigenvalue [12] of C'
train enough optim.lr="$lr" run.steps=1 spectrum.probe=256
silent 'too small for the start'
train rates loss.name=vicreg optim.lr=1e-3 run.steps=1 # only rates are known: no noise
silent 'too small for the start'

# where nothing is known it says so and writes nothing
launch 1 train - $set optim.lr=auto projector.widths=8,4 output.dir="$work/deep" \
  > "$work/log" 2>&1 && fail "auto with two layers was accepted"
says 'optim.lr: got auto, .* the projector has more than one layer; expected a number'
launch 1 train - $set optim.lr=auto loss.name=wmse output.dir="$work/other" \
  > "$work/log" 2>&1 && fail "auto with wmse was accepted"
says 'optim.lr: got auto, .* neither a growth matrix nor a solved flow; expected a number'
[ ! -e "$work/deep" ] && [ ! -e "$work/other" ] || fail "a refused run left a folder"

# a network for images on vectors; a probe of views that are all the same
launch 1 check - data.name=gaussian data.dim=12 encoder.name=resnet18 \
  encoder.base_width=8 > "$work/log" 2>&1 || fail "a ResNet on vectors"
says 'encoder.name = resnet18: .*padding.*vectors go with encoder.name=mlp'
"$python" -c "import h5py, numpy, sys
h5py.File(sys.argv[1], 'w')['x'] = numpy.zeros((80, 3, 8, 8), 'u1')" "$work/black.h5"
launch 1 train - $tiny data.name=hdf5 data.path="$work/black.h5" run.steps=1 \
  output.dir="$work/black" > "$work/log" 2>&1 || fail "black images"
says 'the features of all [0-9]* pairs of the probe are equal'

# the solved models
small="data.size=8 data.count=200 augment.crop.size=8"
launch 1 linear - $small linear.sample=100 linear.steps=2 output.dir="$work/l" \
  > "$work/log" 2>&1 || fail "linear"
says 'no transition is predicted within the run.*take linear.steps=[0-9]+ or more'
more=$(sed -n 's/.*take linear.steps=\([0-9]*\).*/\1/p' "$work/log")
launch 1 linear - $small linear.sample=100 linear.steps="$more" output.dir="$work/m" \
  > "$work/log" 2>&1 || fail "linear, longer"
says 'predicted transitions within the run: [1-9]'
launch 1 kernel - $small kernel.sample=50 kernel.held_out=10 kernel.steps=2 kernel.lr=9 \
  output.dir="$work/k" > "$work/log" 2>&1
says 'kernel.lr = 9 is above the stability limit .*take kernel.lr='

# keys of another command, and the two keys that add up
launch 1 kernel - $small kernel.sample=20 kernel.held_out=4 kernel.steps=2 linear.dim=3 \
  output.dir="$work/u" > "$work/log" 2>&1 || fail "kernel with a key of linear"
says 'warning: linear.dim has no effect here: nothing in this command reads it'
launch 1 check - $tiny encoder.hidden=3 sched.final=0.1 data.decay=2 data.path= data.dim=50 \
  backend.name=blas backend.tf32=true backend.graph=false backend.threads=2 \
  > "$work/log" 2>&1 || fail "check with keys that are not read"
says 'encoder.hidden has no effect with encoder.name = resnet18; .*mlp or linear'
says 'sched.final has no effect with sched.name = constant; .* cosine'
says 'data.decay has no effect with data.name = deadleaves; .* gaussian'
says 'backend.tf32 has no effect with backend.name = blas; it is for backend.name = cuda'
says 'backend.graph has no effect with backend.name = blas'
grep -q 'backend.threads' "$work/log" && fail "a key that all backends read"
grep -q 'data.\(path\|dim\|count\)' "$work/log" && fail "keys that are read, or are defaults"
printf '[kernel]\nsample = 20\nheld_out = 4\nsteps = 2\n[linear]\ndim = 3\n' > "$work/in.ini"
launch 1 kernel "$work/in.ini" $small output.dir="$work/w" > "$work/log" 2>&1
says '1 parameter of the file has no effect here: see unused.txt'
"$python" -c "import h5py, sys
h5py.File(sys.argv[1], 'w')['x'] = [[1.0, 2.0]] * 9" "$work/nine.h5"
launch 1 kernel - data.name=hdf5 data.path="$work/nine.h5" augment.list=none \
  kernel.sample=8 kernel.held_out=2 output.dir="$work/n" > "$work/log" 2>&1
says 'kernel.sample . kernel.held_out: got 10 pairs in all, expected at most the 9 records'
finish
