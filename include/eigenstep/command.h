/* SPDX-License-Identifier: BSD-3-Clause */
/** @file command.h  Sub-commands of the program. Variants: command_list.h. */
#ifndef ES_COMMAND_H
#define ES_COMMAND_H

#include "eigenstep/provenance.h"

/* --- for authors of a command --------------------------------------------------- */
typedef struct es_command_ops {
  const char *name, *doc; /**< "train", one line for --help */
  const char *usage;      /**< "RUN.ini [section.key=value ...]" */
  /** Append the parameter sections that this command alone reads to s[max] and return how
   *  many; NULL: none. */
  size_t (*sections)(es_section *s, size_t max);
  const char *reads;  /**< "output|run": sections of a run that it reads; NULL: none */
  bool of_a_run;      /**< it reads all of them: help lists them */
  bool options;       /**< it has options of its own, and refuses others itself */
  void (*help)(void); /**< prints more for COMMAND --help, on rank 0; NULL = nothing */
  /** Collective. argv[0 .. argc): what follows the sub-command. ES_ECONFIG = exit code 2.
   */
  es_status (*run)(const es_job *job, int argc, char *const *argv);
} es_command_ops;

size_t es_command_list(const es_command_ops *const **list);

/** The sections of all modules and commands, in memory that the caller frees with
 *  es_free. */
es_status es_command_sections(es_section **s, size_t *n);

/** s[max] <- those of the n sections that `names` has, as es_command_ops.reads; `of` may
 *  be s. Returns how many. */
size_t es_command_pick(const char *names, const es_section *of, size_t n, es_section *s,
                       size_t max);

/** Print what --help says of the program, with all commands; on the calling rank. */
void es_command_help_all(void);

/** Print usage, parameter sections and further help of a command on the calling rank.
 *  ES_ENOMEM. */
es_status es_command_help(const es_command_ops *c);
/** A line for each section on the calling rank, but those of the second view. */
void es_command_print_sections(const es_section *s, size_t n);

#endif
