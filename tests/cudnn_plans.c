/* SPDX-License-Identifier: BSD-3-Clause */
/** @file cudnn_plans.c  The real cuDNN plans what the backend cuda asks it for, without a
 *  device: in place of a handle its descriptors get the properties of an H200, in the
 *  library's own JSON. Built and run by check_cuda.sh. Exit status 77: this version of
 *  the library takes no such properties. */
#include <cudnn.h>
#include <stdio.h>
#include <string.h>

static cudnnBackendDescriptor_t device;

/** cudnnBackendSetAttribute, with `device` where the backend sets its handle. */
static cudnnStatus_t set_for_device(cudnnBackendDescriptor_t d,
                                    cudnnBackendAttributeName_t name,
                                    cudnnBackendAttributeType_t type, int64_t n,
                                    const void *values) {
  const cudnnBackendAttributeType_t part = CUDNN_TYPE_BACKEND_DESCRIPTOR;
  if (name == CUDNN_ATTR_OPERATIONGRAPH_HANDLE) return CUDNN_STATUS_SUCCESS;
  if (name == CUDNN_ATTR_EXECUTION_PLAN_HANDLE)
    return cudnnBackendSetAttribute(d, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, part, 1,
                                    &device);
  const cudnnStatus_t e = cudnnBackendSetAttribute(d, name, type, n, values);
  if (e != CUDNN_STATUS_SUCCESS || name != CUDNN_ATTR_ENGINEHEUR_MODE) return e;
  return cudnnBackendSetAttribute(d, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, part, 1, &device);
}

#define cudnnBackendSetAttribute set_for_device
#include "backend/cuda/cuda_dnn.c"
#undef cudnnBackendSetAttribute

static const char h200[] =
    "{\"deviceName\": \"NVIDIA H200\", \"deviceVer\": 900, \"driverVer\": 13000,"
    " \"cudaDeviceId\": 0, \"pciDeviceId\": 0, \"totalGlobalMem\": 150000000000,"
    " \"multiProcessorCount\": 132, \"warpSize\": 32, \"l2CacheSize\": 62914560,"
    " \"smClockRateKHz\": 1980000, \"memClockRateKHz\": 3201000,"
    " \"maxGridSize\": [2147483647, 65535, 65535], \"maxBlockSize\": [1024, 1024, 64],"
    " \"maxThreadsPerBlock\": 1024, \"maxThreadsPerSM\": 2048, \"maxCtasPerSM\": 32,"
    " \"regsPerBlock\": 65536, \"maxRegistersPerSM\": 65536,"
    " \"maxSharedMemoryPerBlock\": 49152, \"maxSharedMemoryPerBlockOptin\": 232448,"
    " \"reservedSharedMemoryPerBlock\": 1024, \"isTccDriver\": 0,"
    " \"supportCoopLaunch\": 1}";

static bool take_properties(void) {
  return cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &device) ==
             CUDNN_STATUS_SUCCESS &&
         cudnnBackendSetAttribute(device, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
                                  CUDNN_TYPE_CHAR, (int64_t) strlen(h200),
                                  h200) == CUDNN_STATUS_SUCCESS &&
         cudnnBackendFinalize(device) == CUDNN_STATUS_SUCCESS;
}

/** Of ResNets at 96 x 96 and 32 x 32; the first two are input layers. */
static const es_op_desc layers[] = {
    {.in = {3, 96, 96}, .out = {64, 48, 48}, .window = {7, 2, 3}},
    {.in = {3, 32, 32}, .out = {64, 32, 32}, .window = {3, 1, 1}},
    {.in = {64, 24, 24}, .out = {64, 24, 24}, .window = {3, 1, 1}},
    {.in = {128, 24, 24}, .out = {128, 12, 12}, .window = {3, 2, 1}},
    {.in = {512, 3, 3}, .out = {512, 3, 3}, .window = {3, 1, 1}},
    {.in = {256, 24, 24}, .out = {512, 12, 12}, .window = {1, 2, 0}},
    {.in = {64, 24, 24}, .out = {256, 24, 24}, .window = {1, 1, 0}},
};
enum { LAYERS = sizeof layers / sizeof layers[0], INPUTS = 2, IMAGES = 512 };

/** Layers and passes without a plan. */
static int missing(const char *type, es_precision precision, bool tf32) {
  static const char *const passes[ES_PASSES] = {"forward", "data", "weights"};
  es_cuda state = {.dnn = NULL};
  es_backend b = {.impl = &state, .tf32 = tf32};
  int none = 0;
  if (ES_NEW(1, &state.dnn) != ES_OK) return LAYERS;
  for (int i = 0; i < LAYERS; i++)
    for (int p = 0; p < ES_PASSES; p++) {
      es_op_desc d = layers[i];
      d.precision = precision;
      const es_cuda_dnn_plan *plan = NULL;
      const es_cuda_dnn_job job = {(es_pass) p, IMAGES, 0};
      if (i < INPUTS && p == ES_DATA) continue;
      if (es_cuda_dnn_plan_find(&b, &d, &job, &plan) == ES_OK) continue;
      printf("no plan in %s: %d x %d x %d to %d, k%d s%d, %s\n", type, d.in.c, d.in.h,
             d.in.w, d.out.c, d.window.k, d.window.stride, passes[p]);
      none++;
    }
  es_cuda_dnn_close(&b);
  return none;
}

int main(void) {
  if (!take_properties()) return 77;
  const int none = missing("bf16", ES_BF16, false) + missing("TF32", ES_F32, true) +
                   missing("f32", ES_F32, false);
  const int all = 3 * (LAYERS * ES_PASSES - INPUTS);
  printf("cuDNN %zu plans %d of %d passes\n", es_cuda_dnn_version(), all - none, all);
  return none > 0;
}
