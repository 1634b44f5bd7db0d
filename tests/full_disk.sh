#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# full_disk.sh  A disk that fills up (a small tmpfs in a mount namespace of our own): one
# sentence, an error on all ranks, no hang, no crash at exit, and what was flushed stays.
set -u
if [ "${1-}" != inside ]; then
  [ -x ./tests/par_traj ] && [ -x ./tests/par_h5 ] ||
    { echo "skipped: no tests/par_traj, tests/par_h5"; exit 77; }
  unshare -rm mount -t tmpfs tmpfs /mnt 2>/dev/null ||
    { echo "skipped: a tmpfs cannot be mounted here"; exit 77; }
  exec unshare -rm bash "$0" inside
fi
mount -t tmpfs -o size=1m tmpfs /mnt || exit 99
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
log=$(mktemp) || exit 99
trap 'rm -f "$log"' EXIT
bad=0

expect() { # expect RANKS WHAT STATUS SENTENCES
  timeout 60 ${MPIRUN:-mpirun} ${MPIRUN_FLAGS-} -n "$1" ./tests/par_traj "$2" \
    /mnt/a.h5 > "$log" 2>&1
  local status=$? said
  said=$(grep -c 'error: .*No space left on device' "$log")
  echo "$2 on $1 ranks: status $status (expected $3), $said sentences (expected $4)"
  [ $status = "$3" ] && [ "$said" = "$4" ] || { bad=1; cat "$log"; }
}

for ranks in 1 2 3; do
  expect $ranks fill 0 1
  if command -v h5dump > /dev/null; then
    h5dump -d /wide/step /mnt/a.h5 | grep -q '0, 1, 2, 3' ||
      { echo "what was flushed before the disk was full is lost"; bad=1; }
  fi
  rm -f /mnt/a.h5
  dd if=/dev/zero of=/mnt/filler bs=4k count=255 2> /dev/null
  expect $ranks sample 1 1
  [ -e /mnt/a.h5 ] && { echo "a file that could not be created was left"; bad=1; }
  rm -f /mnt/filler
done

# space that was reserved before
mount -t tmpfs -o size=100m tmpfs /mnt || exit 99
for ranks in 1 2; do
  (cd /mnt && timeout 60 ${MPIRUN:-mpirun} ${MPIRUN_FLAGS-} -n $ranks \
    "$OLDPWD/tests/par_h5" room) > "$log" 2>&1
  status=$? said=$(grep -c 'error: .*No space left on device' "$log")
  echo "room on $ranks ranks: status $status, $said sentences (expected 1)"
  [ $status = 0 ] && [ "$said" = 1 ] || { bad=1; cat "$log"; }
done
exit $bad
