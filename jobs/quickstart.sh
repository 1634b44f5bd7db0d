#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# quickstart.sh  From a bare Debian machine to the figure of the first run.
# Installs what is missing, builds in build/, solves and simulates the linear model of
# inputs/linear-deadleaves (seconds), trains inputs/quickstart/run.ini on all cores, and
# draws both results. A second call only runs, into new folders. RANKS=n and OUT=folder
# override the number of ranks and the output folder (the linear run's is OUT-linear);
# arguments go to the training (section.key=value).
set -eu
cd "$(dirname "$0")/.."
sh autotools/setup.sh
echo "quickstart: building in build/ (minutes at the first call); log in build.log"
sh autotools/build.sh build > build.log 2>&1 || {
  tail -n 30 build.log
  echo "quickstart: the build failed; all of it is in build.log" >&2
  exit 1
}

out=${OUT:-quickstart-out}
n=1
while [ -e "$out" ] || [ -e "$out-linear" ]; do
  n=$((n + 1)); out=${OUT:-quickstart-out}-$n
done

cores=$(env -u OMP_NUM_THREADS nproc) # which would count threads if that were set
[ "$cores" -le 48 ] || cores=48 # at least two pairs of the batch a rank
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
export OMP_NUM_THREADS OPENBLAS_NUM_THREADS
if [ "$(id -u)" = 0 ]; then # Open MPI wants to be told twice
  OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM
fi
for python in python3 /usr/bin/python3; do # the first that can read HDF5 and draw
  ! $python -c 'import h5py, matplotlib' 2> /dev/null || break
done
launch() { mpirun --use-hwthread-cpus -n "${RANKS:-$cores}" build/eigenstep "$@"; }

echo "quickstart: first the linear model, solved and simulated (seconds)"
launch linear inputs/linear-deadleaves/run.ini output.dir="$out-linear"
$python postprocess/plot_theory.py "$out-linear"
echo "quickstart: now a ResNet"
launch train inputs/quickstart/run.ini output.dir="$out" "$@"
$python postprocess/plot_run.py "$out"
