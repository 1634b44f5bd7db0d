#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# gpu-proof.sh  Does the backend cuda compute and train on this machine's GPU, and how fast?
# At most eight minutes: bash jobs/gpu-proof.sh [REPORT] (gpu-proof.txt), from a build folder
# with --with-cuda or from a bundle.
#   facts      the device, the program, the memory that a run takes
#   operations each one against a reference in double precision, f32 and bf16
#   parity     ResNets against what PyTorch computed
#   start      ten steps have the losses and spectra of backend onednn: with the CPU's views
#              to 1e-5, with views that the device makes to 1e-2
#   theory     a ResNet-50 that learns mode after mode, with its table
#   sanitizers compute-sanitizer's memcheck and racecheck on two steps
#   speed      `bench step` and PyTorch's, in turns; ratio to the best of PyTorch's variants
#              that finish. A step of ours makes its views from records, PyTorch's has
#              them on the device. Once more with backend.graph=false: what graphs gain
# After a part that fails or does not finish in its time the next one begins. Exit status: 0
# all passed or were left out for lack of a program, 1 some did not, or the backend does not
# open, 77 there is no device.
# From the environment: BUILD=build; PYTHON=python3, with PyTorch, torchvision and h5py;
# EIGENSTEP and CHECKS (folder of test programs); BACKEND=cuda, REFERENCE=onednn;
# CASES="96:256 32:128 96:32 32:1024 96:1024" (size:pairs), COMPILED="96:256 32:128" (those
# that PyTorch also compiles, a minute each); SECONDS_ALL=480; for a trial without a device
# PARTS (names, between commas), THEORY (arguments), PRECISION=bf16, WARMUP=5, REPEATS=20,
# PEER_SECONDS=3.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
report=$(realpath "${1:-gpu-proof.txt}")
backend=${BACKEND:-cuda} reference=${REFERENCE:-onednn}
python=${PYTHON:-python3}
if [ -d "$top/libexec" ]; then # a bundle
  program=${EIGENSTEP:-$top/bin/eigenstep}
  checks=${CHECKS:-}
else
  program=${EIGENSTEP:-$top/${BUILD:-build}/eigenstep}
  checks=${CHECKS:-$top/${BUILD:-build}/tests}
fi
threads=$(nproc) # for views, losses and spectra; OMP_NUM_THREADS, where that is set
export srcdir=$top OMP_NUM_THREADS=$threads PYTHON="$python"
export PATH=$PATH:${CUDA_HOME:-/usr/local/cuda}/bin # of compute-sanitizer
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0 unfinished=0

if [ ! -x "$program" ]; then
  echo "gpu-proof: no program $program; build it, or name it in EIGENSTEP" >&2
  exit 1
fi
timeout 60 "$program" train - encoder.name=linear run.steps=0 backend.name="$backend" \
  data.size=16 data.count=64 augment.crop.size=16 projector.widths=4 batch.pairs=8 \
  spectrum.probe=8 output.dir=opens > opens.log 2>&1
got=$?
if [ $got -ne 0 ]; then
  sed -n 's/^eigenstep: error: /gpu-proof: /p' opens.log | grep . >&2 ||
    { tail -n 20 opens.log; echo "gpu-proof: $program ended with $got (124: after 60 s)"; } >&2
  ! grep -qE 'no GPU can be used|got a driver for CUDA' opens.log || exit 77
  exit 1
fi
end=$((SECONDS + ${SECONDS_ALL:-480}))

