/* SPDX-License-Identifier: BSD-3-Clause */
/** @file main.c  Sub-commands and exit codes: the only exit (but for a rank that fails
 *  alone, es_comm_abort_if_alone) and the only MPI_COMM_WORLD. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "eigenstep/blas_memory.h"
#include "eigenstep/command.h"
#include "eigenstep/mem.h"
#include "eigenstep/registry.h"
#include "eigenstep/provenance.h"
#include "eigenstep/version.h"

extern char **environ;

enum { EXIT_DONE = 0, EXIT_ERROR = 1, EXIT_USAGE = 2, EXIT_STOPPED = 75 };

static void print_version(void) {
  printf(
      "eigenstep %s\n"
      "Copyright (C) 2026 The Eigenstep developers.\n"
      "License: BSD-3-Clause. There is NO WARRANTY, to the extent permitted by law.\n\n",
      es_version());
  es_provenance_code(stdout);
}

static es_status find_command(const char *name, const es_command_ops **found) {
  const es_command_ops *const *list;
  const size_t n = es_command_list(&list);
  return es_registry_find("command", name, (const void *const *) list, n,
                          (const void **) found);
}

static int exit_code(es_status s) {
  if (s == ES_OK) return EXIT_DONE;
  if (s == ES_STOPPED) return EXIT_STOPPED;
  return s == ES_ECONFIG || s == ES_ENOTSUP ? EXIT_USAGE : EXIT_ERROR;
}

/* What the options before the command ask for. */
typedef struct options {
  es_log_level level;
  bool all_ranks, help, version;
  int used; /**< arguments consumed, program name included */
} options;

static es_status parse_options(int argc, char **argv, options *o) {
  o->level = ES_LOG_INFO;
  for (o->used = 1; o->used < argc && argv[o->used][0] == '-'; o->used++) {
    const char *a = argv[o->used];
    if (strcmp(a, "-v") == 0)
      o->level = ES_LOG_PHASE;
    else if (strcmp(a, "-vv") == 0)
      o->level = ES_LOG_LAYER;
    else if (strcmp(a, "--all-ranks") == 0)
      o->all_ranks = true;
    else if (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0)
      o->help = true;
    else if (strcmp(a, "--version") == 0)
      o->version = true;
    else {
      es_error("unknown option '%s'; see eigenstep --help", a);
      return ES_ECONFIG;
    }
  }
  return ES_OK;
}

/* "help COMMAND" is "COMMAND --help", which may stand anywhere among its arguments. */
static const char *asks_for_help(const options *o, int argc, char *const *argv) {
  const char *const command = argv[o->used];
  if (strcmp(command, "help") == 0) return o->used + 1 < argc ? argv[o->used + 1] : "";
  for (int i = o->used + 1; i < argc; i++)
    if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return command;
  return NULL;
}

/* Collective. Of one command, or "": of the program. */
static es_status print_help(const es_comm *comm, const char *name) {
  const es_command_ops *command = NULL;
  if (name[0] == '\0') {
    if (comm->rank == 0) es_command_help_all();
    return ES_OK;
  }
  ES_TRY(find_command(name, &command));
  return es_comm_agree(comm, comm->rank == 0 ? es_command_help(command) : ES_OK);
}

/* srun without MPI support starts every rank as a program of its own: they would write
 * one folder. mpirun names the number of ranks itself. */
static es_status check_launch(const es_comm *comm) {
  const char *const tasks = getenv("SLURM_STEP_NUM_TASKS");
  const bool other = getenv("OMPI_COMM_WORLD_SIZE") != NULL || getenv("PMI_SIZE") != NULL;
  if (tasks == NULL || getenv("SLURM_PROCID") == NULL || other) return ES_OK;
  ES_CHECK(comm->size > 1 || atoi(tasks) <= 1, ES_ENOTSUP,
           "srun started %s tasks, but MPI made each a program of one rank; expected one "
           "program of %s ranks: use 'srun --mpi=pmix' (or pmi2; 'srun --mpi=list' names "
           "what there is), or mpirun",
           tasks, tasks);
  return ES_OK;
}

