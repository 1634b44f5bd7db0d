# SPDX-License-Identifier: BSD-3-Clause
# es_version.m4  What the binary says about itself, and the manual page made from it.
# The git hash is looked up when building (autotools/version_build.sh), not here.

AC_DEFUN([ES_VERSION], [
  AC_PATH_PROG([HELP2MAN], [help2man])
  AS_IF([test -n "$HELP2MAN" && test "x$cross_compiling" = xno], [es_man_note="help2man"],
    [test -f "$srcdir/autotools/eigenstep.1"], [es_man_note="as shipped"; HELP2MAN=],
    [es_man_note="no (help2man is missing)"; HELP2MAN=])
  AM_CONDITIONAL([MAN_PAGE], [test "${es_man_note%% *}" != no])
  es_cc_note=`$CC --version 2>/dev/null | sed 1q`
])

# ES_REFUSE_UNKNOWN_OPTIONS: a misspelt or not yet existing option is an error, as an
# explicit request must not be dropped; --disable-option-checking is the way around.
AC_DEFUN([ES_REFUSE_UNKNOWN_OPTIONS], [
  AS_IF([test -n "$ac_unrecognized_opts" && test "x$enable_option_checking" != xno],
    [AC_MSG_ERROR([unrecognised options: $ac_unrecognized_opts
see `$[]0 --help' for those that this version has])])
])
