#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# quickstart.sh  From a bare Debian machine to the figure of the first run.
# Installs missing packages, builds in build/, solves and simulates the linear model of
# inputs/linear-deadleaves (seconds), trains inputs/quickstart/run.ini on all cores, and
# draws both results. A second call skips set-up and build and uses new folders. RANKS=n
# and OUT=folder set the number of ranks and the output folder (the linear run uses
# OUT-linear); arguments are passed to the training run (section.key=value).
set -eu
case ${1-} in
  -h | --help) awk 'NR > 2 { if (!/^# /) exit; print substr($0, 3) }' "$0"; exit ;;
  -?*) echo "quickstart.sh: unknown option '$1'; see --help" >&2; exit 2 ;;
esac
for argument; do
  case $argument in
    ?*.?*=*) ;;
    *) echo "quickstart.sh: got '$argument', expected section.key=value; see --help" >&2
       exit 2 ;;
  esac
done
cd "$(dirname "$0")/.."
sh autotools/setup.sh
echo "quickstart: building in build/ (takes minutes the first time); log in build.log"
sh autotools/build.sh build > build.log 2>&1 || {
  tail -n 30 build.log
  echo "quickstart: the build failed; see build.log" >&2
  exit 1
}

out=${OUT:-quickstart-out}
n=1
while [ -e "$out" ] || [ -e "$out-linear" ]; do
  n=$((n + 1)); out=${OUT:-quickstart-out}-$n
done

cores=$(env -u OMP_NUM_THREADS nproc) # nproc reads OMP_NUM_THREADS
[ "$cores" -le 48 ] || cores=48 # at least two pairs per rank
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
export OMP_NUM_THREADS OPENBLAS_NUM_THREADS
if [ "$(id -u)" = 0 ]; then # Open MPI requires both variables
  OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM
fi
for python in python3 /usr/bin/python3; do # the first with h5py and matplotlib
  ! $python -c 'import h5py, matplotlib' 2> /dev/null || break
done
launch() { sh jobs/mpirun.sh --use-hwthread-cpus -n "${RANKS:-$cores}" build/eigenstep "$@"; }

build/eigenstep check inputs/quickstart/run.ini "$@" > build/check.log # a misspelt argument
echo "quickstart: linear model, predicted and simulated (seconds)"
launch linear inputs/linear-deadleaves/run.ini output.dir="$out-linear"
$python postprocess/plot_theory.py "$out-linear"
echo "quickstart: training a ResNet-50 (minutes)"
launch train inputs/quickstart/run.ini output.dir="$out" "$@"
$python postprocess/plot_run.py "$out"
