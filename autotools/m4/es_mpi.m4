# SPDX-License-Identifier: BSD-3-Clause
# es_mpi.m4  MPI 3 through the compiler wrapper: the compiler is the switch (CC=mpicc).

# ES_PROG_MPICC: the C compiler; mpicc unless CC says otherwise.
AC_DEFUN([ES_PROG_MPICC], [
  AC_ARG_VAR([MPIRUN], [starts an MPI program in the tests])
  AC_ARG_VAR([MPIRUN_FLAGS], [its flags, e.g. to allow more ranks than cores])
  AC_PROG_CC([mpicc mpiicx cc])
])

AC_DEFUN([ES_MPI], [
  AC_MSG_CHECKING([for MPI 3 in $CC])
  ES_TRY_LINK([#include <mpi.h>
#if MPI_VERSION < 3
#error older than MPI 3
#endif], [MPI_Iallreduce], [], [], [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     AC_MSG_ERROR([MPI 3 is required; set CC=mpicc (Debian: libopenmpi-dev)])])
  AC_CHECK_PROGS([MPIRUN], [mpirun mpiexec], [mpirun])
  es_mpi_note=`$MPIRUN --version 2>/dev/null | sed 1q`
  AC_MSG_CHECKING([how $MPIRUN allows more ranks than cores])
  AS_IF([test -z "${MPIRUN_FLAGS+set}"],
    [AS_CASE([$es_mpi_note],
       [*Open?MPI*|*OpenRTE*], [MPIRUN_FLAGS="--oversubscribe --bind-to none"],
       [MPIRUN_FLAGS=])])
  AC_MSG_RESULT([${MPIRUN_FLAGS:-no flag needed}])
])
