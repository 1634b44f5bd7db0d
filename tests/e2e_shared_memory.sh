#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_shared_memory.sh  A node without room for gradients in shared memory (the limit on
# the size of files refuses them; checkpoints fit): each rank holds copies, the log says
# so, and the run is the same to round-off; also where processors differ and LARS sums
# over whole tensors. `check` says what the node needs.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py numpy
cd "$work" || exit 1

# 2.8 million parameters: 11 MB a checkpoint, 22 MB the gradients of two ranks
wide="$tiny encoder.base_width=32 data.size=8 augment.crop.size=8 batch.pairs=16
      spectrum.probe=16 run.steps=10 spectrum.every=5"
limited() { # limited LIMIT ARGUMENT...: on two ranks, one of which has other kernels
  local limit=$1; shift
  timeout 200 $MPIRUN $MPIRUN_FLAGS -n 2 bash -c '
    ulimit -f '"$limit"'
    case ${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-0}} in
      0) export OPENBLAS_CORETYPE=Haswell ;;
      *) export OPENBLAS_CORETYPE=Nehalem ;;
    esac
    exec "$@"' bash "$EIGENSTEP" "$@" > log 2>&1
}
for optim in sgd lars; do
  limited unlimited train - $wide optim.name=$optim output.dir=$optim ||
    { cat log; fail "$optim, shared"; }
  ! grep -q "its own copy" $optim/log.txt || fail "$optim: shared, and the log says copies"
  limited 16384 train - $wide optim.name=$optim output.dir=$optim-copies ||
    { cat log; fail "$optim, copies"; }
  grep -q "shared memory (/dev/shm): got less than" log || fail "$optim: no warning"
  grep -q "each rank holds its own copy" $optim-copies/log.txt || fail "$optim: log.txt"
  "$python" "$srcdir/tests/compare_runs.py" $optim $optim-copies ||
    fail "$optim: copies give another run"
done
# 33 MB of packed weights, larger than any other file
packed="$wide backend.name=onednn data.size=16 augment.crop.size=16"
if "$EIGENSTEP" check - $packed > log 2>&1; then
  limited unlimited train - $packed output.dir=packed || { cat log; fail "packed weights"; }
  ! grep -q 'packed weights' packed/log.txt || fail "packed weights: there was room"
  limited 25000 train - $packed output.dir=packed-copies || { cat log; fail "packed, own"; }
  grep -q 'need for packed weights' packed-copies/log.txt ||
    { cat log; fail "packed weights: no warning"; }
  "$python" "$srcdir/tests/compare_runs.py" --limit 1e-6 packed packed-copies ||
    fail "weights that each rank packs give another run"
  "$EIGENSTEP" check - $packed --ranks 2 > log 2>&1 || { cat log; fail "check of packed"; }
  awk '/packed weights, at most/ { found = $(NF - 1) > 33 && $(NF - 1) < 70 }
       END { exit !found }' log || { cat log; fail "check: packed weights of a node"; }
else
  echo "packed weights SKIPPED: this build lacks onednn"
fi
# 9.7 MB of embeddings and matrices a node; other files are smaller
matrices="$tiny projector.widths=768 spectrum.top=8 optim.lr=1e-5 loss.name=barlow_logdet"
for limit in unlimited 8700; do
  limited $limit train - $matrices output.dir=matrices-$limit ||
    { cat log; fail "matrices, $limit"; }
done
[ "$(grep -c 'need for the matrices of loss or preconditioner' log)" = 2 ] ||
  { cat log; fail "matrices: no warnings of batch and probe"; }
"$python" "$srcdir/tests/compare_runs.py" --limit 1e-6 matrices-unlimited matrices-8700 ||
  fail "copies of the matrices give another run"
# Muon: its checkpoint is larger than the shared memory; deterministic runs hold copies.
limited unlimited train - $wide optim.name=muon output.dir=muon ||
  { cat log; fail "muon, shared"; }
limited unlimited train - $wide optim.name=muon parallel.deterministic=true \
  output.dir=muon-copies || { cat log; fail "muon, copies"; }
"$python" "$srcdir/tests/compare_runs.py" muon muon-copies ||
  fail "muon: copies give another run"
"$EIGENSTEP" check - $wide --ranks 2 > log 2>&1 || { cat log; fail "check"; }
"$EIGENSTEP" check - $wide loss.name=corinfomax projector.widths=512 precondition.eps=0.1 \
  --ranks 2 > matrices || { cat matrices; fail "check of matrices"; }
awk '/embeddings and matrices of the loss/ { found = $(NF - 1) > 17 && $(NF - 1) < 17.5 }
     END { exit !found }' matrices || { cat matrices; fail "check: matrices of a node"; }
! grep -q 'not enough' matrices || { cat matrices; fail "check: no room for 40 MB"; }
"$EIGENSTEP" check - $wide batch.pairs=200000 spectrum.probe=200000 data.count=1000000 \
  --ranks 100000 check.node=100000 check.rate=1 > many 2>&1 ||
  { cat many; fail "check of 100,000 ranks a node"; }
grep -q 'not enough: each rank will hold a copy' many ||
  { cat many; fail "check: room for 100,000 gradients"; }
awk '/parameters, gradients, moments/ { found = $(NF - 1) > 30 && $(NF - 1) < 40 }
     END { exit !found }' log || { cat log; fail "check: shared memory of a node"; }
finish
