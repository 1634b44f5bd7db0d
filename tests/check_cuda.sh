#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# check_cuda.sh  With nvcc at hand: the kernels of the backend cuda compile for sm_90 without
# a warning, a stack frame or a spilled register. With cuBLAS, cuDNN and NCCL beside it the
# program links with them and says that there is no GPU, and cuDNN plans the layers of a
# ResNet without one (cudnn_plans.c). A build that was not asked for CUDA has none of it.
set -u
cd "$srcdir" || exit 99
build=$(dirname "$EIGENSTEP")
cuda=src/backend/cuda
bad=0
complain() { echo "$1"; bad=1; }

grep -q '^#define HAVE_CUDA' "$build/config.h" ||
  ! ldd "$EIGENSTEP" | grep -iE 'cuda|cublas|cudnn|nccl' ||
  complain "the program is linked with libraries of CUDA"

PATH=$PATH:/usr/local/cuda/bin
nvcc=${NVCC:-$(command -v nvcc)} || { echo "SKIP: no nvcc on the PATH"; exit $((bad ? 1 : 77)); }
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
for kernels in $cuda/kernels_*.cu; do
  "$nvcc" -std=c++17 -arch=sm_90 -O3 ${NVCCFLAGS-} -Iinclude -I$cuda/device \
    -Werror all-warnings -Xptxas -v -c "$kernels" \
    -o "$here/$(basename "$kernels").o" > "$here/log" 2>&1 ||
    { cat "$here/log"; complain "$kernels: nvcc failed"; }
  grep -q 'bytes stack frame' "$here/log" || complain "$kernels: no kernel in it"
  ! grep 'bytes stack frame' "$here/log" |
    grep -v '^ *0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads' ||
    complain "$kernels: the registers do not suffice"
done

home=$(dirname "$(dirname "$(readlink -f "$nvcc")")")
lib=$home/lib64
[ -d "$lib" ] || lib=$home/lib
for part in cublas_v2 cudnn nccl; do # of the toolkit, or of the system
  echo "#include <$part.h>" | ${CC:-mpicc} -isystem "$home/include" -E - > /dev/null 2>&1 ||
    without="${without-} $part"
done
[ -z "${without-}" ] ||
  { echo "SKIP: not linked, without$without"; exit $((bad ? 1 : 77)); }
options="-std=gnu11 -O1 -Wall -Wextra -Werror -DHAVE_CUDA=1 -I$build -Iinclude -Isrc
  -isystem $home/include"
for file in $cuda/*.c src/backend/backend.c src/main.c; do
  case $file in *_none.c) continue ;; esac
  ${CC:-mpicc} $options -c "$file" -o "$here/$(basename "$file").o" || bad=1
done
link() { # link PROGRAM OBJECT...
  ${CC:-mpicc} -fopenmp -o "$here/$1" "${@:2}" "$build/libeigenstep.a" -L"$lib" \
    -Wl,-rpath,"$lib" $(sed -n 's/^LIBS = //p' "$build/Makefile") -lnccl -lcudnn \
    -lcublasLt -lcublas -lcudart -lstdc++ || complain "$1 does not link"
}
link program "$here"/*.o
"$here/program" check - backend.name=cuda > "$here/log" 2>&1
got=$?
grep -qE 'error: backend cuda: (no GPU can be used|got a driver)' "$here/log" ||
  [ $got -eq 0 ] || { cat "$here/log"; complain "without a GPU: exit $got"; }
"$here/program" check - backend.name=cuda check.gpu=80 > "$here/log" 2>&1 &&
  grep -q '^GPU .*fits' "$here/log" || { cat "$here/log"; complain "a GPU of 80 GB"; }

${CC:-mpicc} $options -c tests/cudnn_plans.c -o "$here/plans.o" || bad=1
link plans "$here/plans.o" $(ls "$here"/*.o | grep -vE 'plans|main|cuda_dnn')
"$here/plans"
got=$?
[ $got -ne 77 ] || echo "not asked for plans: this cuDNN takes no properties of a device"
[ $got -eq 0 ] || [ $got -eq 77 ] || complain "cuDNN lacks plans"
exit $bad
