#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# check_configure.sh  configure refuses what it cannot give, and says so.
set -u
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
cd "$here" || exit 99
bad=0

refuses() { # refuses SENTENCE OPTION...
  if "$srcdir/configure" "${@:2}" > log 2>&1; then echo "accepted: ${*:2}"; bad=1; fi
  grep -qF -- "$1" log || { echo "${*:2}: no sentence '$1' in"; tail -n 5 log; bad=1; }
}

if [ -f "$srcdir/config.status" ]; then
  echo "the source folder is configured itself, so no build beside it"
  exit 77
fi
mkdir -p serial/include serial/lib
echo 'int H5open(void);' > serial/include/hdf5.h
echo 'int H5open(void) { return 0; }' > h5.c
${CC:-mpicc} -shared -fPIC h5.c -o serial/lib/libhdf5.so || exit 99

refuses "unrecognised options: --with-warp-drive" --with-warp-drive
refuses "unrecognised options: --enable-debgu" --enable-debgu
refuses "/bin/false does not compile kernels" --with-cuda="$here/serial" NVCC=/bin/false
refuses "--with-nccl was given without --with-cuda" --with-nccl
refuses "this HDF5 is serial" --with-hdf5="$here/serial"
exit $bad