say() { echo "$*" | tee -a "$report"; }
check() { # check NAME: a test program, on all backends; fails if this one was not there
  local found
  if [ -n "$checks" ]; then found=$checks/$1; set -- "$checks/$1"
  else found=$top/libexec/tests/$1; set -- "$top/bin/launcher" "tests/$1"; fi
  [ -x "$found" ] || { echo "no test program $found"; return 1; }
  "$@" > test 2>&1
  local got=$?
  cat test
  [ $got -eq 0 ] && ! grep -q "lacks the device: $backend" test
}
part() { # part NAME SECONDS COMMAND...
  local name=$1 most=$2 from=$SECONDS got
  shift 2
  case ,${PARTS:-$name}, in *,"${name%% *}",* | *,"$name",*) ;; *) return ;; esac
  [ $((end - SECONDS)) -ge "$most" ] || most=$((end - SECONDS))
  if [ "$most" -le 5 ]; then
    say "-- $name: not started, no time is left"
    unfinished=$((unfinished + 1))
    return
  fi
  say "== $name"
  peer_limit=$((most * 3 / 5)) # of a speed part's seconds, those of PyTorch
  limited "$most" "$@" >> "$report" 2>&1
  got=$?
  case $got in
    0) say "-- $name: passed, $((SECONDS - from)) s" ;;
    77) say "-- $name: left out, $(tail -n 1 "$report")" ;;
    124) say "-- $name: not finished in $most s"; unfinished=$((unfinished + 1)) ;;
    *) say "-- $name: FAILED with $got, $((SECONDS - from)) s"; failed=$((failed + 1)) ;;
  esac
}
limited() { # limited SECONDS FUNCTION ARGUMENT...: in a group of processes; ended: 124
  setsid bash -c "$(declare -p top checks program python backend reference threads peer_limit)
    $(declare -f check facts operations parity start theory sanitized speed ours theirs)"'
    "$@"' bash "${@:2}" &
  local job=$! got until=$((SECONDS + $1))
  while kill -0 $job 2> /dev/null; do
    if [ $SECONDS -ge $until ]; then
      { kill -TERM -- -$job; sleep 2; kill -KILL -- -$job; wait $job; } 2> /dev/null
      return 124
    fi
    sleep 0.2
  done
  wait $job
  got=$?
  kill -KILL -- -$job 2> /dev/null # what it left
  return $got
}

