#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# launch.sh  Run a test: NAME.nP is NAME on P ranks, any other name runs as it is.
# A test that hangs is killed and fails. Leaks are looked for where no MPI library runs.
: "${ES_TEST_TIMEOUT:=600}"
UBSAN_OPTIONS=print_stacktrace=1; export UBSAN_OPTIONS
case $1 in
  *.n[1-9]) ASAN_OPTIONS=detect_leaks=0; export ASAN_OPTIONS
    exec timeout "$ES_TEST_TIMEOUT" $MPIRUN $MPIRUN_FLAGS -n "${1##*.n}" "${1%.n*}" ;;
  *) LSAN_OPTIONS=suppressions=$srcdir/tests/lsan.supp:print_suppressions=0
    export LSAN_OPTIONS
    exec timeout "$ES_TEST_TIMEOUT" "$1" ;;
esac
