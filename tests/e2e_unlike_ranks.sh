#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_unlike_ranks.sh  Ranks on unlike processors: OpenBLAS takes other kernels on rank 1
# than on rank 0, so that the last bits of its results differ. Every loss, preconditioned
# where it has a matrix, LARS, the linear classifier, the iterative eigensolver and the
# solved models run to their end, and the checkpoint finds the same state on both ranks.
set -u
. "$srcdir/tests/e2e.sh"
cd "$work" || exit 1

unlike() { # unlike PROGRAM ARGUMENT...: on two ranks
  timeout 120 $MPIRUN $MPIRUN_FLAGS -n 2 sh -c '
    case ${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-0}} in
      0) OPENBLAS_CORETYPE=Haswell ;;
      *) OPENBLAS_CORETYPE=Nehalem ;;
    esac
    export OPENBLAS_CORETYPE
    exec "$@"' sh "$@" > log 2>&1
}

small="$tiny data.size=8 augment.crop.size=8 projector.widths=6 spectrum.probe=16
       batch.pairs=16 run.steps=3 spectrum.every=3 backend.name=blas"
for loss in "barlow precondition.eps=0.1" "barlow_logdet" "vicreg precondition.eps=0.1" \
            "spectral precondition.eps=0.1" "corinfomax precondition.eps=1" \
            "corinfomax" "wmse" "simclr optim.name=lars" "barlow optim.name=muon" \
            "lejepa" "directpred" "isoloss optim.name=muon"; do
  out=$(echo "$loss" | tr ' =.' '___')
  unlike "$EIGENSTEP" train - $small loss.name=$loss output.dir="$out" ||
    { rc=$?; cat log; fail "$loss ended with $rc"; }
  [ "$(cat "$out/STATUS" 2>/dev/null)" = DONE ] || fail "$loss: STATUS is not DONE"
done
# each rank evaluates the whole loss: what it decides by is rank 0's
for loss in corinfomax wmse barlow_logdet "barlow precondition.eps=0.1" directpred isoloss; do
  out=replicated_${loss%% *}
  unlike "$EIGENSTEP" train - $small loss.name=$loss parallel.deterministic=true \
    parallel.shards=2 output.dir="$out" || { rc=$?; cat log; fail "$out ended with $rc"; }
  [ "$(cat "$out/STATUS" 2> /dev/null)" = DONE ] || fail "$out: STATUS is not DONE"
done
unlike "$EIGENSTEP" linear - data.name=gaussian data.dim=40 linear.dim=4 linear.sample=300 \
  linear.method=direct linear.alpha=1e-3 output.dir=direct || { cat log; fail "linear"; }
unlike "$EIGENSTEP" linear - data.name=gaussian data.dim=1100 linear.dim=4 linear.sample=1200 \
  linear.modes=8 linear.solver=subspace linear.method=flow linear.alpha=1e-3 \
  output.dir=flow || { cat log; fail "linear.solver=subspace"; }
unlike "$EIGENSTEP" linear - data.name=gaussian data.dim=40 linear.dim=4 linear.sample=300 \
  linear.method=muon linear.alpha=1e-3 output.dir=muon || { cat log; fail "muon"; }
unlike "$EIGENSTEP" kernel - data.name=gaussian data.dim=6 kernel.dim=3 kernel.sample=40 \
  kernel.method=direct kernel.alpha=1e-2 kernel.held_out=8 output.dir=kernel ||
  { cat log; fail "kernel"; }
# the linear classifier and others, against one rank
for t in par_accuracy par_loss par_optim; do
  test=$(dirname "$EIGENSTEP")/tests/$t
  [ ! -x "$test" ] || unlike "$test" || { cat log; fail "$t"; }
done
finish
