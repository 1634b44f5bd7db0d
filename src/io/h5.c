/* SPDX-License-Identifier: BSD-3-Clause */
/** @file h5.c  Parallel HDF5 files: create, open, flush, close.
 *
 *  A file is opened by all ranks (MPI-IO, collective metadata, format of HDF5 1.8 so that
 *  every reader understands it and no "still open" flag is left by a killed run).
 *  Full disks: with Open MPI 4.1 a failed write is reported by some ranks only or by
 * none, and HDF5 1.10 then waits for ever in its next collective; so space is reserved
 * first (es_h5_reserve), where a failure is one errno on one rank. */
#define _GNU_SOURCE /* fallocate, memfd_create */
#include "h5_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>
#include "eigenstep/mem.h"

enum {
  METADATA_SLACK = 1 << 14, /* bytes one operation may add besides its data */
  AHEAD = 1 << 22,          /* reserved for later operations */
  OPENINGS = 100            /* of a file that is replaced meanwhile */
};
#define PLENTY 64e6 /* bytes that are free where space is reserved ahead */

static herr_t keep_innermost(unsigned depth, const H5E_error2_t *e, void *text) {
  if (depth == 0) snprintf(text, 400, "%s (%s)", e->desc ? e->desc : "?", e->func_name);
  return 0;
}

void es_h5_blame_(es_collective_error *n, const char *where, const es_h5 *f,
                  const char *action, const char *object) {
  char why[400] = "no message";
  if (n->status != ES_OK) return;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, why);
  es_collective_error_set_(n, where, ES_EIO, "cannot %s %s%s%s: HDF5 says: %s", action,
                           f->path, *object ? ":" : "", object, why);
  if (es_comm_failed_alone(f->comm)) {
    es_log(ES_LOG_ERROR, where, "%s", n->text);
    es_comm_abort(f->comm, n->status);
  }
}

es_status es_h5_report(const es_h5 *f, const es_collective_error *n) {
  return n->status == ES_OK ? ES_OK : es_collective_error_agree(f->comm, n);
}

/* Is `path`, or what it is in, a link to nothing, or its parent no group? */
static bool leads_nowhere(const es_h5 *f, const char *path) {
  char at[512];
  snprintf(at, sizeof at, "%s", path);
  for (bool parent = false; *at != '\0'; parent = true) {
    H5L_info_t link;
    const hid_t o = H5Oopen(f->id, at, H5P_DEFAULT);
    const bool group = o >= 0 && H5Iget_type(o) == H5I_GROUP;
    if (o >= 0) H5Oclose(o);
    if (o >= 0) return parent && !group;
    if (H5Lget_info(f->id, at, &link, H5P_DEFAULT) >= 0)
      return link.type != H5L_TYPE_HARD;
    *strrchr(at, '/') = '\0';
  }
  return false;
}

bool es_h5_answer(es_h5 *f, const char *path, htri_t answer) {
  es_collective_error n = {0};
  if (answer >= 0) return answer > 0;
  es_h5_blame(&n, f, "look for", path);
  if (f->unanswered.status == ES_OK && !leads_nowhere(f, path)) f->unanswered = n;
  return false;
}

void es_h5_take_unanswered(es_h5 *f, es_collective_error *n) {
  if (n->status == ES_OK) *n = f->unanswered;
  f->unanswered.status = ES_OK;
}

/* Reserve [end, end + bytes) beyond the end of the file without changing its size. */
static int reserve_blocks(int fd, int64_t end, int64_t bytes) {
  struct rlimit most; /* holds for writing, not for reserving */
  if (getrlimit(RLIMIT_FSIZE, &most) == 0 && (rlim_t) (end + bytes) > most.rlim_cur) {
    return EFBIG;
  }
  if (fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t) end, (off_t) bytes) == 0) return 0;
  if (errno != EOPNOTSUPP && errno != ENOSYS) {
    const int err = errno;
    struct stat s; /* truncating to its own size gives back what was reserved in part */
    if (fstat(fd, &s) != 0 || ftruncate(fd, s.st_size) != 0) return errno;
    return err;
  }
  struct statvfs v;
  if (fstatvfs(fd, &v) != 0) return errno;
  return (double) v.f_bavail * (double) v.f_frsize < (double) bytes ? ENOSPC : 0;
}

