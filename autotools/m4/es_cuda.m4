# SPDX-License-Identifier: BSD-3-Clause
# es_cuda.m4  The backend for NVIDIA GPUs: CUDA, and beside it cuDNN and NCCL. Each only
# if asked for; asked for and missing is an error.

# ES_CUDA_LIBRARY(NAME, PROLOGUE, FUNCTION, LIBS): --with-NAME[=DIR]. Sets es_have_NAME,
# and adds to es_cuda_cppflags and es_cuda_libs.
AC_DEFUN([ES_CUDA_LIBRARY], [
  AC_ARG_WITH([$1], [AS_HELP_STRING([--with-$1@<:@=DIR@:>@],
    [use $1 in the backend cuda, from DIR or from where CUDA is])], [], [with_$1=no])
  es_have_$1=no
  AS_IF([test "x$with_$1" != xno], [
    AS_IF([test $es_have_cuda = no],
      [AC_MSG_ERROR([--with-$1 was given without --with-cuda, which it belongs to])])
    AS_IF([test "x$with_$1" != xyes],
      [es_cuda_cppflags="-isystem $with_$1/include $es_cuda_cppflags"
       es_cuda_libs="-L$with_$1/lib -Wl,-rpath,$with_$1/lib $es_cuda_libs"])
    AC_MSG_CHECKING([for $1])
    ES_TRY_LINK([$2], [$3], [$es_cuda_cppflags], [$4 $es_cuda_libs], [es_have_$1=yes])
    AC_MSG_RESULT([$es_have_$1])
    AS_IF([test $es_have_$1 = no],
      [AC_MSG_ERROR([--with-$1=$with_$1 was given, but $1 was not found there])])
    es_cuda_libs="$4 $es_cuda_libs"])
])

# ES_NVCC: the compiler of kernels in $es_cuda_dir; sets ES_NVCCFLAGS.
AC_DEFUN([ES_NVCC], [
  AC_ARG_VAR([NVCC], [compiler of CUDA kernels])
  AC_ARG_VAR([NVCCFLAGS], [its flags, by default -O3 -lineinfo])
  : ${NVCCFLAGS="-O3 -lineinfo"}
  AC_PATH_PROG([NVCC], [nvcc], [], [$es_cuda_dir/bin$PATH_SEPARATOR$PATH])
  AS_IF([test -z "$NVCC"], [AC_MSG_ERROR([--with-cuda=$with_cuda was given, but there dnl
is no nvcc in $es_cuda_dir/bin or on the PATH])])
  ES_NVCCFLAGS=-std=c++17
  for es_arch in $with_gpu_arch; do
    ES_NVCCFLAGS="$ES_NVCCFLAGS -gencode arch=compute_$es_arch,code=sm_$es_arch"
  done
  ES_NVCCFLAGS="$ES_NVCCFLAGS -gencode arch=compute_$es_arch,code=compute_$es_arch"
  AC_MSG_CHECKING([whether $NVCC compiles kernels for sm_`echo $with_gpu_arch`])
  echo '__global__ void f(float *x) { x@<:@threadIdx.x@:>@ = 1; }' > conftest.cu
  AS_IF([$NVCC $ES_NVCCFLAGS $NVCCFLAGS -c conftest.cu -o conftest.o \
           >&AS_MESSAGE_LOG_FD 2>&1],
    [AC_MSG_RESULT([yes])],
    [AC_MSG_RESULT([no])
     AC_MSG_ERROR([$NVCC does not compile kernels with $ES_NVCCFLAGS; see config.log, dnl
--with-gpu-arch and NVCCFLAGS])])
  rm -f conftest.cu conftest.o
  AC_SUBST([ES_NVCCFLAGS])
])

AC_DEFUN([ES_CUDA], [
  AC_ARG_WITH([cuda], [AS_HELP_STRING([--with-cuda@<:@=DIR@:>@],
    [build the backend for NVIDIA GPUs, with CUDA from DIR (/usr/local/cuda)])],
    [], [with_cuda=no])
  AC_ARG_WITH([gpu-arch], [AS_HELP_STRING([--with-gpu-arch=LIST],
    [compute capabilities to compile for, "80 90"; newer GPUs compile at start (90)])],
    [], [with_gpu_arch=90])
  es_have_cuda=no es_cuda_cppflags= es_cuda_libs=
  es_cuda_note="no: networks on the CPU only (--with-cuda)"
  AS_CASE([$with_gpu_arch], [*@<:@!0-9a-z\ @:>@*|yes|no|''],
    [AC_MSG_ERROR([--with-gpu-arch: got '$with_gpu_arch', expected numbers as in dnl
"80 90"])])
  AS_CASE([$with_cuda], [no], [],
    [es_cuda_dir=/usr/local/cuda
     AS_IF([test "x$with_cuda" != xyes], [es_cuda_dir=$with_cuda])
     AS_IF([test ! -d "$es_cuda_dir/include"],
       [AC_MSG_ERROR([--with-cuda=$with_cuda: no folder $es_cuda_dir/include])])
     es_cuda_lib=$es_cuda_dir/lib64
     AS_IF([test ! -d "$es_cuda_lib"], [es_cuda_lib=$es_cuda_dir/lib])
     ES_NVCC
     es_cuda_cppflags="-isystem $es_cuda_dir/include"
     es_cuda_libs="-L$es_cuda_lib -Wl,-rpath,$es_cuda_lib -lcublasLt -lcublas -lcudart"
     es_cuda_libs="$es_cuda_libs -lstdc++"
     AC_MSG_CHECKING([for CUDA and cuBLAS in $es_cuda_dir])
     ES_TRY_LINK([#include <cublas_v2.h>], [cublasGemmEx], [$es_cuda_cppflags],
       [$es_cuda_libs], [es_have_cuda=yes])
     AC_MSG_RESULT([$es_have_cuda])
     AS_IF([test $es_have_cuda = no],
       [AC_MSG_ERROR([--with-cuda was given, but programs with CUDA and cuBLAS from dnl
$es_cuda_dir do not link; see config.log])])])
  ES_CUDA_LIBRARY([cudnn], [#include <cudnn.h>
#if CUDNN_MAJOR < 9
#error older than cuDNN 9
#endif], [cudnnBackendExecute], [-lcudnn])
  ES_CUDA_LIBRARY([nccl], [#include <nccl.h>], [ncclAllReduce], [-lnccl])
  AS_IF([test $es_have_cuda = yes], [
    AC_CHECK_HEADER([mpi-ext.h], [AC_DEFINE([HAVE_MPI_EXT], [1],
      [MPI can be asked whether it takes device memory])], [], [#include <mpi.h>])
    AC_DEFINE([HAVE_CUDA], [1], [Build the backend cuda])
    es_cuda_note=`$NVCC --version | sed -n 's/.*release \(@<:@0-9.@:>@*\).*/\1/p'`
    es_cuda_note="$es_cuda_note for sm_`echo $with_gpu_arch | sed 's/ /, sm_/g'`"
    es_cuda_note="$es_cuda_note; cuDNN $es_have_cudnn, NCCL $es_have_nccl"
    ES_CPPFLAGS="$ES_CPPFLAGS $es_cuda_cppflags"
    LIBS="$es_cuda_libs $LIBS"])
  AM_CONDITIONAL([HAVE_CUDA], [test $es_have_cuda = yes])
  AM_CONDITIONAL([HAVE_CUDNN], [test $es_have_cudnn = yes])
  AM_CONDITIONAL([HAVE_NCCL], [test $es_have_nccl = yes])
])
