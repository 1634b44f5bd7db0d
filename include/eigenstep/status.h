/* SPDX-License-Identifier: BSD-3-Clause */
/** @file status.h  Status codes and the four macros every function that can fail uses. */
#ifndef ES_STATUS_H
#define ES_STATUS_H

#include "eigenstep/log.h"

typedef enum es_status {
  ES_OK = 0,
  ES_STOPPED = 1,   /**< asked to stop, a checkpoint was written: not an error */
  ES_EARG = -1,     /**< a caller's argument is wrong */
  ES_ECONFIG = -2,  /**< a parameter or the command line is wrong */
  ES_ENOMEM = -3,   /**< out of memory */
  ES_EIO = -4,      /**< a file cannot be opened, read or written */
  ES_EFORMAT = -5,  /**< a file does not hold what it should */
  ES_EDEVICE = -6,  /**< an accelerator failed */
  ES_EMATH = -7,    /**< a number is not finite, LAPACK info != 0 */
  ES_ENOTSUP = -8,  /**< not in this build */
  ES_EINTERNAL = -9 /**< a bug of ours */
} es_status;

/** Short English name of a status, e.g. "wrong parameter". Never NULL. */
const char *es_status_name(es_status s);

/** Return a failure (or ES_STOPPED) to the caller. With something to undo, use a goto
 *  instead. */
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

/** Always on. Unless cond: log one sentence ("got .../expected ...") and return
 *  `status`. */
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

/** Internal bug; only with --enable-debug. The condition must have no effect. */
#ifdef ES_DEBUG
#include <assert.h>
#define ES_ASSERT(cond) assert(cond)
#else
#define ES_ASSERT(cond) ((void) 0)
#endif

#endif
