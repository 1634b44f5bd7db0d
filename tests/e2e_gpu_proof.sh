#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_gpu_proof.sh  jobs/gpu-proof.sh where there is no GPU. Without a device, and where the
# backend does not open, one sentence; its parts pass on the CPU, one that fails or takes
# too long is told and counted and the next ones begin. A stand-in for compute-sanitizer runs
# the program. With GPU_PROOF=all (make check-long) also the parts that take longer: theory
# and speed, and operations on the host double.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py
cd "$work" || exit 99
tests=$(dirname "$EIGENSTEP")/tests
double=$tests/cuda_host/eigenstep
one_mode="encoder.name=resnet18 encoder.base_width=4 run.steps=60 optim.lr=0.03
  batch.pairs=16 spectrum.probe=64 data.limit=512" # is learned
proof() { # proof PARTS [VARIABLE=VALUE ...]
  env PARTS="$1" EIGENSTEP="$EIGENSTEP" CHECKS="$tests" BACKEND=blas \
    REFERENCE=blas PYTHON="$python" PRECISION=f32 WARMUP=0 REPEATS=1 PEER_SECONDS=0 \
    CASES=32:2 COMPILED= THEORY="$one_mode" \
    "${@:2}" bash "$srcdir/jobs/gpu-proof.sh" report > log 2>&1
  got=$?
}
expect() { # expect CODE REGEX...: each on a line of what was printed
  local code=$1 regex; shift
  [ $got -eq "$code" ] || { cat log report; fail "exit $got, expected $code"; }
  for regex in "$@"; do grep -qE -- "$regex" log || { cat log report; fail "no '$regex'"; }; done
}
sentence() { [ "$(wc -l < log)" = 1 ] || fail "more than a sentence: $(cat log)"; }
script() { cat > "$1"; chmod +x "$1"; } # script FILE < TEXT

# --- no device, no backend
on_double=
if [ -x "$double" ]; then
  on_double="BACKEND=cuda EIGENSTEP=$double CHECKS=$tests/cuda_host"
  proof "" $on_double CUDA_HOST_DEVICES=0
  expect 77 '^gpu-proof: backend cuda: no GPU can be used'
  sentence
  proof "" $on_double CUDA_HOST_KERNELS=none
  expect 1 '^gpu-proof: .*configure --with-gpu-arch=90'
  sentence
fi
proof "" BACKEND=opencl
expect 1 "^gpu-proof: unknown backend 'opencl'"
sentence
if ! grep -q 'known: .*cuda' log; then
  proof "" BACKEND=cuda
  expect 1 "^gpu-proof: backend 'cuda' is not in this build"
  sentence
fi

# --- parts that pass, fail, take too long
proof facts,start
expect 0 '^-- facts: passed' '^-- start: passed' ' 0 parts failed, 0 not finished'
[ "$(grep -c 'losses 0.0e+00' report)" = 2 ] || fail "nothing was compared: $(cat report)"
# the test programs are missing, the comparison cannot be made
proof operations,start,facts CHECKS=/nowhere PYTHON=false
expect 1 '^-- operations: FAILED' '^-- start: FAILED' '^-- facts: passed' ' 2 parts failed'

mkdir bin
script bin/compute-sanitizer <<'EOP'
#!/bin/sh
echo "stand-in: $2"
[ -z "${HANGS:-}" ] || { sleep 99 & echo $! > "$HANGS"; wait; }
while [ "${1#--}" != "$1" ]; do shift 2; done
"$@" || exit
exit "${FOUND:-0}"
EOP
proof memcheck,racecheck PATH="$work/bin:$PATH"
expect 0 '^-- memcheck: passed' '^-- racecheck: passed'
grep -q '^stand-in: memcheck' report && grep -q '^stand-in: racecheck' report ||
  fail "not asked for: $(cat report)"
proof memcheck CUDA_HOME="$work" FOUND=9
expect 1 '^-- memcheck: FAILED with 9' ' 1 parts failed, 0 not finished'
proof memcheck,racecheck PATH="$work/bin:$PATH" HANGS="$work/pid" SECONDS_ALL=7
expect 1 '^-- memcheck: not finished in [67] s' '^-- racecheck: not started' \
  ' 0 parts failed, 2 not finished'
! kill -0 "$(cat pid)" 2> /dev/null || fail "what takes too long goes on"
if [ -n "$on_double" ] && [ -x "$tests/cuda_host/ref_torch" ]; then
  proof parity,start $on_double
  expect 0 '^-- parity: passed' '^-- start: passed'
fi

[ "${GPU_PROOF:-}" = all ] || finish
need_python torch torchvision
proof theory,speed
expect 0 '^-- theory: passed' \
  '^size:pairs 32:2: without graphs [0-9.]+ img/s$' \
  '^size:pairs 32:2: eigenstep [0-9.]+ img/s, PyTorch [0-9.]+, ratio [0-9.]+ .best of plain.$'
proof speed PYTHON=false
expect 0 'left out, no PyTorch' '^size:pairs 32:2: eigenstep [0-9.]+ img/s, PyTorch: nothing'
script slow <<'EOP'
#!/bin/sh
[ "$1" != -c ] || exit 0
echo "torch plain               10.00 ms      400.0 img/s"
echo "torch graph                8.00 ms      500.0 img/s"
sleep 99
EOP
proof speed PYTHON="$work/slow" SECONDS_ALL=40
expect 0 '^size:pairs 32:2: .*PyTorch 500.0, ratio [0-9.]+ .best of plain, graph.$'
grep -q '^PyTorch: not finished' report || fail "no word of the time: $(cat report)"
if [ -n "$on_double" ]; then
  proof operations $on_double
  expect 0 '^-- operations: passed'
fi
finish
