#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_cuda.sh  The program on the backend cuda, which computes on the host double
# (tests/cuda_host): ten steps as `blas` has them, on several ranks and in several orders
# of the streams; in bf16; ranks that share a device; MPI that takes device memory; the same
# bits by graphs and by calls, on other ranks and resumed; runs of a sweep on different
# devices. Calls of the CUDA libraries fail one at a time: the program ends with a sentence
# and holds nothing. Streams that do not wait for events are noticed.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py numpy
double=$(dirname "$EIGENSTEP")/tests/cuda_host/eigenstep
[ -x "$double" ] || { echo "SKIP: no C++ compiler was found by configure"; exit 77; }
cd "$work" || exit 1
late=${CUDA_SECONDS:-300} # of a run that takes two on idle cores

on() { # on RANKS ARGUMENT...: the exit code in $got, what was printed in log
  local n=$1; shift
  timeout -k 5 $late $MPIRUN $MPIRUN_FLAGS -n "$n" "$double" "$@" > log 2>&1
  got=$?
}
run() { # run WHAT RANKS ARGUMENT...
  on "${@:2}"
  [ $got -eq 0 ] || { cat log; fail "$1 ended with $got"; }
}

# --- the numbers of blas
run "blas" 1 train - $tiny backend.name=blas output.dir=blas
launched() { # launched RUN: in what CUDA_HOST_FAULT=list printed: more graphs than were made
  awk '/ rank 0: (instance|replay) / { n[$4] = $5 }
    END { exit !(n["instance"] > 2 && n["replay"] > 2 * n["instance"]) }' log ||
    { grep "rank 0" log; fail "$1: graphs are not launched, or made too often"; }
}
for n in 1 2 3; do
  CUDA_HOST_FAULT=list CUDA_HOST_SEED=$n run "$n ranks" $n train - $tiny \
    backend.name=cuda output.dir=cuda$n
  launched "$n ranks"
done
CUDA_HOST_DEVICES=1 run "a shared device" 2 train - $tiny backend.name=cuda \
  backend.share=true augment.device=cpu output.dir=shared
CUDA_HOST_DEVICES=1 CUDA_HOST_MPI=devices run "MPI on device memory" 2 -v train - $tiny \
  backend.name=cuda backend.share=true augment.device=cpu output.dir=aware
grep -q "sums over ranks by MPI from GPU to GPU" log || { cat log; fail "sums not by MPI"; }
"$python" "$srcdir/tests/compare_runs.py" blas cuda1 cuda2 cuda3 shared aware ||
  fail "cuda computes other numbers than blas"

run "bf16" 2 train - $tiny backend.name=cuda backend.precision=bf16 output.dir=bf16
"$python" - <<'PY' || fail "bf16 gives other losses than f32, or the same"
import h5py
import numpy as np
a, b = (h5py.File(f"{d}/trajectory.h5")["/loss/value"][:] for d in ("cuda1", "bf16"))
off = np.abs(b / a - 1).max()
print(f"bf16: losses {off:.1e} (limit 2e-2)")
assert len(a) == len(b) == 10 and 0 < off < 2e-2
PY

# --- graphs: the bits of calls that are made one by one
same() { # same RANKS RUN GRAPHS-TOO: with the same parameters, and without graphs
  on "$1" train - $tiny backend.name=cuda backend.graph=false output.dir="$2-calls" ${3-}
  [ $got -eq 0 ] && # sums by MPI over three ranks have no order: what snapshots hold
    "$python" "$srcdir/tests/compare_bits.py" "$2" "$2-calls" parameters \
      $([ "$1" = 3 ] && echo theory spectrum metrics embedding forecast) ||
    { cat log; fail "$2: graphs give other bits than calls"; }
}
same 1 cuda1
same 2 cuda2
same 3 cuda3
micro="batch.micro=5 backend.precision=bf16 encoder.base_width=4 run.steps=4"
CUDA_HOST_FAULT=list run "graphs of parts" 2 train - $tiny backend.name=cuda \
  backend.graph=true output.dir=micro $micro
launched "graphs of parts"
same 2 micro "$micro"
unequal="batch.pairs=9 batch.micro=2 batch.sync_bn=true encoder.base_width=4 run.steps=4"
run "unequal passes" 2 train - $tiny backend.name=cuda output.dir=unequal $unequal
same 2 unequal "$unequal"

# tests on several ranks take a machine with one device
par_bn=$(dirname "$double")/par_bn # there, where cmocka is
[ ! -x "$par_bn" ] ||
  CUDA_HOST_DEVICES=1 timeout $late $MPIRUN $MPIRUN_FLAGS -n 2 "$par_bn" > log 2>&1 ||
  { cat log; fail "par_bn on two ranks with one device"; }

# --- the same bits
exact="$tiny backend.name=cuda parallel.deterministic=true"
run "whole" 2 train - $exact output.dir=whole
CUDA_HOST_SEED=7 run "half" 1 train - $exact run.steps=4 output.dir=half
run "half, resumed" 4 resume half run.steps=10
"$python" "$srcdir/tests/compare_bits.py" whole half parameters resumes ||
  fail "resumed on 4 ranks: other bits"

