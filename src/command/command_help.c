/* SPDX-License-Identifier: BSD-3-Clause */
/** @file command_help.c  What --help prints, of the program and of a command. The manual
 *  page is made from it (help2man): a description starts in column 24. */
#include <stdio.h>
#include <string.h>
#include "eigenstep/command.h"
#include "eigenstep/mem.h"
#include "eigenstep/settings.h"

enum { COLUMN = 24, WIDTH = 79 };

/* Text from the present column on, wrapped at words; the last line is ended. */
static void print_wrapped(int column, const char *text) {
  int at = column;
  while (*text != '\0') {
    const int n = (int) strcspn(text, " ");
    if (at > column && at + 1 + n > WIDTH) {
      printf("\n%*s", column, "");
      at = column;
    }
    at += printf("%s%.*s", at > column ? " " : "", n, text);
    text += n;
    text += strspn(text, " ");
  }
  printf("\n");
}

/* Two columns: the item, and what it is, on a line of its own where the item is long. */
static void print_item(const char *item, const char *text) {
  const int used = printf("  %s", item);
  if (used + 2 > COLUMN) printf("\n");
  printf("%*s", used + 2 > COLUMN ? COLUMN : COLUMN - used, "");
  print_wrapped(COLUMN, text);
}

void es_command_help_all(void) {
  const es_command_ops *const *list;
  const size_t n = es_command_list(&list);
  printf("Usage: eigenstep [OPTION]... COMMAND [ARGUMENT]...\n"
         "Records, predicts and speeds up self-supervised learning, which learns one\n"
         "eigen-direction of the embedding after another.\n\nCommands:\n");
  for (size_t i = 0; i < n; i++) {
    char item[160];
    snprintf(item, sizeof item, "%s %s", list[i]->name, list[i]->usage);
    print_item(item, list[i]->doc);
  }
  printf("\n'eigenstep COMMAND --help' prints the sections of a command's parameters.\n\n"
         "Options:\n"
         "  -v           also print phases and their times\n"
         "  -vv          also print choices per layer\n"
         "  --all-ranks  print the lines of every rank, not only of rank 0\n"
         "  --help       print this help and exit\n"
         "  --version    print version, build and libraries and exit\n\n"
         "RUN.ini may be '-' for the defaults; 'eigenstep params' prints them all.\n"
         "Start it with mpirun or srun on any number of ranks.\n\n"
         "Exit status: 0 done, 1 error, 2 wrong usage or parameters, 75 stopped early\n"
         "by request: a training with a checkpoint, ntk with its state.\n\n"
         "Report bugs to the issue tracker of the project you got it from.\n");
}

void es_command_print_sections(const es_section *s, size_t n) {
  for (size_t i = 0; i < n; i++) {
    char name[64];
    snprintf(name, sizeof name, "[%s]", s[i].name);
    /* the sections of the second view repeat those of the first */
    if (strncmp(s[i].name, "view2.", strlen("view2.")) != 0)
      print_item(name, s[i].doc != NULL ? s[i].doc : "");
  }
}

es_status es_command_help(const es_command_ops *c) {
  enum { MOST = 256 };
  es_section *s = NULL;
  ES_TRY(ES_NEW(MOST, &s));
  printf("Usage: eigenstep %s %s\n", c->name, c->usage);
  print_wrapped(0, c->doc);
  size_t own = c->sections != NULL ? c->sections(s, MOST) : 0;
  es_section *const of_run = s + own;
  own += es_command_pick(c->reads, of_run, es_settings_sections(of_run, MOST - own),
                         of_run, MOST - own);
  if (own > 0)
    printf("\nIts %sparameters, listed by 'eigenstep params SECTION':\n",
           c->reads == NULL ? "own " : "");
  es_command_print_sections(s, own);
  fflush(stdout);
  if (c->help != NULL) c->help();
  if (c->of_a_run) {
    const size_t n = es_settings_sections(s, MOST);
    printf("\n%s of a run, listed by 'eigenstep params SECTION'; [view2.NAME]\n"
           "holds what differs from [augment.NAME] in the second view:\n",
           own > 0 ? "Parameters" : "Its parameters are those");
    es_command_print_sections(s, n);
  }
  es_free(&s);
  return ES_OK;
}
