#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_gpu_proof.sh  jobs/gpu-proof.sh where there is no GPU: without a device one sentence;
# on the CPU its parts pass, one that fails is reported and counted and the next ones begin,
# and one that takes too long is ended.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py torch torchvision
cd "$work" || exit 99
proof() { # proof PARTS [VARIABLE=VALUE ...]
  env PARTS="$1" EIGENSTEP="$EIGENSTEP" CHECKS="$(dirname "$EIGENSTEP")/tests" BACKEND=blas \
    REFERENCE=blas PYTHON="$python" PRECISION=f32 WARMUP=0 REPEATS=1 PEER_SECONDS=0 \
    CASES=32:2 COMPILED= THEORY="encoder.name=resnet18 encoder.base_width=4 run.steps=1" \
    "${@:2}" bash "$srcdir/jobs/gpu-proof.sh" report > log 2>&1
  got=$?
}
expect() { # expect CODE REGEX...: each on a line of what was printed
  local code=$1 regex; shift
  [ $got -eq "$code" ] || { cat log report; fail "exit $got, expected $code"; }
  for regex in "$@"; do grep -qE -- "$regex" log || { cat log report; fail "no '$regex'"; }; done
}

double=$(dirname "$EIGENSTEP")/tests/cuda_host/eigenstep
if [ -x "$double" ]; then
  proof "" BACKEND=cuda EIGENSTEP="$double" CUDA_HOST_DEVICES=0
  expect 77 '^gpu-proof: backend cuda: no GPU can be used'
  [ "$(wc -l < log)" = 1 ] || fail "more than a sentence: $(cat log)"
fi
proof facts,start,speed
expect 0 '^-- facts: passed' '^-- start: passed' \
  '^size:pairs 32:2: eigenstep [0-9.]+ img/s, PyTorch [0-9.]+, ratio [0-9.]+$' '^.* 0 parts failed'
grep -q 'losses 0.0e+00' report || fail "nothing was compared: $(cat report)"
# the test programs are missing, the comparison cannot be made; there is no time
proof operations,start,facts CHECKS=/nowhere PYTHON=false
expect 1 '^-- operations: FAILED' '^-- start: FAILED' '^-- facts: passed' ' 2 parts failed'
begun=$SECONDS
proof theory SECONDS_ALL=9 THEORY=run.steps=9999
expect 1 '^-- theory: FAILED with 143'
[ $((SECONDS - begun)) -lt 60 ] || fail "ended after $((SECONDS - begun)) s"
finish