/* Reserve what was reserved and is not written, and `missing` bytes more, whose failure
 * gives all of it back. The former is taken again, as metadata that HDF5 still holds will
 * need it; *lost: somebody else had it meanwhile. */
static int reserve_again(const es_h5 *f, int64_t missing, int64_t *lost) {
  struct stat s;
  const bool known = fstat(f->fd, &s) == 0 && (int64_t) s.st_size < f->end;
  const int64_t from = known ? (int64_t) s.st_size : f->end;
  const int err = reserve_blocks(f->fd, from, f->end + missing - from);
  *lost = err != 0 && f->end > from && reserve_blocks(f->fd, from, f->end - from) != 0;
  return err;
}

/* Is there so much room that none need be given back? */
static bool has_plenty(int fd) {
  struct statvfs v;
  return fstatvfs(fd, &v) == 0 && (double) v.f_bavail * (double) v.f_frsize > PLENTY;
}

es_status es_h5_reserve(es_h5 *f, int64_t bytes) {
  const int64_t need = bytes + bytes / 16 + METADATA_SLACK;
  es_collective_error n = {0};
  int64_t got[3] = {0, 0, 0}; /* bytes ahead; 1: no room once more; 1: what was is lost */
  if (need <= f->ahead) {
    f->ahead -= need;
    return ES_OK;
  }
  const int64_t missing = need - f->ahead;
  if (f->comm->rank == 0) {
    if (has_plenty(f->fd) && reserve_blocks(f->fd, f->end, missing + AHEAD) == 0)
      got[0] = AHEAD;
    const int err = got[0] > 0 ? 0 : reserve_again(f, missing, &got[2]);
    if (err == 0)
      f->end += missing + got[0];
    else if (f->short_of_room)
      got[1] = 1;
    else
      es_collective_error_set(&n, ES_EIO, "cannot write %lld more bytes to %s: %s",
                              (long long) need, f->path, strerror(err));
  }
  const es_status st = es_collective_error_agree_max(f->comm, &n, got, 3);
  f->short_of_room = f->short_of_room || st != ES_OK;
  f->failed = f->failed || got[1] > 0 ||
              got[2] > 0; /* it is closed without what is not written */
  if (st != ES_OK || got[1] > 0) return st != ES_OK ? st : ES_EIO;
  f->ahead = got[0];
  return ES_OK;
}

/* Every rank has a cache of the metadata, and which entries are in it must be the same on
 * all ranks: collective calls read a missing one together. By default HDF5 adapts the
 * size of a cache to its rank's own accesses (rank 0 writes most rows, so it has more of
 * them) and drops what was not used for a while; a later collective call then waits
 * for ever. So sizes are fixed, and nothing that is being written leaves a cache. */
static herr_t fix_metadata_cache(hid_t access, bool write) {
  H5AC_cache_config_t cache = {.version = H5AC__CURR_CACHE_CONFIG_VERSION};
  if (H5Pget_mdc_config(access, &cache) < 0) return -1;
  cache.set_initial_size = true;
  cache.initial_size = cache.max_size;
  cache.incr_mode = H5C_incr__off;
  cache.flash_incr_mode = H5C_flash_incr__off;
  cache.decr_mode = H5C_decr__off;
  cache.evictions_enabled = !write;
  return H5Pset_mdc_config(access, &cache);
}

/* Written in HDF5 1.8's format; read in any. */
static hid_t access_plist(const es_comm *c, bool write) {
  const hid_t p = H5Pcreate(H5P_FILE_ACCESS);
  if (p < 0) return p;
  if (H5Pset_fapl_mpio(p, c->mpi, MPI_INFO_NULL) >= 0 &&
      H5Pset_coll_metadata_write(p, true) >= 0 &&
      H5Pset_all_coll_metadata_ops(p, true) >= 0 && fix_metadata_cache(p, write) >= 0 &&
      H5Pset_libver_bounds(p, H5F_LIBVER_V18,
                           write ? H5F_LIBVER_V18 : H5F_LIBVER_LATEST) >= 0) {
    return p;
  }
  H5Pclose(p);
  return -1;
}

