#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# check_cuda.sh  With nvcc at hand: the kernels of the backend cuda compile for sm_90 without
# a warning, a stack frame or a spilled register, and its C files compile with the headers
# of CUDA. NVCCFLAGS is added to the flags.
set -u
cd "$srcdir" || exit 99
PATH=$PATH:/usr/local/cuda/bin
nvcc=${NVCC:-$(command -v nvcc)} || { echo "SKIP: no nvcc on the PATH"; exit 77; }
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
build=$(dirname "$EIGENSTEP")
cuda=src/backend/cuda
bad=0

for kernels in $cuda/kernels_*.cu; do
  "$nvcc" -std=c++17 -arch=sm_90 -O3 ${NVCCFLAGS-} -I$cuda/device -Werror all-warnings \
    -Xptxas -v -c "$kernels" -o "$here/kernels.o" > "$here/log" 2>&1 ||
    { echo "$kernels: nvcc failed"; cat "$here/log"; bad=1; }
  grep -q 'bytes stack frame' "$here/log" || { echo "$kernels: no kernel in it"; bad=1; }
  if grep 'bytes stack frame' "$here/log" |
     grep -v '^ *0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads'; then
    echo "$kernels: the registers do not suffice"; bad=1
  fi
done

headers=$(dirname "$(dirname "$(readlink -f "$nvcc")")")/include
for part in cublas_v2 cudnn nccl; do
  [ -f "$headers/$part.h" ] || without="${without-} $part"
done
[ -z "${without-}" ] || { echo "not compiled, without$without: the C files"; exit $bad; }
for file in $cuda/*.c; do
  ${CC:-mpicc} -std=gnu11 -Wall -Wextra -Werror -fsyntax-only -I"$build" -Iinclude -Isrc \
    -isystem "$headers" "$file" || bad=1
done
exit $bad
