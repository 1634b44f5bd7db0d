# SPDX-License-Identifier: BSD-3-Clause
# es_inih.m4  inih reads the parameter files.

AC_DEFUN([ES_INIH], [ES_LIBRARY_REQUIRED([inih], [inih], [#include <ini.h>],
  [ini_parse_string], [-linih], [libinih-dev])])
