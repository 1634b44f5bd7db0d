#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_cuda_plans.sh  Backend cuda, on the host double, times its ways to compute a
# convolution once and keeps its choices in backend.plans: a run that finds all of them
# there computes the same bits again. A choice that is made up is timed again. An event that
# cannot be recorded while timing ends all ranks with one sentence. Products by cuBLASLt, with
# a bias, are those of `blas`.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py numpy
double=$(dirname "$EIGENSTEP")/tests/cuda_host/eigenstep
[ -x "$double" ] || { echo "SKIP: no C++ compiler was found by configure"; exit 77; }
EIGENSTEP=$double
cd "$work" || exit 1

run() { # run DIR ARGUMENT...: in a folder of its own, as the output's name is in the files
  mkdir -p "$1" && cd "$1" || exit 1
  shift
  CUDA_HOST_DEVICES=2 launch 2 train - $tiny backend.name=cuda backend.tune=true \
    run.steps=2 output.dir=out "$@" > log 2>&1
  got=$?
  cd ..
}
runs() { run "$@"; [ $got -eq 0 ] || { cat "$1/log"; fail "$*: ended with $got"; }; }
timed() { grep -q 'timed [0-9]* passes of convolutions' "$1/log"; }

plans=$work/new/plans.tsv
runs first backend.plans="$plans"
timed first || { cat first/log; fail "nothing was timed"; }
awk -F '\t' 'NF != 5 || $5 !~ /^(own|(cudnn|lt)[0-3])$/ { bad = 1 } END { exit bad || NR < 10 }' \
  "$plans" || { cat "$plans"; fail "expected machine, library, key, images, own, cudnnN or ltN"; }
cp "$plans" kept
for again in second third; do
  runs $again backend.plans="$plans"
  timed $again && fail "$again: what the file has was timed again"
done
cmp kept "$plans" || fail "a run that timed nothing changed the file"
"$python" "$srcdir/tests/compare_bits.py" second/out third/out ||
  fail "the same choices give other bits"

cp kept older.tsv
CUDA_HOST_CUBLASLT=130001 runs newer backend.plans="$work/older.tsv"
timed newer || fail "what another version of cuBLASLt was timed for was taken"

sed 's/[a-z0-9]*$/cudnn9/' kept > spoilt
runs wrong backend.plans="$work/spoilt"
grep -q "warning: .*spoilt: not used" wrong/log || { cat wrong/log; fail "no warning"; }
timed wrong || fail "without a file that can be used nothing was timed"

CUDA_HOST_FAULT=event:1:75 run failing backend.plans=none
[ $got -eq 1 ] && [ "$(grep -c 'eigenstep: error: ' failing/log)" = 1 ] &&
  grep -qE 'eigenstep: error: .*(timing|event)' failing/log ||
  { cat failing/log; fail "an event that fails: exit $got"; }
# --- products with a bias, by each algorithm of cuBLASLt that the double has
tiny="encoder.name=mlp encoder.hidden=101,259 projector.widths=259,101
      projector.batchnorm=false projector.bias=true data.size=16 data.count=64
      augment.crop.size=16 batch.pairs=24 run.log_every=5 spectrum.every=5 spectrum.probe=24
      optim.lr=3e-3 loss.barlow.center=true"
EIGENSTEP=$double launch 1 train - $tiny backend.name=blas run.steps=10 output.dir=blas \
  > log 2>&1 || { cat log; fail "blas"; }
runs products backend.plans="$work/products.tsv"
for k in 0 1; do
  sed "s/[a-z0-9]*$/lt$k/" products.tsv > lt$k.tsv
  runs lt$k backend.plans="$work/lt$k.tsv" run.steps=10
  timed lt$k && fail "lt$k: what the file has was timed again"
done
"$python" "$srcdir/tests/compare_runs.py" blas lt0/out lt1/out ||
  fail "cuBLASLt computes other numbers than blas"
"$python" "$srcdir/tests/compare_bits.py" lt0/out lt1/out > log &&
  fail "two algorithms of cuBLASLt give the same bits: is one of them used?"
CUDA_HOST_FAULT=product:1:7 run broken backend.plans="$work/lt0.tsv"
[ $got -eq 1 ] && [ "$(grep -c 'eigenstep: error: ' broken/log)" = 1 ] &&
  grep -q 'eigenstep: error: .*cuBLASLt' broken/log ||
  { cat broken/log; fail "a product of cuBLASLt that fails: exit $got"; }
finish
