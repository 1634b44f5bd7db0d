# SPDX-License-Identifier: BSD-3-Clause
# es_blas.m4  BLAS with its C interface, and LAPACK by its Fortran names.
# OpenBLAS has both; others are named with --with-blas=LIBS --with-lapack=LIBS.

AC_DEFUN([ES_BLAS], [
  AC_ARG_WITH([blas], [AS_HELP_STRING([--with-blas=LIBS],
    [BLAS with cblas.h, as "-lopenblas" @<:@search openblas, blis, cblas@:>@])])
  AC_ARG_WITH([lapack], [AS_HELP_STRING([--with-lapack=LIBS],
    [LAPACK @<:@the BLAS library itself, then lapack@:>@])])
  AS_IF([test "x$with_blas" = xno || test "x$with_lapack" = xno],
    [AC_MSG_ERROR([BLAS and LAPACK are required])])

  es_blas_cppflags= es_blas_libs=
  AC_MSG_CHECKING([for BLAS with cblas.h])
  AS_IF([test -n "$with_blas" && test "x$with_blas" != xyes], [es_try="$with_blas"],
        [es_try="-lopenblas|-lblis|-lcblas -lblas"
         AS_IF([$PKG_CONFIG --exists openblas 2>/dev/null],
           [es_blas_cppflags=`$PKG_CONFIG --cflags openblas`
            es_try="`$PKG_CONFIG --libs openblas`|$es_try"])])
  es_ifs=$IFS; IFS='|'; set x $es_try; shift; IFS=$es_ifs
  for es_libs in "$[]@"; do
    ES_TRY_LINK([#include <cblas.h>], [cblas_sgemm], [$es_blas_cppflags], [$es_libs],
      [es_blas_libs=$es_libs; break])
  done
  AC_MSG_RESULT([${es_blas_libs:-no}])
  AS_IF([test -z "$es_blas_libs"],
    [AC_MSG_ERROR([no BLAS with cblas.h; dnl
give --with-blas=LIBS (Debian: libopenblas-dev)])])
  ES_CPPFLAGS="$ES_CPPFLAGS $es_blas_cppflags"
  LIBS="$es_blas_libs $LIBS"

  AC_MSG_CHECKING([for LAPACK])
  es_lapack_libs=
  AS_IF([test -n "$with_lapack" && test "x$with_lapack" != xyes],
    [set x "$with_lapack"], [set x " " "-llapack"]); shift
  for es_libs in "$[]@"; do
    ES_TRY_LINK([void dsyevd_(void);], [dsyevd_], [], [$es_libs],
      [es_lapack_libs=$es_libs; break])
  done
  AC_MSG_RESULT([${es_lapack_libs:-no}])
  AS_IF([test -z "$es_lapack_libs"],
    [AC_MSG_ERROR([no LAPACK; give --with-lapack=LIBS (Debian: libopenblas-dev)])])
  LIBS="$es_lapack_libs $LIBS"
  AC_CHECK_FUNCS([openblas_get_config openblas_set_num_threads])
])
