/* SPDX-License-Identifier: BSD-3-Clause */
/** @file findings.h  What is known of a run's modes. */
#ifndef ES_STUDY_FINDINGS_H
#define ES_STUDY_FINDINGS_H

#include "association.h"
#include "axes.h"

/** Step by step, in order of eigenvalue at that step; owned. */
typedef struct es_study_series {
  int steps, modes;
  int64_t *step;    /**< [steps] */
  double *time;     /**< [steps] */
  double *variance; /**< [steps, modes] */
  double *halves;   /**< [steps, modes] split-half reproducibility */
  double *r2, *p;   /**< [steps, modes, ES_ATTRIBUTES] */
  double *null;     /**< [ES_ATTRIBUTES] 99th percentile of the largest R^2 by chance */
} es_study_series;
es_status es_study_series_open(int steps, int modes, es_study_series *s);
void es_study_series_free(es_study_series *s);

/** Modes in the order in which they were learned (nested.h): each as it was in the first
 *  of the steps here after its transition; one without in the last. Owned. */
typedef struct es_study_learned {
  int modes, points, d;
  int *row;       /**< [modes] of the series, ascending */
  double *step;   /**< [modes] of the transition; NaN: none was seen */
  double *q;      /**< [modes, points] coordinates, of length 1 */
  double *halves; /**< [modes] split-half reproducibility */
  double *r2, *p; /**< [modes, ES_ATTRIBUTES] */
  double *w;      /**< [modes, d] directions of the last step's embeddings */
  double *kept;   /**< [modes] share of the mode that these still show */
} es_study_learned;
es_status es_study_learned_open(int modes, int points, int d, es_study_learned *l);
void es_study_learned_free(es_study_learned *l);

/** Named columns of a number a mode; owned. */
typedef struct es_study_table {
  int modes, columns;
  const char *name[ES_AUGMENT_STEPS + 1]; /**< borrowed */
  double *value;                          /**< [modes, columns] */
} es_study_table;
es_status es_study_table_open(int modes, int columns, es_study_table *t);
void es_study_table_free(es_study_table *t);

/** How well classes are told from some of the modes; owned. columns: sets of modes. */
enum { ES_FIRST_K, ES_LAST_K, ES_RANDOM_K, ES_ALONE, ES_MODE_SETS };
typedef struct es_study_usefulness {
  double *accuracy; /**< [ES_MODE_SETS, modes]; NULL: not asked, or no classes */
  double chance;    /**< share of the most frequent class */
} es_study_usefulness;

/** Samples at the ends of each mode; owned. */
enum { ES_EXTREMES = 8, ES_ENDS = 2 };
typedef struct es_study_extremes {
  int n, h, w; /**< of each end; size of the pictures, 0: the data are no images */
  int64_t
      *sample;    /**< [ES_ENDS, modes, n] top, then bottom: pairs, by their first view */
  int64_t *pixel; /**< [ES_ENDS, modes, n, h, w, 3] grey levels, 0 to 255 */
} es_study_extremes;

/** Growth rates of the start and the strength of augmentations; owned. */
typedef struct es_study_rates {
  int modes, augmentations;
  const char *name[ES_AUGMENT_STEPS]; /**< borrowed */
  double *gamma;                      /**< [modes]; NULL: not asked */
  double *change;  /**< [modes, augmentations] d ln gamma / d strength; NaN: not known */
  double *error;   /**< [modes, augmentations] of change, one standard deviation */
  double *without; /**< [modes, augmentations] v' Gamma v without the augmentation */
} es_study_rates;
enum { ES_OF_PIXELS, ES_OF_FEATURES, ES_RATES };

typedef struct es_study_findings {
  es_study_numbers numbers;
  es_study_series series;
  es_study_learned learned;
  es_study_table invariance; /**< to the run's views, then to each augmentation alone */
  es_study_usefulness usefulness;
  es_study_extremes extremes;
  es_study_rates rates[ES_RATES];
} es_study_findings;
void es_study_findings_free(es_study_findings *r);

#endif
