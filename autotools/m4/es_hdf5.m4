# SPDX-License-Identifier: BSD-3-Clause
# es_hdf5.m4  Parallel HDF5: all ranks write one file, a serial library cannot.
# --with-hdf5=DIR, or --with-hdf5=/path/to/h5pcc; else pkg-config, else h5pcc on the path.

# ES_HDF5_FROM_WRAPPER(H5PCC): flags out of the words that the wrapper would run.
AC_DEFUN([ES_HDF5_FROM_WRAPPER], [
  es_hdf5_note=$1
  for es_word in `$1 -show | sed 's/^@<:@^ @:>@* //'`; do
    AS_CASE([$es_word],
      [-I*|-D*], [es_hdf5_cppflags="$es_hdf5_cppflags $es_word"],
      [-L*|-l*|-Wl,*|*.a|*.so], [es_hdf5_libs="$es_hdf5_libs $es_word"])
  done
])

AC_DEFUN([ES_HDF5], [
  AC_ARG_WITH([hdf5], [AS_HELP_STRING([--with-hdf5=DIR],
    [parallel HDF5: its folder, or its compiler wrapper h5pcc])], [], [with_hdf5=yes])
  es_hdf5_cppflags= es_hdf5_libs= es_hdf5_note=
  AC_CHECK_PROGS([H5PCC], [h5pcc.openmpi h5pcc])
  AS_CASE([$with_hdf5],
    [no], [AC_MSG_ERROR([parallel HDF5 is required])],
    [yes], [for es_module in hdf5-openmpi hdf5-mpich hdf5; do
              AS_IF([$PKG_CONFIG --exists $es_module 2>/dev/null],
                [es_hdf5_cppflags=`$PKG_CONFIG --cflags $es_module`
                 es_hdf5_libs=`$PKG_CONFIG --libs $es_module`
                 es_hdf5_note="`$PKG_CONFIG --modversion $es_module` ($es_module)"
                 break])
            done
            AS_IF([test -z "$es_hdf5_libs" && test -n "$H5PCC"],
              [ES_HDF5_FROM_WRAPPER([$H5PCC])])],
    [AS_IF([test -x "$with_hdf5" && test ! -d "$with_hdf5"],
       [ES_HDF5_FROM_WRAPPER([$with_hdf5])],
       [test ! -d "$with_hdf5/include"],
       [AC_MSG_ERROR([--with-hdf5=$with_hdf5: no folder $with_hdf5/include])],
       [es_hdf5_cppflags="-I$with_hdf5/include" es_hdf5_note=$with_hdf5
        es_hdf5_libs="-L$with_hdf5/lib -Wl,-rpath,$with_hdf5/lib -lhdf5"])])
  AS_IF([test -z "$es_hdf5_libs"], [es_hdf5_libs=-lhdf5 es_hdf5_note="default paths"])

  AC_MSG_CHECKING([for HDF5 ($es_hdf5_note)])
  ES_TRY_LINK([#include <hdf5.h>], [H5open], [$es_hdf5_cppflags], [$es_hdf5_libs],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     AC_MSG_ERROR([HDF5 not found; give --with-hdf5=DIR (Debian: libhdf5-openmpi-dev)])])
  AC_MSG_CHECKING([whether it is parallel])
  ES_TRY_LINK([#include <hdf5.h>
#ifndef H5_HAVE_PARALLEL
#error serial
#endif], [H5Pset_fapl_mpio], [$es_hdf5_cppflags], [$es_hdf5_libs],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     AC_MSG_ERROR([this HDF5 is serial, but eigenstep needs parallel HDF5: dnl
give a parallel one, configured with --enable-parallel, by --with-hdf5=DIR dnl
(Debian: libhdf5-openmpi-dev)])])
  AC_MSG_CHECKING([for its dimension scales (hdf5_hl)])
  es_hdf5_libs="-lhdf5_hl $es_hdf5_libs"
  ES_TRY_LINK([#include <hdf5_hl.h>], [H5DSset_scale], [$es_hdf5_cppflags],
    [$es_hdf5_libs], [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     AC_MSG_ERROR([HDF5 was built without its high-level library (hdf5_hl)])])
  ES_CPPFLAGS="$ES_CPPFLAGS $es_hdf5_cppflags"
  LIBS="$es_hdf5_libs $LIBS"
])
