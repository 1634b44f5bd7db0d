# SPDX-License-Identifier: BSD-3-Clause
# es_openmp.m4  OpenMP threads within a rank. Without them `omp simd` is still obeyed,
# since reductions in the loops of the reference backend need it to be vectorised.

AC_DEFUN([ES_OPENMP], [
  AC_OPENMP
  AS_IF([test "x$enable_openmp" = xyes && test "x$ac_cv_prog_c_openmp" = xunsupported],
    [AC_MSG_ERROR([--enable-openmp was given, but $CC cannot link OpenMP programs])])
  AS_IF([test -n "$OPENMP_CFLAGS"], [es_openmp_note="yes ($OPENMP_CFLAGS)"],
    [es_openmp_note="no"
     ES_CFLAG([-fopenmp-simd], [ES_CFLAGS="$ES_CFLAGS -fopenmp-simd"])])
  AS_IF([test -z "$OPENMP_CFLAGS" && test "x$enable_openmp" != xno],
    [es_openmp_note="no ($CC cannot link OpenMP programs)"])
  ES_CFLAGS="$ES_CFLAGS $OPENMP_CFLAGS"
])
