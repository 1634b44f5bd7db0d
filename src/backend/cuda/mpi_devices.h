/* SPDX-License-Identifier: BSD-3-Clause */
/** @file mpi_devices.h  Does this MPI library read and write the memory of devices? */
#ifndef ES_MPI_DEVICES_H
#define ES_MPI_DEVICES_H

#include <mpi.h>
#include <stdbool.h>
#ifdef HAVE_MPI_EXT
#include <mpi-ext.h>
#endif

#ifdef ES_CUDA_HOST /* the double of the tests has device memory of its own */
bool cuda_host_mpi_takes_devices(void);
#endif

/** Not collective. False, too, where the library cannot be asked. */
static inline bool es_mpi_takes_devices(void) {
#ifdef ES_CUDA_HOST
  return cuda_host_mpi_takes_devices();
#elif defined(MPIX_CUDA_AWARE_SUPPORT) && MPIX_CUDA_AWARE_SUPPORT
  return MPIX_Query_cuda_support() == 1;
#else
  return false;
#endif
}

#endif
