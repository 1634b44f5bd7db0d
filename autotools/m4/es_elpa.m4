# SPDX-License-Identifier: BSD-3-Clause
# es_elpa.m4  ELPA, an optional eigensolver. Only if asked for; asked for and missing is
# an error.

AC_DEFUN([ES_ELPA], [
  AS_IF([test "x${with_elpa-no}" = xno], [with_elpa=no])
  ES_LIBRARY([elpa], [elpa], [#include <elpa/elpa.h>], [elpa_eigenvectors_a_h_a_d],
    [-lelpa], [libelpa-dev])
  AS_IF([test "x$with_elpa" != xno && test $es_have_elpa = no],
    [AC_MSG_ERROR([--with-elpa was given, but ELPA was not found (Debian: dnl
libelpa-dev)])])
  AS_IF([test $es_have_elpa = no], [es_elpa_note="no (--with-elpa)"], [
    AC_DEFINE([HAVE_ELPA], [1], [Build the eigensolver elpa])
    ES_CPPFLAGS="$ES_CPPFLAGS $es_elpa_cppflags"
    LIBS="$es_elpa_libs $LIBS"])
  AM_CONDITIONAL([HAVE_ELPA], [test $es_have_elpa = yes])
])
