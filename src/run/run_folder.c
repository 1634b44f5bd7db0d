/* SPDX-License-Identifier: BSD-3-Clause */
/** @file run_folder.c  The output folder of a run: opened, locked, resumed, closed; the
 *  text files in it. */
#include "eigenstep/run_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "eigenstep/mem.h"
#include "eigenstep/run_facts.h"
#include "eigenstep/run_files.h"
#include "eigenstep/version.h"

/* An existing folder must be empty; one that does not exist is fine. */
static es_status look(const char *dir) {
  ES_CHECK(dir[0] != '\0', ES_ECONFIG, "output.dir: got nothing, expected a folder");
  DIR *d = opendir(dir);
  if (d == NULL) {
    ES_CHECK(errno == ENOENT, ES_EIO, "output folder '%s': %s", dir, strerror(errno));
    return ES_OK;
  }
  int entries = 0;
  for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
    entries += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
  }
  closedir(d);
  ES_CHECK(entries == 0, ES_ECONFIG,
           "output folder '%s' is not empty (%d entries): nothing is overwritten, choose "
           "another output.dir",
           dir, entries);
  return ES_OK;
}

es_status es_run_folder_check(const es_job *job, const char *dir) {
  return es_comm_agree(job->comm, job->comm->rank == 0 ? look(dir) : ES_OK);
}

static void unused_line(void *ctx, const char *key, const char *value) {
  fprintf(ctx, "%s = %s\n", key, value);
}

/* Lock the log file, so that no second program writes this folder. On file systems
 * without locks there is no protection. Rank 0. */
static es_status take_lock(es_run_folder *o, int how) {
  char path[1200];
  snprintf(path, sizeof path, "%s/log.txt", o->dir);
  o->lock = open(path, O_RDWR | O_APPEND | O_CLOEXEC | how, 0666);
  if (o->lock < 0 && how == 0) ES_TRY(es_run_facts_refuse(o->dir, "log.txt", errno));
  ES_CHECK(o->lock >= 0, ES_EIO, "cannot open '%s': %s", path, strerror(errno));
  if (flock(o->lock, LOCK_EX | LOCK_NB) == 0) {
    es_run_facts_correct_status(o->dir, true);
    return ES_OK;
  }
  if (errno != EWOULDBLOCK) return ES_OK;
  es_run_folder_unlock(o);
  ES_CHECK(false, ES_ECONFIG,
           "output folder '%s': a running program writes to it; expected a run that has "
           "ended",
           o->dir);
  return ES_OK;
}

/* Collective. how: O_CREAT or 0. */
static es_status lock(const es_job *job, const char *dir, int how, es_run_folder *o) {
  *o = (es_run_folder){.lock = -1};
  snprintf(o->dir, sizeof o->dir, "%s", dir);
  o->stop.every = 1;
  snprintf(o->stop.file, sizeof o->stop.file, "%s/stop", dir);
  return es_comm_agree(job->comm, job->comm->rank == 0 ? take_lock(o, how) : ES_OK);
}

es_status es_run_folder_lock(const es_job *job, const char *dir, es_run_folder *o) {
  return lock(job, dir, 0, o);
}

es_status es_run_folder_claim(const es_job *job, const char *dir, es_run_folder *o) {
  return lock(job, dir, O_CREAT, o);
}

void es_run_folder_unlock(es_run_folder *o) {
  if (o->lock >= 0) close(o->lock);
  o->lock = -1;
}

/* Text of a FILE-writing function as DIR/name. What a resumed run was made by before
 * stays. */
static es_status open_text(const es_run_folder *o, const char *name, FILE **f) {
  char path[1200];
  snprintf(path, sizeof path, "%s/%s", o->dir, name);
  *f = fopen(path, o->resumed ? "a" : "w");
  ES_CHECK(*f != NULL, ES_EIO, "cannot create '%s': %s", path, strerror(errno));
  if (o->resumed) fprintf(*f, "\nresumed at step %lld\n", (long long) o->first_step);
  return ES_OK;
}

static es_status close_text(FILE *f, const char *name) {
  const bool bad = ferror(f) != 0;
  const bool unclosed = fclose(f) != 0;
  ES_CHECK(!bad && !unclosed, ES_EIO, "cannot write '%s': %s", name, strerror(errno));
  return ES_OK;
}

static es_status write_texts(const es_config *cfg, const es_run_folder *o) {
  FILE *f = NULL;
  char path[1200];
  ES_TRY(es_run_files_status(o->dir, "RUNNING"));
  ES_TRY(es_run_files_write(o->dir, "run.ini", o->config_text));
  if (!o->resumed) {
    ES_TRY(open_text(o, "unused.txt", &f));
    es_config_unused(cfg, unused_line, f);
    ES_TRY(close_text(f, "unused.txt"));
  }
  ES_TRY(open_text(o, "build.txt", &f));
  es_provenance_code(f);
  ES_TRY(close_text(f, "build.txt"));
  snprintf(path, sizeof path, "%s/log.txt", o->dir);
  ES_CHECK(es_log_file(path), ES_EIO, "cannot create '%s': %s", path, strerror(errno));
  if (!o->resumed) es_config_warn_unused(cfg, "unused.txt");
  return ES_OK;
}

