/* SPDX-License-Identifier: BSD-3-Clause */
/** @file status.c  The names of the status codes. */
#include "eigenstep/status.h"

const char *es_status_name(es_status s) {
  switch (s) {
  case ES_OK:
    return "ok";
  case ES_STOPPED:
    return "stopped";
  case ES_EARG:
    return "invalid argument";
  case ES_ECONFIG:
    return "invalid parameter";
  case ES_ENOMEM:
    return "out of memory";
  case ES_EIO:
    return "input/output error";
  case ES_EFORMAT:
    return "unexpected file content";
  case ES_EDEVICE:
    return "accelerator error";
  case ES_EMATH:
    return "numerical failure";
  case ES_ENOTSUP:
    return "not supported by this build";
  case ES_EINTERNAL:
    return "internal error";
  }
  return "unknown status";
}
