// SPDX-License-Identifier: BSD-3-Clause
/** @file kernels.cc  The kernels of the backend, compiled for the CPU: <cuda_launch.h> is
 *  that of the double here. */
#include "backend/cuda/kernels_act.cu"
#include "backend/cuda/kernels_bn.cu"
#include "backend/cuda/kernels_vec.cu"
#include "backend/cuda/kernels_view.cu"
#include "backend/cuda/kernels_window.cu"
