/* SPDX-License-Identifier: BSD-3-Clause */
/** @file data.h  Data sets (dataset_list.h), augmentations (augment_list.h) and the
 *  loader that turns sample numbers into pairs of views. */
#ifndef ES_DATA_H
#define ES_DATA_H

#include "eigenstep/comm.h"
#include "eigenstep/param.h"
#include "eigenstep/rng.h"
#include "eigenstep/shape.h"
#include "eigenstep/view_recipe.h"

/** Section [data]. */
typedef struct es_data_params {
  es_string name, path, split;
  int64_t limit; /**< use only the first so many records; 0 = all */
  int64_t size; /**< generated images and imagefolder: pixels a side; 0 = the set's own */
  bool shuffle;
  bool prefetch;      /**< the next batch is made on a thread of its own */
  int64_t max_pixels; /**< imagefolder: of the largest image that is read */
  int unreadable;     /**< imagefolder: 0 = refuse, 1 = skip (named) */
  int64_t count;      /**< deadleaves, gaussian: records */
  int64_t dim;        /**< gaussian: dimensions */
  double decay;   /**< gaussian: eigenvalue_k = k^-decay of the part the views share */
  double noise;   /**< gaussian: standard deviation of each view's own part */
  int full_scale; /**< hdf5, images of numbers: 0 = from their range, 1 = 1, 2 = 255 */
  bool exact;     /**< no parameter: keep f64 values as they are (solved models) */
} es_data_params;
extern const es_param es_data_table[];

/** One record. */
typedef struct es_sample {
  bool is_float;     /**< f32 vector instead of an image */
  int c, h, w;       /**< image [h, w, c] u8, c = 3; vector: c values, h = w = 1 */
  const uint8_t *u8; /**< valid until the next get with the same scratch */
  const float *f32;
  int label; /**< -1 = none */
} es_sample;

typedef struct es_dataset es_dataset;

/* --- for authors of a data set ------------------------------------------------------ */
typedef struct es_dataset_ops {
  const char *name, *doc;
  const char *splits; /**< "train|test|unlabeled"; the first is the default */
  const char *reads;  /**< "path|size": keys of [data] that not all sets read */
  bool pairs;         /**< get() fills both views itself; nothing is augmented */
  bool mixed; /**< records come in random order: the first so many stand for all */
  /** Optional, called on rank 0 where no split is given: which one the files suggest.
   *  NULL, or it returns NULL: the first. */
  const char *(*default_split)(const es_data_params *p);
  /** Optional, called on rank 0: change the parameters of the split that is trained on
   *  to those of the part of the set that is meant for testing. @return is there one? */
  bool (*held_out)(es_data_params *p);
  /** Collective: rank 0 looks through the files, the others receive what it has found.
   *  Sets size, shape, labels, checksum, impl. The caller agrees on the status, and
   *  closes what has an impl. */
  es_status (*open)(const es_comm *c, es_dataset *ds, const es_data_params *p,
                    uint64_t seed);
  /** Record i into caller's scratch (es_dataset.scratch bytes). Thread-safe. view: 0 or
   * 1, only matters where `pairs`. */
  es_status (*get)(const es_dataset *ds, int64_t i, int view, void *scratch,
                   es_sample *s);
  /** Optional: the values of a view of record i as the file has them, where they are
   *  more exact than f32 (es_data_params.exact). @return false: they are not */
  bool (*get_double)(const es_dataset *ds, int64_t i, int view, double *x);
  /** Optional (NULL: unlabelled): class of record i, -1 = none, without reading it. */
  int (*label)(const es_dataset *ds, int64_t i);
  /** Optional: the file of record i, as the data set's folder names it. */
  const char *(*file_name)(const es_dataset *ds, int64_t i);
  /** Optional (NULL: numbers only): what class 0 .. labels - 1 is called. */
  const char *(*class_name)(const es_dataset *ds, int label);
  void (*close)(es_dataset *ds);
} es_dataset_ops;

/** Of all records of a set; h and w are those of the set where all agree. */
typedef struct es_largest {
  int h, w;
  int64_t pixels; /**< h w of one record */
  size_t library; /**< bytes that a library allocates within get() */
} es_largest;

