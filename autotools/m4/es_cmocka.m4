# SPDX-License-Identifier: BSD-3-Clause
# es_cmocka.m4  cmocka runs the unit tests; without it `make check` reports them skipped.

AC_DEFUN([ES_CMOCKA], [
  ES_LIBRARY([cmocka], [cmocka], [#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>], [_cmocka_run_group_tests], [-lcmocka], [libcmocka-dev])
  AS_IF([test $es_have_cmocka = no],
    [AS_CASE([$with_cmocka],
       [default|no], [es_cmocka_note="no: make check skips the unit tests"],
       [AC_MSG_ERROR([--with-cmocka was given, but cmocka was not found])])])
  AC_SUBST([CMOCKA_CPPFLAGS], [$es_cmocka_cppflags])
  AC_SUBST([CMOCKA_LIBS], [$es_cmocka_libs])
  AM_CONDITIONAL([HAVE_CMOCKA], [test $es_have_cmocka = yes])
])