/* Has stdout been left alone by a launcher? Open MPI gives ranks a terminal of their own,
 * whatever mpirun's output is. */
static bool owns_terminal(void) {
  static const char *const launched[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
                                         "SLURM_PROCID"};
  for (size_t i = 0; i < sizeof launched / sizeof launched[0]; i++)
    if (getenv(launched[i]) != NULL) return false;
  return isatty(STDOUT_FILENO) != 0;
}

/* A command without options takes a file and "section.key=value": what looks like an
 * option is neither. */
static es_status check_options(const es_command_ops *c, int argc, char *const *argv) {
  for (int i = 0; i < argc && !c->options; i++)
    ES_CHECK(strncmp(argv[i], "--", 2) != 0, ES_ECONFIG,
             "%s: unknown option '%s'; usage: eigenstep %s %s", c->name, argv[i], c->name,
             c->usage);
  return ES_OK;
}

static es_status dispatch(const es_comm *comm, int argc, char **argv) {
  options o = {0};
  const es_command_ops *command = NULL;
  es_log_setup(comm->rank, ES_LOG_INFO, false);
  ES_TRY(parse_options(argc, argv, &o));
  es_log_setup(comm->rank, o.level, o.all_ranks);
  if (o.help && comm->rank == 0) es_command_help_all();
  if (o.version && comm->rank == 0) print_version();
  if (o.help || o.version) return ES_OK;
  ES_CHECK(o.used < argc, ES_ECONFIG, "no command is given; see eigenstep --help");
  const char *const help = asks_for_help(&o, argc, argv);
  if (help != NULL) return print_help(comm, help);
  ES_TRY(find_command(argv[o.used], &command));
  ES_TRY(check_options(command, argc - o.used - 1, argv + o.used + 1));
  /* any number of programs may work on one sweep */
  if (strcmp(command->name, "sweep") != 0) ES_TRY(check_launch(comm));
  es_section *section = NULL;
  size_t sections = 0;
  es_status st = es_command_sections(&section, &sections);
  ES_TRY_GOTO(es_comm_agree(comm, st), done);
  const es_job job = {.comm = comm,
                      .argc = argc,
                      .argv = argv,
                      .envp = environ,
                      .section = section,
                      .sections = sections};
  ES_TRY_GOTO(es_comm_agree(comm, es_blas_memory_reserve()), done);
  st = command->run(&job, argc - o.used - 1, argv + o.used + 1);
done:
  es_free(&section);
  return st;
}

/* A descriptor below 3 that the caller closed would be given to the next file opened, and
 * what is printed would be written into it. */
static void fill_standard_descriptors(void) {
  int fd = 0;
  while (fd >= 0 && fd < 3) fd = open("/dev/null", O_RDWR);
  if (fd >= 0) close(fd);
}

int main(int argc, char **argv) {
  es_comm *comm = NULL;
  int provided = 0;
  fill_standard_descriptors();
  signal(SIGXFSZ, SIG_IGN); /* a file past its size limit: an error, not a death */
  signal(SIGPIPE, SIG_IGN); /* nobody reads the output any more: log.txt has it all */
  const bool terminal = owns_terminal(); /* before MPI_Init sets variables of its own */
  /* Open MPI 4.1: shared file pointers, which HDF5 does without, smash the stack where a
   * file's path is longer than 244 characters. */
  setenv("OMPI_MCA_sharedfp", "^lockedfile", 0);
  MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
  es_log_terminal(terminal);
  es_status s = es_comm_create(MPI_COMM_WORLD, &comm);
  if (s == ES_OK) s = es_comm_agree(comm, dispatch(comm, argc, argv));
  es_comm_destroy(&comm);
#ifdef ES_DEBUG
  if (es_mem_now() != 0) es_warn_local("%zu bytes were not freed", es_mem_now());
#endif
  MPI_Finalize();
  return exit_code(s);
}
