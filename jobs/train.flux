#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# train.flux  One training run under Flux: flux batch jobs/train.flux RUN.ini OUTDIR
# [key=value ...]. The warning stops it with a checkpoint; the same command then resumes.
# Untried: written from Flux's documentation.
#flux: --job-name=eigenstep
#flux: --nodes=1
#flux: --nslots=16
#flux: --cores-per-slot=1
#flux: --time-limit=4h
#flux: --signal=SIGUSR1@5m
set -u
case ${1-} in
  -h | --help) awk 'NR > 2 { if (!/^# /) exit; print substr($0, 3) }' "$0"; exit ;;
  -?*) echo "train.flux: unknown option '$1'; see --help" >&2; exit 2 ;;
esac
run=$1 out=$2
shift 2
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
start() { flux run -n 16 -o cpu-affinity=per-task "${EIGENSTEP:-eigenstep}" "$@"; }
if [ -e "$out/ckpt/latest" ]; then
  start resume "$out" "$@"
else
  start train "$run" output.dir="$out" "$@"
fi
cat "$out/STATUS"