# --- runs of a sweep take different devices of a node
printf '[sweep]\nbase = cuda1/run.ini\ncommand = train\nseeds = 1:4\nranks = 1\n' > gpus.ini
CUDA_HOST_FAULT=list CUDA_HOST_DEVICES=2 run "a sweep" 2 sweep gpus.ini run.steps=2 \
  output.dir=gpus
for gpu in 0 1; do
  grep -q "cuda_host: GPU $gpu of rank $gpu" log || { cat log; fail "not on GPU $gpu"; }
done

# --- what is refused
refused() { # refused CODE WORDS: the last run
  [ $got -eq $1 ] && [ "$(grep -c 'eigenstep: error: ' log)" = 1 ] && grep -q "$2" log ||
    { cat log; fail "exit $got, expected $1 and one sentence with '$2'"; }
}
short="$tiny encoder.base_width=4 run.steps=2 backend.name=cuda output.dir=out"
CUDA_HOST_DEVICES=0 on 2 train - $short
refused 1 "no GPU"
CUDA_HOST_DEVICES=1 on 2 train - $short
refused 2 "backend.share"
CUDA_HOST_KERNELS=none on 2 train - $short
refused 1 "configure --with-gpu-arch=90"

CUDA_HOST_DEVICES=1 on 2 train - $short backend.share=true backend.graph=true
refused 2 "backend.graph: got true, but the host takes part in sums over ranks"
on 2 train - $short backend.graph=true parallel.deterministic=true
refused 2 "backend.graph: got true with parallel.deterministic, expected auto"
on 2 train - $short backend.graph=true backend.name=blas
refused 2 "backend.graph: got true with backend.name = blas, .*; expected auto"

on 2 train - $short augment.list=flip,crop augment.device=device
refused 2 "augment.device: got device, but augment.list .*; use auto"
on 2 train - $short backend.name=blas augment.device=device
refused 2 "augment.device: got device, but .*; use auto"

# --- an algorithm that fails when it is timed, on whichever rank, loses, the run goes on
for rank in 0 1; do
  CUDA_HOST_FAULT=convolution:$rank:3 run "timing" 2 train - $short backend.tune=true \
    backend.plans=
  grep -q "^fault: " log &&
    grep -q "is left out, as it failed when it was timed: .*: cuDNN: ." log ||
    { cat log; fail "a convolution that fails when rank $rank times it is not left out"; }
  rm -rf out
done

# --- calls that fail
CUDA_HOST_FAULT=list run "short" 2 train - $short
grep "^cuda_host: rank " log | sed 's/^cuda_host: rank //' > calls
[ "$(awk '$3 > 0' calls | wc -l)" = 34 ] || { cat calls; fail "some calls are not made"; }
try() { # try NAME RANK CALL
  rm -rf out
  CUDA_HOST_FAULT=$1:$2:$3 on 2 train - $short
  case $got in
    0) fail "$1 $3 on rank $2: unnoticed" ;;
    124 | 137) fail "$1 $3 on rank $2: hangs" ;;
  esac
  grep -q "^fault: " log && [ "$(grep -c "eigenstep: error: " log)" = 1 ] &&
    ! grep -qE "cuda_host: |were not freed|signal (4|6|7|8|11)|Sanitizer" log ||
    { cat log; fail "$1 $3 on rank $2: exit $got"; }
}
while read -r rank name count; do # one in the middle of rank 0, the last one of rank 1
  rank=${rank%:}
  try "$name" "$rank" $((rank == 0 ? count / 2 + 1 : count))
done < calls
for kind in capture instance replay; do
  try $kind -1 2
  grep -q "backend.graph=false makes the calls one by one" log ||
    { cat log; fail "$kind: the sentence does not say what to do"; }
done
for call in 5 $(awk '$1 == "0:" && $2 == "async" { print $3 }' calls); do # the last: in a graph
  try async -1 $call # NCCL fails on all ranks: none is ended by another
  ! grep -q "aborting all ranks" log ||
    { cat log; fail "NCCL fails on all ranks in sum $call: an abort"; }
done

# --- an event that is missing: sums do not wait for gradients, the update not for sums
missing() { # missing STREAM PROGRAM: with one of a few orders, training goes wrong
  local seed
  for seed in $(seq 6); do
    CUDA_HOST_FORGET=$1 CUDA_HOST_SEED=$seed timeout -k 5 $late $MPIRUN $MPIRUN_FLAGS -n 2 \
      "$(dirname "$double")/$2" > log 2>&1 || { grep -q "FAILED" log && return; }
  done
  fail "$2: nobody notices that stream $1 waits for no event"
}
if [ -x "$(dirname "$double")/par_train" ]; then
  missing 2 par_train # of the calls
  missing 3 par_train # of the sums
  missing 3 plain_par_train
  CUDA_HOST_MPI=devices missing 3 plain_par_train
fi
finish