/* Members are listed in the order they were written. */
static hid_t creation_plist(void) {
  const hid_t p = H5Pcreate(H5P_FILE_CREATE);
  if (p >= 0)
    H5Pset_link_creation_order(p, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  return p;
}

/* All ranks, while none writes: what was reserved beyond the end of the file is given
 * back. */
static void give_back(es_h5 *f) {
  struct stat s;
  f->ahead = 0;
  if (f->fd < 0 || fstat(f->fd, &s) != 0) return;
  if (f->end <= s.st_size || ftruncate(f->fd, s.st_size) == 0) f->end = s.st_size;
}

/* A write that fails on one of several ranks leaves the others waiting inside HDF5, where
 * no error can reach them: MPI has to abort the job. A single rank gets an error. */
static void end_job_on_failure(const es_h5 *f) {
  MPI_File *file = NULL;
  if (!f->writable || f->comm->size == 1) return;
  if (H5Fget_vfd_handle(f->id, H5P_DEFAULT, (void **) &file) < 0 || !file) return;
  MPI_File_set_errhandler(*file, MPI_ERRORS_ARE_FATAL);
}

/* Other programs that use HDF5 may read a file while it is written, not write it: they
 * take a shared lock for the one, an exclusive lock for the other. */
static void keep_writers_out(int fd) {
  if (fd >= 0) flock(fd, LOCK_SH | LOCK_NB);
}

/* What is opened; fd: as in es_h5, taken in any case. */
typedef struct opening {
  const char *path;
  bool write, create;
  int fd;
} opening;

/* Collective. The handle around an HDF5 file. */
static es_status attach(const es_comm *c, const opening *o, es_h5 **out) {
  /* a file that cannot be closed must not be tried again after MPI has ended */
  H5dont_atexit();
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  es_h5 *f = NULL;
  es_collective_error n = {0};
  if (ES_NEW(1, &f) != ES_OK || es_strdup(o->path, &f->path) != ES_OK) {
    es_collective_error_set(&n, ES_ENOMEM, "out of memory for a file handle");
  }
  es_status st = es_collective_error_agree(c, &n);
  if (st != ES_OK) goto fail;
  *f = (es_h5){.comm = c,
               .id = -1,
               .fd = o->fd,
               .writable = o->write,
               .round_bytes = (int64_t) 1 << 30,
               .path = f->path};
  give_back(f);
  keep_writers_out(o->fd);
  const hid_t access = access_plist(c, o->write), creation = creation_plist();
  f->id = o->create ? H5Fcreate(o->path, H5F_ACC_TRUNC, creation, access)
                    : H5Fopen(o->path, o->write ? H5F_ACC_RDWR : H5F_ACC_RDONLY, access);
  if (f->id < 0) es_h5_blame(&n, f, o->create ? "create" : "open", "");
  if (access >= 0) H5Pclose(access);
  if (creation >= 0) H5Pclose(creation);
  ES_TRY_GOTO(es_collective_error_agree(c, &n), fail);
  end_job_on_failure(f);
  *out = f;
  return ES_OK;
fail:
  if (o->fd >= 0) close(o->fd);
  if (f) es_free(&f->path);
  es_free(&f);
  return st;
}

es_status es_h5_create(const es_comm *c, const char *path, es_h5 **f) {
  es_collective_error n = {0};
  int fd = -1;
  if (c->rank == 0) {
    fd = open(path, O_CREAT | O_EXCL | O_RDWR, 0666);
    if (fd < 0) {
      es_collective_error_set(&n, ES_EIO, "cannot create %s: %s", path, strerror(errno));
    }
  }
  ES_TRY(es_collective_error_agree(c, &n));
  es_h5 *new = NULL;
  es_status st = es_h5_check_file(c, path, true);
  if (st != ES_OK && fd >= 0) close(fd);
  const opening o = {path, true, true, fd};
  if (st == ES_OK) st = attach(c, &o, &new);
  if (st == ES_OK) st = es_h5_reserve(new, 0);
  if (st != ES_OK) {
    if (new) new->failed = true; /* nothing more is written to it */
    es_h5_close(&new);
    if (c->rank == 0) unlink(path);
    return st;
  }
  *f = new;
  return ES_OK;
}

es_status es_h5_open(const es_comm *c, const char *path, bool write, es_h5 **f) {
  ES_TRY(es_h5_check_file(c, path, write));
  const int fd = write && c->rank == 0 ? open(path, O_RDWR) : -1;
  const opening o = {path, write, false, fd};
  return attach(c, &o, f);
}

es_status es_h5_open_live(const es_comm *c, const char *path, es_h5 **f) {
  const struct timespec pause = {.tv_nsec = 1000000};
  const opening o = {path, false, false, -1};
  es_collective_error n = {0};
  *f = NULL;
  ES_TRY(es_h5_check_file(c, path, false));
  for (int i = 0; i < OPENINGS; i++) {
    int fd;
    bool same;
    es_status st = ES_OK;
    ES_TRY(es_h5_hold(c, path, &fd, &same));
    if (same) st = attach(c, &o, f);
    same = es_h5_let_go(c, path, fd) && same;
    if (same || st != ES_OK) return st;
    ES_TRY(es_h5_close(f));
    nanosleep(&pause, NULL);
  }
  es_collective_error_set(&n, ES_EIO,
                          "%s was replaced %d times while it was opened; try again", path,
                          OPENINGS);
  return es_collective_error_agree(c, &n);
}

es_status es_h5_flush(es_h5 *f) {
  ES_TRY(es_h5_reserve(f, 0));
  es_collective_error n = {0};
  if (H5Fflush(f->id, H5F_SCOPE_GLOBAL) < 0) es_h5_blame(&n, f, "write", "");
  if (f->fd >= 0 && fsync(f->fd) != 0) {
    es_collective_error_set(&n, ES_EIO, "cannot write %s to disk: %s", f->path,
                            strerror(errno));
  }
  const es_status st = es_collective_error_agree(f->comm, &n);
  f->failed = f->failed || st != ES_OK;
  give_back(
      f); /* all ranks have written; what lengthens the file begins with an agreement */
  if (st != ES_OK) return st;
  es_h5_take_unanswered(f,
                        &n); /* damage elsewhere: an error, but all of this is written */
  return es_collective_error_agree(f->comm, &n);
}

bool es_h5_is_whole(const es_h5 *f) {
  return !f->failed;
}

/* HDF5 repeats a failed write when it closes the file; if that fails too it keeps an
 * invalid handle, and MPI_Finalize crashes. So the descriptors of the file are redirected
 * to memory: HDF5 can close it, and the error has been reported already. */
static void divert(const es_h5 *f) {
  struct stat file, s;
  const int memory = memfd_create("discarded", 0);
  DIR *open_files = opendir("/proc/self/fd");
  const bool known = memory >= 0 && stat(f->path, &file) == 0;
  for (struct dirent *e = open_files ? readdir(open_files) : NULL; e && known;
       e = readdir(open_files)) {
    const int fd = atoi(e->d_name);
    if (*e->d_name == '.' || fd == f->fd || fstat(fd, &s) != 0) continue;
    if (s.st_dev == file.st_dev && s.st_ino == file.st_ino) dup2(memory, fd);
  }
  if (open_files) closedir(open_files);
  if (memory >= 0) close(memory);
}

es_status es_h5_close(es_h5 **pf) {
  es_h5 *f = *pf;
  if (!f) return ES_OK;
  *pf = NULL;
  es_collective_error n = {0};
  if (f->writable && !f->failed) {
    if (H5Fflush(f->id, H5F_SCOPE_GLOBAL) < 0) es_h5_blame(&n, f, "write", "");
    f->failed = es_comm_agree(f->comm, n.status) != ES_OK;
  }
  if (f->failed) divert(f);
  if (H5Fclose(f->id) < 0) es_h5_blame(&n, f, "close", "");
  es_h5_take_unanswered(f, &n);
  es_comm_barrier(f->comm);
  give_back(f);
  if (f->fd >= 0 && (fsync(f->fd) != 0 || close(f->fd) != 0)) {
    es_collective_error_set(&n, ES_EIO, "cannot write %s to disk: %s", f->path,
                            strerror(errno));
  }
  const es_status st = es_collective_error_agree(f->comm, &n);
  es_free(&f->path);
  es_free(&f);
  return st;
}
