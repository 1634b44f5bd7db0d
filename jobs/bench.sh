#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# bench.sh  All benchmarks; the training step alternates with that of PyTorch in one run.
#   PYTHON=/usr/bin/python3 jobs/bench.sh
# PYTHON: a Python with PyTorch and torchvision, for jobs/peer_step.py; without them the
# peers are skipped. VARIANTS=plain: of its steps, as plain,compile; the fastest counts.
# Also from the environment: EIGENSTEP, MPIRUN, MPIRUN_FLAGS (make bench sets them);
# RANKS=2, ROUNDS=3, STEPS=5, CASES="96:16 96:32 32:128" (size:pairs),
# OURS="auto:f32 auto:bf16" (backend:precision), EIG=2048, ROWS=100000.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
EIGENSTEP=${EIGENSTEP:-$top/build/eigenstep}
MPIRUN=${MPIRUN:-mpirun} MPIRUN_FLAGS=${MPIRUN_FLAGS:---bind-to none}
RANKS=${RANKS:-2} ROUNDS=${ROUNDS:-3} STEPS=${STEPS:-5}
CASES=${CASES:-96:16 96:32 32:128} OURS=${OURS:-auto:f32 auto:bf16}
cores=$(env -u OMP_NUM_THREADS nproc) # nproc reads OMP_NUM_THREADS
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
export OMP_NUM_THREADS OPENBLAS_NUM_THREADS
if [ "$(id -u)" = 0 ]; then # Open MPI requires both variables
  OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM
fi
python=${PYTHON:-/usr/bin/python3}
work=$(mktemp -d)
trap 'rm -rf "$work" eigenstep-bench-dd' EXIT

ranks() { # ranks N ARGUMENT...: run the program on N ranks
  n=$1; shift
  $MPIRUN $MPIRUN_FLAGS -n "$n" "$EIGENSTEP" "$@"
}

peers=no
if "$python" -c 'import torch, torchvision' 2> /dev/null; then
  peers=yes
else
  echo "peers SKIPPED: $python has no torch and torchvision"
fi

# One line "CASE NAME IMG/S MB" per measurement; MB: peak resident size of a process.
peer() { # peer SIZE PAIRS PRECISION
  env -u OMP_NUM_THREADS "$python" -c '
import resource, subprocess, sys
print(subprocess.run(sys.argv[1:], check=True, capture_output=True, text=True).stdout)
print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3)' \
    "$python" "$top/jobs/peer_step.py" --device cpu --size "$1" --pairs "$2" \
    --precision "$3" --threads "$RANKS" --steps "$STEPS" --seconds 0 \
    --variants "${VARIANTS:-plain}" > "$work/out" || return
  awk -v k="$1:$2 torch-$3" '/^best/ { r = $2 } /^peak/ { m = $2 }
    /^torch [0-9]/ { v = $2; sub(/,$/, "", v); print v > version }
    END { print k, r, m }' version="$work/version" "$work/out" >> "$work/steps"
}
ours() { # ours SIZE PAIRS BACKEND PRECISION
  ranks "$RANKS" bench step encoder.name=resnet50 encoder.stem=imagenet \
    projector.widths=50 data.size="$1" augment.crop.size="$1" batch.pairs="$2" \
    backend.name="$3" backend.precision="$4" spectrum.precision="$4" \
    bench.repeats="$STEPS" \
    bench.step.data=false bench.step.snapshots=0 > "$work/out" 2> "$work/err" || {
    grep -m 1 'error:' "$work/err" | sed "s/^/ours $3 $4 SKIPPED: /"; return; }
  sed -n 's/.*backend \([a-z]*\) .*/\1/p' "$work/out" > "$work/name"
  awk -v k="$1:$2 $(cat "$work/name")-$4" '/peak resident/ { m = $(NF - 1) }
    /^median/ { r = $2 } END { print k, r, m }' "$work/out" >> "$work/steps"
}

# The median rate of each case, and its ratio to the best peer.
table() {
  sort -k1,1 -k2,2 -k3,3n "$work/steps" | awk '
    { k = $1 " " $2; if (!(k in n)) key[++keys] = k; v[k, ++n[k]] = $3
      if ($4 > mb[k]) mb[k] = $4 }
    END {
      for (i = 1; i <= keys; i++) {
        k = key[i]; split(k, p, " "); h = int((n[k] + 1) / 2); g = int(n[k] / 2) + 1
        med[k] = (v[k, h] + v[k, g]) / 2
        if (p[2] ~ /^torch/ && med[k] > best[p[1]]) best[p[1]] = med[k]
        if (p[2] == "torch-f32") best32[p[1]] = med[k]
      }
      printf "%-8s %-14s %9s %9s %9s %9s %9s %9s\n", "case", "program", "min", "median",
        "max", "x peer", "x f32", "MB"
      for (i = 1; i <= keys; i++) {
        k = key[i]; split(k, p, " "); b = best[p[1]]; f = best32[p[1]]
        printf "%-8s %-14s %9.1f %9.1f %9.1f %9s %9s %9.0f\n", p[1], p[2], v[k, 1], med[k],
          v[k, n[k]], b ? sprintf("%.2f", med[k] / b) : "-",
          f ? sprintf("%.2f", med[k] / f) : "-", mb[k]
      }
    }'
}

: > "$work/steps"
for round in $(seq "$ROUNDS"); do
  for case in $CASES; do
    for mine in $OURS; do
      precision=${mine#*:}
      [ $peers = no ] || peer "${case%:*}" "${case#*:}" "$precision" ||
        echo "peer $case $precision failed in round $round"
      ours "${case%:*}" "${case#*:}" "${mine%:*}" "$precision"
    done
  done
done
echo "training step, img/s, $RANKS ranks x 1 thread (peers: PyTorch" \
  "$(cat "$work/version" 2> /dev/null || echo "none"), 1 process, $RANKS threads)," \
  "$ROUNDS rounds alternating; case = size:pairs; x peer: ratio to the best peer; MB: per" \
  "process"
table

echo; ranks "$RANKS" bench step
echo; ranks "$RANKS" bench eig bench.eig.n="${EIG:-2048}" bench.repeats=5
echo; ranks 1 bench augment
if "$python" -c 'import h5py, torch, torchvision' 2> /dev/null; then
  "$python" "$top/jobs/peer_augment.py" "$EIGENSTEP"
else
  echo "comparison with torchvision SKIPPED: $python has no h5py, torch and torchvision"
fi
for n in 2 4; do
  if [ "$n" -gt "$cores" ]; then
    echo; echo "bench io on $n ranks SKIPPED: $cores cores"
    continue
  fi
  echo; ranks "$n" bench io bench.io.rows="${ROWS:-100000}" bench.repeats=3 bench.warmup=1
  rm -f eigenstep-bench-dd
  dd if=/dev/zero of=eigenstep-bench-dd bs=1M count=$((${ROWS:-100000} / 128)) \
    conv=fsync 2>&1 | tail -n 1 | sed 's/^/dd with fsync: /'
done
