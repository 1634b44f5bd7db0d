#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_determ.sh  parallel.deterministic: the same run on 1, 2 and 4 ranks, three losses:
# every byte of series, spectra, checkpoint and exported network the same. Ranks and
# batches that cannot be cut so are refused in one sentence. batch.micro: the loss of a
# network without batch norm does not change.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py numpy
cd "$work" || exit 1
# Open MPI's usual sum over 4 ranks happens to follow the tree; its ring does not.
OMPI_MCA_coll_tuned_use_dynamic_rules=1 OMPI_MCA_coll_tuned_allreduce_algorithm=4
export OMPI_MCA_coll_tuned_use_dynamic_rules OMPI_MCA_coll_tuned_allreduce_algorithm
case $EIGENSTEP in /*) ;; *) fail "EIGENSTEP must be an absolute path" ;; esac

for loss in barlow vicreg simclr; do
  for n in 1 2 4; do # each in a folder of its own: the output's name is the same in all
    mkdir -p "$loss$n" && cd "$loss$n" || exit 1
    launch $n train - $tiny loss.name=$loss run.steps=4 optim.momentum=0.9 \
      parallel.deterministic=true output.dir=out > log 2>&1 ||
      { rc=$?; cat log; fail "$loss on $n ranks ended with $rc"; }
    launch 1 export out net.safetensors > log 2>&1 || { cat log; fail "export"; }
    cd ..
  done
  for n in 2 4; do
    cmp ${loss}1/net.safetensors $loss$n/net.safetensors || fail "$loss: $n ranks export others"
    "$python" "$srcdir/tests/compare_bits.py" ${loss}1/out $loss$n/out ||
      fail "$loss: $n ranks give other bits"
  done
done
# the comparison would notice: without deterministic mode the bits do differ
mkdir -p plain && cd plain || exit 1
launch 2 train - $tiny loss.name=barlow run.steps=4 optim.momentum=0.9 output.dir=out \
  > log 2>&1 || { cat log; fail "run without deterministic mode"; }
cd ..
! "$python" "$srcdir/tests/compare_bits.py" barlow1/out plain/out > log 2>&1 ||
  fail "compare_bits.py finds no difference where there is one"

refuse() { # refuse RANKS SENTENCE ARGUMENT...
  local n=$1 sentence=$2; shift 2
  launch $n train - $tiny parallel.deterministic=true output.dir=refused "$@" > log 2>&1 &&
    fail "$*: accepted"
  grep -q "$sentence" log || { cat log; fail "$*: expected '$sentence'"; }
  [ "$(grep -c 'error:' log)" = 1 ] || { cat log; fail "$*: more than one sentence"; }
  [ ! -e refused ] || fail "$*: wrote a folder"
}
refuse 3 "got 3 ranks, expected a power of two"
refuse 4 "got 4 ranks, expected a power of two of at most parallel.shards = 2" parallel.shards=2
refuse 1 "parallel.shards: got 6, expected a power of two" parallel.shards=6
refuse 2 "batch.pairs: got 20 with parallel.deterministic" batch.pairs=20
refuse 2 "spectrum.probe: got 20 with parallel.deterministic" spectrum.probe=20
refuse 2 "batch.sync_bn: got false" batch.sync_bn=false
refuse 2 "accuracy.list: got 'knn'" accuracy.list=knn
refuse 2 "batch.micro: got 4" batch.micro=4

mlp="encoder.name=mlp encoder.hidden=32 projector.batchnorm=false"
for micro in 0 5; do
  launch 2 train - $tiny $mlp batch.micro=$micro output.dir=micro$micro > log 2>&1 ||
    { rc=$?; cat log; fail "batch.micro=$micro ended with $rc"; }
done
"$python" "$srcdir/tests/compare_runs.py" micro0 micro5 || fail "batch.micro changes the run"
memory() { "$EIGENSTEP" check - $tiny "$@" | awk '/^ *activations/ { print $2 }'; }
awk -v all="$(memory)" -v part="$(memory batch.micro=3)" \
  'BEGIN { exit !(part > 0 && part < 0.15 * all) }' ||
  fail "check: activations of 3 of 24 pairs, $(memory batch.micro=3) of $(memory) MB"
finish
