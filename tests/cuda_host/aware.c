/* SPDX-License-Identifier: BSD-3-Clause */
/** @file aware.c  An MPI library that reads and writes device memory, if CUDA_HOST_MPI is
 *  `devices`: the sums that the backend makes with it. It does so at once, as the real
 *  one: streams are not its concern. */
#include <mpi.h>
#include <stdlib.h>
#include <string.h>
#include "host.h"

bool cuda_host_mpi_takes_devices(void) {
  const char *const mpi = getenv("CUDA_HOST_MPI");
  return mpi != NULL && strcmp(mpi, "devices") == 0;
}

static void copy(void *to, const void *from, size_t bytes) {
  cuda_host_enter("MPI_Allreduce");
  memcpy(to, from, bytes);
  cuda_host_leave();
}

int MPI_Allreduce(const void *send, void *receive, int n, MPI_Datatype type, MPI_Op op,
                  MPI_Comm comm) {
  int size = 0;
  MPI_Type_size(type, &size);
  const size_t bytes = (size_t) n * (size_t) size;
  if (send != MPI_IN_PLACE || !cuda_host_is_device(receive, bytes))
    return PMPI_Allreduce(send, receive, n, type, op, comm);
  if (!cuda_host_mpi_takes_devices())
    cuda_host_mistake("MPI was given device memory, which it cannot read");
  void *const here = cuda_host_alloc(bytes);
  copy(here, receive, bytes);
  const int error = PMPI_Allreduce(MPI_IN_PLACE, here, n, type, op, comm);
  copy(receive, here, bytes);
  free(here);
  return error;
}
