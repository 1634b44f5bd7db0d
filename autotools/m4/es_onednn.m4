# SPDX-License-Identifier: BSD-3-Clause
# es_onednn.m4  oneDNN 2.6 or later, 3 included: the fast CPU backend. Used where found.

AC_DEFUN([ES_ONEDNN], [
  ES_LIBRARY([onednn], [dnnl], [#include <dnnl.h>], [dnnl_primitive_execute], [-ldnnl],
    [libdnnl-dev])
  AS_IF([test $es_have_onednn = no],
    [AS_CASE([$with_onednn],
       [default|no], [es_onednn_note="no: backend blas only (--with-onednn)"],
       [AC_MSG_ERROR([--with-onednn was given, but oneDNN was not found dnl
(Debian: libdnnl-dev)])])])
  es_onednn_major=
  AS_IF([test $es_have_onednn = yes], [
    es_old_cppflags=$CPPFLAGS
    CPPFLAGS="$es_onednn_cppflags $CPPFLAGS"
    AC_COMPUTE_INT([es_onednn_major], [DNNL_VERSION_MAJOR], [#include <dnnl.h>], [0])
    AC_COMPUTE_INT([es_onednn_minor], [DNNL_VERSION_MINOR], [#include <dnnl.h>], [0])
    CPPFLAGS=$es_old_cppflags
    AS_IF([test "$es_onednn_major" -lt 2 || { test "$es_onednn_major" -eq 2 &&
             test "$es_onednn_minor" -lt 6; }],
      [AC_MSG_ERROR([oneDNN $es_onednn_major.$es_onednn_minor is too old, 2.6 or later dnl
is needed; --without-onednn does without])])
    es_onednn_note="$es_onednn_major.$es_onednn_minor"
    AC_DEFINE([HAVE_ONEDNN], [1], [Build the backend onednn])
    ES_CPPFLAGS="$ES_CPPFLAGS $es_onednn_cppflags"
    LIBS="$es_onednn_libs $LIBS"])
  AM_CONDITIONAL([HAVE_ONEDNN], [test $es_have_onednn = yes])
  AM_CONDITIONAL([HAVE_ONEDNN_2], [test "x$es_onednn_major" = x2])
])
