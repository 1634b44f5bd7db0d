# SPDX-License-Identifier: BSD-3-Clause
# es_scalapack.m4  ScaLAPACK with its BLACS, built for the same MPI as CC.

AC_DEFUN([ES_SCALAPACK], [
  AC_ARG_WITH([scalapack], [AS_HELP_STRING([--with-scalapack=LIBS],
    [ScaLAPACK and BLACS @<:@search scalapack-openmpi, scalapack, mpiscalapack@:>@])])
  AC_MSG_CHECKING([for ScaLAPACK])
  es_scalapack_libs=
  AS_CASE([$with_scalapack],
    [no], [AC_MSG_ERROR([ScaLAPACK is required])],
    [""|yes], [set x -lscalapack-openmpi -lscalapack -lmpiscalapack],
    [set x "$with_scalapack"])
  shift
  for es_libs in "$[]@"; do
    ES_TRY_LINK([void pdsyevd_(void); void Cblacs_gridinit(void); void pdsyevr_(void);],
      [(pdsyevd_(), pdsyevr_(), Cblacs_gridinit)], [], [$es_libs],
      [es_scalapack_libs=$es_libs; break])
  done
  AC_MSG_RESULT([${es_scalapack_libs:-no}])
  AS_IF([test -z "$es_scalapack_libs"],
    [AC_MSG_ERROR([no ScaLAPACK with pdsyevd, pdsyevr and BLACS; dnl
give --with-scalapack=LIBS (Debian: libscalapack-openmpi-dev)])])
  LIBS="$es_scalapack_libs $LIBS"
])
