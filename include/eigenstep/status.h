/* SPDX-License-Identifier: BSD-3-Clause */
/** @file status.h  Status codes, and the macros that check and propagate them. */
#ifndef ES_STATUS_H
#define ES_STATUS_H

#include "eigenstep/log.h"

typedef enum es_status {
  ES_OK = 0,
  ES_STOPPED = 1,   /**< stopped early on request: not an error */
  ES_EARG = -1,     /**< invalid argument (a bug of the caller) */
  ES_ECONFIG = -2,  /**< invalid parameter or command line */
  ES_ENOMEM = -3,   /**< out of memory */
  ES_EIO = -4,      /**< a file cannot be opened, read or written */
  ES_EFORMAT = -5,  /**< a file has unexpected content */
  ES_EDEVICE = -6,  /**< an accelerator failed */
  ES_EMATH = -7,    /**< a value is not finite, or LAPACK info != 0 */
  ES_ENOTSUP = -8,  /**< not in this build */
  ES_EINTERNAL = -9 /**< internal error (a bug of this program) */
} es_status;

/** Short English name of a status, e.g. "invalid parameter". Never NULL. */
const char *es_status_name(es_status s);

/** Return any status but ES_OK to the caller. Use ES_TRY_GOTO where resources must be
 *  released. */
#define ES_TRY(call)                                                                     \
  do {                                                                                   \
    const es_status es_try_ = (call);                                                    \
    if (es_try_ != ES_OK) return es_try_;                                                \
  } while (0)

/** As ES_TRY but jumps to `label` with the status in the local variable `st`. */
#define ES_TRY_GOTO(call, label)                                                         \
  do {                                                                                   \
    st = (call);                                                                         \
    if (st != ES_OK) goto label;                                                         \
  } while (0)

/** Unless cond holds: log one sentence ("got ..., expected ...") and return `status`.
 *  Always enabled. */
#define ES_CHECK(cond, status, ...)                                                      \
  do {                                                                                   \
    if (!(cond)) {                                                                       \
      es_error(__VA_ARGS__);                                                             \
      return (status);                                                                   \
    }                                                                                    \
  } while (0)

/** ES_CHECK that jumps to `label` with the status in the local variable `st`. */
#define ES_CHECK_GOTO(cond, status, label, ...)                                          \
  do {                                                                                   \
    if (!(cond)) {                                                                       \
      es_error(__VA_ARGS__);                                                             \
      st = (status);                                                                     \
      goto label;                                                                        \
    }                                                                                    \
  } while (0)

/** Internal consistency check, only with --enable-debug. The condition must have no side
 *  effect. */
#ifdef ES_DEBUG
#include <assert.h>
#define ES_ASSERT(cond) assert(cond)
#else
#define ES_ASSERT(cond) ((void) 0)
#endif

#endif