struct es_dataset {
  const es_dataset_ops *ops;
  char split[16]; /**< the part of the set that this is */
  int64_t size;   /**< records */
  int c, h, w;    /**< of a record; h = w = 0: differs from record to record */
  es_largest largest;
  int labels;        /**< number of classes, 0 = unlabelled */
  bool endless;      /**< any record number >= 0 can be had (generated) */
  size_t scratch;    /**< bytes that get() needs */
  uint64_t checksum; /**< of names, sizes and a sample of bytes; for provenance */
  void *impl;        /* owned */
};
size_t es_dataset_list(const es_dataset_ops *const **list);

/** Not collective. Empty p->path where the set reads none: old runs may have one, which
 *  es_dataset_open refuses. */
void es_dataset_drop_path(es_data_params *p);
/** Collective. Open split (NULL: p->split, or the default) on every rank; the same
 *  status everywhere. */
es_status es_dataset_open(const es_comm *c, const es_data_params *p, const char *split,
                          uint64_t seed, es_dataset **ds);
/** Collective. Open the part of the set that is meant for testing, whole, where the one
 *  that is open is another part: its split `test`, or the folder `val` or `test` beside
 *  `train`. *held_out stays NULL where there is none.
 *  @return as es_dataset_open; ES_EFORMAT: its classes are not those of `ds` */
es_status es_dataset_open_held_out(const es_comm *c, const es_data_params *p,
                                   const es_dataset *ds, uint64_t seed,
                                   es_dataset **held_out);
void es_dataset_close(es_dataset **ds);

/** Not collective. Scratch for get(), and room for what a library allocates within it,
 *  which is counted as ours until es_dataset_room_free. @return ES_OK, ES_ENOMEM */
es_status es_dataset_room(const es_dataset *ds, void **scratch);
void es_dataset_room_free(const es_dataset *ds, void **scratch);

/* --- augmentations ------------------------------------------------------------------ */
/** A working image: planar f32 in [0, 255], [3, h, w]; buffers belong to the pipeline.
 *  px holds the image; tmp is as large, for out-of-place operations (swap). Both have
 *  room for 3 P values, P the most pixels of an image of the set or of one that is
 *  resized along one of its sides or both; work for ES_IMAGE_WORK (H + W), H and W the
 *  largest height and width of all these: filter weights, strips of rows. */
typedef struct es_image {
  int h, w;
  float *px, *tmp, *work;
} es_image;
enum { ES_IMAGE_WORK = 80 };

/** What the augmentations of a view have drawn, as far as it can be said in numbers; NaN:
 *  none of them draws it. */
typedef struct es_drawn {
  double x, y;    /**< centre of the crop, of the image's width and height */
  double area;    /**< of the crop, of the image's */
  double flipped; /**< 1: left and right are exchanged, 0: not */
} es_drawn;

typedef struct es_augment_ops {
  const char *name, *doc;
  const es_param *params;
  size_t size;
  bool last; /**< runs after all others, wherever the list names it (normalize) */
  /** Optional: change the values so that nothing is random and the whole image remains
   *  in the view (crop). NULL: views of whole images are made without this augmentation,
   *  unless it is one of the last. */
  void (*whole)(void *par);
  /** Optional: change the values to those of an augmentation `strength` times as strong,
   *  0 <= strength <= 1; 0 leaves images as they are. NULL: nothing is random, or it has
   *  no measure. */
  void (*weaken)(void *par, double strength);
  bool takes_window; /**< in a recipe it is the first: it cuts the record */
  /** Optional (NULL: no device makes its views): add to a recipe what apply would do to
   *  the image of v->h x v->w, with the same random numbers. */
  void (*plan)(const void *par, es_rng *r, es_view_recipe *v);
  /** Optional: write to *d what apply draws for an image of h x w. */
  void (*draw)(const void *par, es_rng *r, int h, int w, es_drawn *d);
  /** Optional, NULL = nothing to prepare: check values against each other and complete
   *  them. *h, *w: size of the input images (0 = differs from record to record),
   *  replaced by that of the output. section: for messages. */
  es_status (*prepare)(void *par, const char *section, int *h, int *w);
  /** In place (or into tmp, then swap). r: its own random numbers, a sequence for each
   *  (seed, epoch, sample, view, name), so what one augmentation draws does not change
   *  the numbers of another. */
  void (*apply)(const void *par, es_rng *r, es_image *img);
} es_augment_ops;
size_t es_augment_list(const es_augment_ops *const **list);

