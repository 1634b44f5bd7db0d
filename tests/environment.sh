# SPDX-License-Identifier: BSD-3-Clause
# environment.sh  What every test run sets; sourced by make check and the scripts.
# One thread per rank: ranks are what is tested, and 4 x threads would fight for cores.
OMP_NUM_THREADS=1
OPENBLAS_NUM_THREADS=1
# More ranks than cores must yield to each other instead of spinning.
OMPI_MCA_mpi_yield_when_idle=1
OMPI_MCA_rmaps_base_oversubscribe=1
export OMP_NUM_THREADS OPENBLAS_NUM_THREADS
export OMPI_MCA_mpi_yield_when_idle OMPI_MCA_rmaps_base_oversubscribe
if [ "$(id -u)" = 0 ]; then
  OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM
fi
