#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# mpirun.sh  mpirun with a Ctrl-C that loses nothing: sh jobs/mpirun.sh ARGUMENT...
# Open MPI's mpirun kills its ranks two seconds after Ctrl-C or SIGTERM, which is too soon
# for a step and a checkpoint. Here the first of SIGINT, SIGTERM and SIGHUP goes to the
# ranks as SIGUSR1, on which a training run writes a checkpoint and stops (exit code 75);
# the second one ends them at once.
set -u
case ${1-} in
  -h | --help) awk 'NR > 2 { if (!/^# /) exit; print substr($0, 3) }' "$0"; exit ;;
esac
asked=
stop() {
  if [ -z "$asked" ]; then
    asked=yes
    echo "mpirun.sh: a training ends with a checkpoint after its step; again: at once" >&2
    kill -USR1 "$launcher"
  else
    kill -TERM "$launcher"
  fi
}
trap '' HUP INT TERM           # until there is somebody to tell
setsid "${MPIRUN:-mpirun}" "$@" < /dev/null & # not reached by the terminal's own signals
launcher=$!
trap stop HUP INT TERM
while :; do # a signal ends `wait` early
  wait "$launcher"
  code=$?
  kill -0 "$launcher" 2> /dev/null || exit "$code"
done
