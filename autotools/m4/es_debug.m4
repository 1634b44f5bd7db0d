# SPDX-License-Identifier: BSD-3-Clause
# es_debug.m4  What the compiler is asked for: warnings, optimisation, checks.

# ES_CFLAG(FLAG, IF-YES, [IF-NO]): does the compiler take FLAG?
AC_DEFUN([ES_CFLAG], [
  es_old_cflags=$CFLAGS
  CFLAGS="$CFLAGS -Werror $1"
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM()], [es_takes=yes], [es_takes=no])
  CFLAGS=$es_old_cflags
  AS_IF([test $es_takes = yes], [$2], [$3])
])

# ES_DEBUG_OPTIONS: before the compiler is looked for, since they set its default CFLAGS.
AC_DEFUN([ES_DEBUG_OPTIONS], [
  AC_ARG_ENABLE([debug], [AS_HELP_STRING([--enable-debug],
    [assertions, allocation balance at the end; -O1])], [], [enable_debug=no])
  AC_ARG_ENABLE([sanitizer], [AS_HELP_STRING([--enable-sanitizer],
    [address and undefined-behaviour sanitizers])], [], [enable_sanitizer=no])
  AC_ARG_ENABLE([native], [AS_HELP_STRING([--disable-native],
    [do not tune for this machine's processor (for builds that travel)])],
    [], [enable_native=default])
  AS_IF([test "x$enable_debug" = xno], [: ${CFLAGS="-O3 -g"}], [: ${CFLAGS="-O1 -g"}])
])

# ES_DEBUG: after it; collects ES_CFLAGS and ES_LDFLAGS.
AC_DEFUN([ES_DEBUG], [
  for es_flag in -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
                 -fno-math-errno; do
    ES_CFLAG([$es_flag], [ES_CFLAGS="$ES_CFLAGS $es_flag"])
  done
  AS_IF([test "x$enable_native" != xno],
    [ES_CFLAG([-march=native],
       [ES_CFLAGS="$ES_CFLAGS -march=native" enable_native=yes],
       [AS_IF([test "x$enable_native" = xyes],
          [AC_MSG_ERROR([--enable-native was given, but $CC lacks -march=native])])
        enable_native=no])])
  AS_IF([test "x$enable_debug" != xno],
    [ES_CPPFLAGS="$ES_CPPFLAGS -DES_DEBUG=1"])
  AS_IF([test "x$enable_sanitizer" != xno],
    [es_sanitize="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
     es_old_cflags=$CFLAGS; CFLAGS="$CFLAGS $es_sanitize"
     AC_LINK_IFELSE([AC_LANG_PROGRAM()], [],
       [AC_MSG_ERROR([--enable-sanitizer: $CC cannot link $es_sanitize])])
     CFLAGS=$es_old_cflags
     ES_CFLAGS="$ES_CFLAGS $es_sanitize -fno-omit-frame-pointer"
     ES_LDFLAGS="$ES_LDFLAGS $es_sanitize"])
])
