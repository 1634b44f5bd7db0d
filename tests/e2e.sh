# SPDX-License-Identifier: BSD-3-Clause
# e2e.sh  Sourced by the end-to-end tests: a scratch folder, a tiny run, launching.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ASAN_OPTIONS=detect_leaks=0
export ASAN_OPTIONS
python=/usr/bin/python3

# A run small enough for a test, but with all parts: ResNet, projector, probe, snapshots.
# Small batches of deep networks are chaotic: one ReLU input that round-off moves across
# zero changes the gradient by a percent. With the residual branches starting at zero, ten
# steps stay smooth enough to compare rank counts. Nothing is timed: the same ways of
# computing on every run, and no file of them in the home folder.
tiny="encoder.name=resnet18 encoder.base_width=8 encoder.stem=cifar
      encoder.zero_init_residual=true data.size=16 data.count=64 augment.crop.size=16
      projector.widths=8 batch.pairs=24 run.steps=10 run.log_every=5 spectrum.every=5
      spectrum.probe=24 optim.lr=3e-3 loss.barlow.center=true backend.tune=false"

launch() { # launch RANKS ARGUMENT...: the program on so many ranks, killed after $limit seconds
  local n=$1; shift
  timeout "${limit:-300}" $MPIRUN $MPIRUN_FLAGS -n "$n" "$EIGENSTEP" "$@"
}

fail() { echo "FAIL: $*"; failures=$((${failures:-0} + 1)); }

finish() {
  if [ "${failures:-0}" -gt 0 ]; then echo "$failures failures"; exit 1; fi
  exit 0
}

need_python() { # need_python MODULE...: skip the test without them
  local m
  for m in "$@"; do
    "$python" -c "import $m" 2>/dev/null || { echo "SKIP: no Python module $m"; exit 77; }
  done
}