static es_status write_job(const es_job *job, const es_run_folder *o) {
  FILE *f = NULL;
  const bool root = job->comm->rank == 0;
  ES_TRY(es_comm_agree(job->comm, root ? open_text(o, "job.txt", &f) : ES_OK));
  es_status st = es_provenance_job(job, f);
  if (root) {
    const es_status closed = close_text(f, "job.txt");
    if (st == ES_OK) st = closed;
  }
  return es_comm_agree(job->comm, st);
}

static es_status open_all(const es_job *job, es_config *cfg, es_run_folder *o) {
  const es_comm *c = job->comm;
  char path[1200];
  const es_status text =
      es_config_text(cfg, job->section, job->sections, false, &o->config_text);
  ES_TRY(es_comm_agree(c, text));
  ES_TRY(es_comm_agree(c, c->rank == 0 ? write_texts(cfg, o) : ES_OK));
  ES_TRY(write_job(job, o));
  if (!o->resumed) {
    snprintf(path, sizeof path, "%s/trajectory.h5", o->dir);
    ES_TRY(es_traj_create(c, path, &o->traj));
  }
  return es_provenance_h5(es_traj_h5(o->traj), job, cfg);
}

es_status es_run_folder_open(const es_job *job, es_config *cfg, const char *dir,
                             es_run_folder *o) {
  ES_TRY(es_run_files_create(job->comm, dir));
  ES_TRY(lock(job, dir, O_CREAT, o));
  const es_status st = open_all(job, cfg, o);
  return st == ES_OK ? ES_OK : es_run_folder_close(job, o, st, 0);
}

es_status es_run_folder_resume(const es_job *job, es_config *cfg, int64_t step,
                               es_run_folder *o) {
  char path[1200];
  snprintf(path, sizeof path, "%s/trajectory.h5", o->dir);
  ES_TRY(es_traj_open(job->comm, path, &o->traj)); /* before anything is changed */
  o->resumed = true;
  o->first_step = step;
  const es_status st = open_all(job, cfg, o);
  if (st != ES_OK) return es_run_folder_close(job, o, st, step);
  snprintf(path, sizeof path, "%s/stop", o->dir);
  if (job->comm->rank == 0 && unlink(path) == 0) es_info("removed the file '%s'", path);
  es_info("eigenstep %s, resumed at step %lld on %d rank%s", es_version(),
          (long long) step, job->comm->size, job->comm->size == 1 ? "" : "s");
  return ES_OK;
}

static es_status final_status(const es_run_folder *o, es_status result, int64_t step) {
  char line[1400];
  if (result == ES_OK) {
    snprintf(line, sizeof line, "DONE");
  } else if (result == ES_STOPPED) {
    snprintf(line, sizeof line, "STOPPED %lld %s", (long long) step,
             es_stop_name(o->stop.cause));
  } else {
    char path[1200];
    const char *why = es_log_last_error();
    snprintf(path, sizeof path, "%s/STATUS", o->dir);
    if (access(path, F_OK) != 0) return ES_OK; /* not even that could be written */
    snprintf(line, sizeof line, "FAILED %s",
             why[0] != '\0' ? why : es_status_name(result));
  }
  return es_run_files_status(o->dir, line);
}

void es_run_folder_say_stopped_in(const es_run_folder *o, const char *part, int64_t step,
                                  int64_t steps) {
  es_info("stopped%s%s at step %lld of %lld (%s): what was made until then is kept in "
          "'%s'; there is no checkpoint; to repeat it, start a new run with another "
          "output.dir",
          part[0] != '\0' ? " in " : "", part, (long long) step, (long long) steps,
          es_stop_name(o->stop.cause), o->dir);
}

void es_run_folder_say_stopped(const es_run_folder *o, int64_t step, int64_t steps) {
  es_run_folder_say_stopped_in(o, "", step, steps);
}

es_status es_run_folder_close(const es_job *job, es_run_folder *o, es_status result,
                              int64_t step) {
  if (o->traj != NULL) {
    const es_status closed = es_traj_close(&o->traj);
    if (result >= ES_OK && closed != ES_OK) result = closed;
  }
  es_free(&o->config_text);
  es_status st = job->comm->rank == 0 ? final_status(o, result, step) : ES_OK;
  if (job->comm->rank == 0) es_log_file(NULL);
  es_run_folder_unlock(o);
  st = es_comm_agree(job->comm, st);
  return result < ES_OK || st == ES_OK ? result : st;
}