# --- the parts
facts() {
  if command -v nvidia-smi > /dev/null; then
    nvidia-smi --format=csv --query-gpu=name,memory.total,driver_version,clocks.max.sm
  else
    echo "no nvidia-smi"
  fi
  echo "$(nproc) processors,$(sed -n 's/^model name.*:/ /p' /proc/cpuinfo | sed 1q)"
  "$python" -c 'from importlib import metadata
print("PyTorch", metadata.version("torch"))' 2> /dev/null ||
    echo "no PyTorch in $python"
  "$program" --version | sed '1,/^$/d'
  "$program" check - backend.name="$backend" backend.precision="${PRECISION:-bf16}"
}
operations() {
  local name failed=0
  for name in unit_ops unit_bn_modes unit_conv unit_replay unit_net unit_recipe \
      unit_orthogonal unit_precision; do
    check $name || { echo "$name failed"; failed=1; }
  done
  return $failed
}
parity() { check ref_torch && { grep "/$backend " test || [ "$backend" != cuda ]; }; }
start() {
  local tiny="encoder.name=resnet18 encoder.base_width=8 encoder.stem=cifar data.size=16
    encoder.zero_init_residual=true data.count=64 augment.crop.size=16 projector.widths=8
    batch.pairs=24 run.steps=10 spectrum.every=5 spectrum.probe=24 optim.lr=3e-3
    loss.barlow.center=true backend.tune=false" views=auto
  [ "$backend" != cuda ] || views=device
  "$program" train - $tiny backend.name="$reference" output.dir=theirs &&
    "$program" train - $tiny backend.name="$backend" augment.device=cpu output.dir=ours &&
    "$program" train - $tiny backend.name="$backend" augment.device=$views \
      output.dir=ours-views || return 1
  "$python" "$top/tests/compare_runs.py" --limit 1e-5 theirs ours &&
    "$python" "$top/tests/compare_runs.py" --limit 1e-2 theirs ours-views
}
theory() {
  "$program" train "$top/inputs/quickstart/run.ini" backend.name="$backend" \
    backend.threads="$threads" output.dir=theory ${THEORY-} > log 2>&1 || { cat log; return 1; }
  grep -vE '^[^ ]*: .*( %|done in)' log
  grep -q '^modes learned: [1-9]' log
}
sanitized() { # sanitized TOOL
  command -v compute-sanitizer > /dev/null || { echo "no compute-sanitizer"; return 77; }
  rm -rf sanitized
  compute-sanitizer --tool "$1" --target-processes all --error-exitcode 9 "$program" \
    train - backend.name="$backend" encoder.name=resnet18 encoder.base_width=4 data.size=16 \
    encoder.stem=cifar data.count=64 augment.crop.size=16 projector.widths=8 batch.pairs=8 \
    run.steps=2 spectrum.probe=8 backend.tune=false output.dir=sanitized
}
ours() { # ours SIZE PAIRS GRAPH: views a second, a line in the file rates.GRAPH
  "$program" bench step encoder.name=resnet50 encoder.stem=imagenet projector.widths=50 \
    data.size="$1" augment.crop.size="$1" data.count="$((4 * $2))" batch.pairs="$2" \
    spectrum.probe="$2" backend.name="$backend" backend.precision=${PRECISION:-bf16} \
    backend.threads="$threads" backend.graph="$3" bench.warmup=${WARMUP:-5} \
    bench.repeats=${REPEATS:-20} bench.step.data=false bench.step.snapshots=0 > bench 2> err ||
    { cat err; return 1; }
  cat bench
  sed -n 's/^median \(.*\) img\/s/\1/p' bench >> "rates.$3"
}
theirs() { # theirs SIZE PAIRS VARIANTS: a line a variant into the file peer
  local device=cuda
  [ "$backend" = cuda ] || device=cpu
  timeout --foreground -k 5 "$peer_limit" "$python" -u "$top/jobs/peer_step.py" \
    --size "$1" --pairs "$2" --device $device --precision "${PRECISION:-bf16}" --variants "$3" \
    --seconds "${PEER_SECONDS:-3}" > peer
  local got=$?
  cat peer
  case $got in 124 | 137) echo "PyTorch: not finished in $peer_limit s: $3" ;; esac
  [ $device = cpu ] || echo "eigenstep's step makes its views from records, PyTorch has them"
}
speed() { # speed SIZE:PAIRS
  local size=${1%:*} pairs=${1#*:} variants=plain,graph peer=here
  case " ${COMPILED-96:256 32:128} " in *" $1 "*) variants=$variants,compile,compile+graph ;; esac
  "$python" -c 'from importlib import util
assert util.find_spec("torch") and util.find_spec("torchvision")' 2> /dev/null || peer=
  : > rates.auto
  : > peer
  ours "$size" "$pairs" auto || return 1
  [ -z "$peer" ] || { theirs "$size" "$pairs" $variants; ours "$size" "$pairs" auto || return 1; }
  : > rates.false
  ! ours "$size" "$pairs" false || echo "size:pairs $1: without graphs $(cat rates.false) img/s"
  awk -v name="$1" '/^torch .* ms .* img\/s$/ {
      in_it = in_it (in_it == "" ? "" : ", ") $2
      if ($(NF - 1) > best) best = $(NF - 1) }
    FILENAME == "rates.auto" { sum += $1; n++ }
    END { printf "size:pairs %s: eigenstep %.1f img/s, ", name, sum / n
          if (best) printf "PyTorch %.1f, ratio %.2f (best of %s)\n", best, sum / n / best, in_it
          else print "PyTorch: nothing to compare" ; exit !best }' rates.auto peer && return
  [ -n "$peer" ] || { echo "no PyTorch and torchvision in $python"; return 77; }
  return 1
}

: > "$report"
say "gpu-proof: backend $backend, $(date -u +%FT%TZ), $(uname -n)"
part facts 60 facts
part operations 120 operations
part parity 60 parity
part "start" 60 start
part theory 90 theory
part memcheck 90 sanitized memcheck
part racecheck 90 sanitized racecheck
for case in ${CASES-96:256 32:128 96:32 32:1024 96:1024}; do
  part "speed $case" 200 speed "$case"
done
say "gpu-proof: $failed parts failed, $unfinished not finished," \
  "$((SECONDS - end + ${SECONDS_ALL:-480})) s"
grep '^size:pairs' "$report"
[ $((failed + unfinished)) -eq 0 ]