/** Section [augment]. */
typedef struct es_augment_params {
  es_string list;
  int device; /**< es_augment_device */
} es_augment_params;
/** Who makes the views of training. */
typedef enum es_augment_device {
  ES_AUGMENT_AUTO, /**< the backend's device if it can */
  ES_AUGMENT_CPU,
  ES_AUGMENT_DEVICE
} es_augment_device;
extern const es_param es_augment_table[];

enum { ES_VIEWS = 2, ES_AUGMENT_STEPS = 32 };
/** An augmentation and the values of its sections augment.NAME and view2.NAME. */
typedef struct es_augment_step {
  const es_augment_ops *ops;
  void *par[ES_VIEWS]; /**< [ops->size] bytes each, owned */
} es_augment_step;
/** What a pipeline is made from: augmentations in the order in which they run. */
typedef struct es_augment_steps {
  int n;
  es_augment_step step[ES_AUGMENT_STEPS];
} es_augment_steps;
/** Find the augmentations that a list like that of [augment] names and put those that are
 *  `last` at the end; par stays NULL.
 *  @return ES_OK; ES_ECONFIG (empty list, unknown name, a name twice) */
es_status es_augment_steps_find(const char *list, es_augment_steps *s);
/** A copy of steps and values; to be freed, also after a failure. */
es_status es_augment_steps_copy(const es_augment_steps *from, es_augment_steps *to);
/** The augmentations that leave whole images, without anything random
 *  (es_augment_ops.whole). A copy, to be freed. */
es_status es_augment_steps_whole(const es_augment_steps *from, es_augment_steps *to);
/** The same with step i of `from` as it is. A copy, to be freed. */
es_status es_augment_steps_alone(const es_augment_steps *from, int i,
                                 es_augment_steps *to);
/** Remove those that are `last` (normalize): views keep the colours of the image. */
void es_augment_steps_drop_last(es_augment_steps *s);
void es_augment_steps_free(es_augment_steps *s);

typedef struct es_augment es_augment;
/** A pipeline; the values are copied. With no crop among the augmentations images must be
 *  square and of one size. Data sets of pairs pass through unchanged in any case.
 *  @param ds   borrowed for the call
 *  @param out  shape of the views it makes: [3, side, side], or [dim, 1, 1]
 *  @return ES_OK, ES_ECONFIG, ES_ENOMEM */
es_status es_augment_create(const es_augment_steps *steps, const es_dataset *ds,
                            es_augment **a, es_shape *out);
void es_augment_destroy(es_augment **a);
/** Which view: all that its random numbers depend on. */
typedef struct es_view_key {
  uint64_t seed, epoch;
  int64_t sample; /**< record */
  int view;       /**< 0 or 1 */
} es_view_key;
/** Thread-safe: view of a record -> out [3, side, side] f32 (scaled to [0,1], then
 *  normalised if `normalize` is in the list). scratch: es_augment_scratch bytes,
 *  64-byte aligned, one per thread.
 *  @return ES_OK; ES_EINTERNAL if the record's size is not what the data set announced */
es_status es_augment_apply(const es_augment *a, const es_view_key *which,
                           const es_sample *s, void *scratch, float *out);
size_t es_augment_scratch(const es_augment *a);
/** Bytes of the largest record, which a batch with recipes holds whole. */
int64_t es_augment_record_bytes(const es_augment *a);
/** The largest views of so many pairs, both of each. */
es_views_most es_augment_most(const es_augment *a, int pairs);
/** Why views cannot be told as recipes, or should not, as batches would take much more
 *  memory; as the end of a sentence; NULL: they can. */
