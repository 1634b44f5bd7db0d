#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# launch.sh  Run a test: NAME.nP is NAME on P ranks, any other name runs as it is.
# A test that hangs is killed and fails. Under the sanitizers leaks are looked for where
# MPI is not started: it leaves its own, in modules unloaded by then, so that no
# suppression can name them. (Our allocations are counted in any case, see mem.h.)
: "${ES_TEST_TIMEOUT:=600}"
UBSAN_OPTIONS=print_stacktrace=1; export UBSAN_OPTIONS
program=${1%.n[1-9]}
if nm "$program" | grep -q 'U MPI_Init'; then
  ASAN_OPTIONS=detect_leaks=0; export ASAN_OPTIONS
fi
case $1 in
  *.n[1-9]) set -- $MPIRUN $MPIRUN_FLAGS -n "${1##*.n}" "$program" ;;
esac
exec timeout "$ES_TEST_TIMEOUT" "$@"
