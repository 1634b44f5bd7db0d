# SPDX-License-Identifier: BSD-3-Clause
# es_library.m4  The two steps that every dependency's macro is made of.

# ES_TRY_LINK(PROLOGUE, FUNCTION, CPPFLAGS, LIBS, IF-YES, IF-NO)
# Does a program that refers to FUNCTION compile and link with these flags?
AC_DEFUN([ES_TRY_LINK], [
  es_old_cppflags=$CPPFLAGS es_old_libs=$LIBS
  CPPFLAGS="$3 $CPPFLAGS" LIBS="$4 $LIBS"
  AC_LINK_IFELSE([AC_LANG_PROGRAM([[$1]],
      [[void (*volatile f)(void) = (void (*)(void)) $2; return !f;]])],
    [es_linked=yes], [es_linked=no])
  CPPFLAGS=$es_old_cppflags LIBS=$es_old_libs
  AS_IF([test $es_linked = yes], [$5], [$6])
])

# ES_LIBRARY(NAME, PKG-CONFIG-MODULE, PROLOGUE, FUNCTION, LIBS, DEBIAN-PACKAGE)
# A C library with a header. --with-NAME=DIR, else pkg-config, else the default paths.
# Sets es_have_NAME, es_NAME_cppflags, es_NAME_libs, es_NAME_note; adds nothing by itself.
AC_DEFUN([ES_LIBRARY], [
  AC_ARG_WITH([$1], [AS_HELP_STRING([--with-$1=DIR], [where $1 is installed])],
    [], [with_$1=default])
  es_have_$1=no es_$1_cppflags= es_$1_libs="$5" es_$1_note="default paths"
  AS_CASE([$with_$1],
    [default|yes], [AS_IF([$PKG_CONFIG --exists $2 2>/dev/null],
              [es_$1_cppflags=`$PKG_CONFIG --cflags $2`
               es_$1_libs=`$PKG_CONFIG --libs $2`
               es_$1_note=`$PKG_CONFIG --modversion $2`])],
    [no],  [],
    [AS_IF([test ! -d "$with_$1/include"],
       [AC_MSG_ERROR([--with-$1=$with_$1: no folder $with_$1/include])])
     es_$1_cppflags="-I$with_$1/include"
     es_$1_libs="-L$with_$1/lib -Wl,-rpath,$with_$1/lib $5"
     es_$1_note=$with_$1])
  AC_MSG_CHECKING([for $1])
  AS_IF([test "x$with_$1" != xno],
    [ES_TRY_LINK([$3], [$4], [$es_$1_cppflags], [$es_$1_libs], [es_have_$1=yes])])
  AC_MSG_RESULT([$es_have_$1])
])

# ES_LIBRARY_REQUIRED(same arguments): stop when it is missing, else use it everywhere.
AC_DEFUN([ES_LIBRARY_REQUIRED], [
  ES_LIBRARY([$1], [$2], [$3], [$4], [$5], [$6])
  AS_IF([test $es_have_$1 = no],
    [AC_MSG_ERROR([$1 is required but was not found; give --with-$1=DIR (Debian: $6)])])
  ES_CPPFLAGS="$ES_CPPFLAGS $es_$1_cppflags"
  LIBS="$es_$1_libs $LIBS"
])