const char *es_augment_no_recipe(const es_augment *a);
/** Thread-safe: what es_augment_apply would do, as a recipe. v->record is left to the
 *  caller. Only where es_augment_no_recipe is NULL.
 *  @return as es_augment_apply */
es_status es_augment_plan(const es_augment *a, const es_view_key *which,
                          const es_sample *s, es_view_recipe *v);
/** What a view of an image of h x w was drawn with. Thread-safe. */
es_drawn es_augment_draw(const es_augment *a, const es_view_key *which, int h, int w);

/** Where the time of views goes: the parts of the pipeline in their order. */
enum { ES_AUGMENT_PARTS = ES_AUGMENT_STEPS + 2 };
typedef struct es_augment_profile {
  int n;
  const char *name[ES_AUGMENT_PARTS];
  double seconds[ES_AUGMENT_PARTS]; /**< of the calling thread, added up */
} es_augment_profile;
void es_augment_profile_clear(const es_augment *a, es_augment_profile *p);
/** es_augment_apply, adding to a cleared profile. Reading the clock between the parts
 *  costs a microsecond or two a view. */
es_status es_augment_measure(const es_augment *a, const es_view_key *which,
                             const es_sample *s, void *scratch, float *out,
                             es_augment_profile *p);

/* --- loader ------------------------------------------------------------------------- */
/** One batch on this rank: `n` pairs; rows 0..n-1 are view 1, rows n..2n-1 view 2. */
typedef struct es_batch {
  int n;
  float *x;               /**< [2n, C, H, W]; NULL with recipes */
  int64_t *id;            /**< [n] record numbers */
  int *label;             /**< [n] */
  uint64_t *epoch;        /**< [n] */
  es_view_recipe *recipe; /**< [2n]: how to make the views of */
  uint8_t *records;       /**< these, one after the other; or both NULL */
  size_t room;            /**< bytes of records */
} es_batch;

typedef struct es_loader es_loader;
typedef struct es_loader_options {
  uint64_t seed;
  int64_t pairs;         /**< global batch */
  int64_t first, count;  /**< records first .. first + count - 1 of the set are used */
  const int64_t *record; /**< [count] instead of these; borrowed. NULL: none */
  bool shuffle;
  bool recipes;  /**< batches hold records and recipes in place of views */
  bool prefetch; /**< prepare the next batch on a thread while the current one computes */
  uint64_t fixed_epoch; /**< of the first pass over the records: that of a probe set lies
                             beyond all of training's */
  int threads;          /**< that make views, 0: one */
} es_loader_options;

/** Bytes of the records and views in the making, of a loader of so many pairs a rank:
 *  those of each of its threads, which are fewer where these would take above 256 MB. */
int64_t es_loader_rooms(const es_dataset *ds, const es_augment *a, int64_t pairs,
                        int threads);

/** Collective. @return ES_ECONFIG if pairs < ranks (got/expected) or there are no
 *  records */
es_status es_loader_create(const es_comm *c, const es_dataset *ds, const es_augment *a,
                           es_shape view, const es_loader_options *o, es_loader **l);
void es_loader_destroy(es_loader **l);
/** This rank's part of the batch of `step` (any step, in any order; consecutive is
 *  fast). The batch is valid until the next call. Position p = step pairs + i of the
 *  stream is epoch p / count, record permutation_epoch(p mod count). @return error of
 *  a record on this rank only: the caller agrees. Values are checked to be finite
 *  (ES_EMATH names the record). */
es_status es_loader_get(es_loader *l, int64_t step, es_batch **batch);
/** Not collective. Wait up to `seconds` for the batch that is being prepared. false: it
 *  is not ready, and es_loader_get would wait. Without `prefetch` always true. */
bool es_loader_wait(es_loader *l, double seconds);
/** Largest n over ranks and steps. */
int es_loader_max(const es_loader *l);
/** The record at a position of the stream. */
int64_t es_loader_record(const es_loader *l, int64_t position);

/** Sections of [data], [augment], each augment.NAME and view2.NAME, appended to `s`
 *  (for params). */
size_t es_data_sections(es_section *s, size_t max);

#endif
