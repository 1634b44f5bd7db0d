# SPDX-License-Identifier: BSD-3-Clause
# es_cxx.m4  A C++17 compiler, for tests only: it compiles the kernels of the backend cuda
# for the CPU (tests/cuda_host). Without it `make check` reports those tests skipped.

AC_DEFUN([ES_CXX], [
  AC_LANG_PUSH([C++])
  es_old_cxxflags=$CXXFLAGS
  es_kernel_cxxflags=
  for es_flag in -std=c++17 -fno-exceptions -fno-rtti -fno-math-errno -march=native \
                 "-fsanitize=alignment -fsanitize-undefined-trap-on-error"; do
    AS_CASE([$es_flag], [-march*], [AS_IF([test "x$enable_native" = xno], [continue])])
    CXXFLAGS="$es_old_cxxflags -Werror $es_flag"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM()],
      [es_kernel_cxxflags="$es_kernel_cxxflags $es_flag"])
  done
  CXXFLAGS="$es_old_cxxflags $es_kernel_cxxflags"
  AC_CACHE_CHECK([for a C++17 compiler], [es_cv_cxx17],
    [AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <type_traits>
template <class T> constexpr bool same = std::is_same_v<T, int>;]],
       [[static_assert(same<int>);]])], [es_cv_cxx17=yes], [es_cv_cxx17=no])])
  CXXFLAGS=$es_old_cxxflags
  AC_LANG_POP([C++])
  es_cxx_note="$CXX (tests only)"
  AS_IF([test $es_cv_cxx17 = no],
    [es_cxx_note="none: make check skips the tests of the backend cuda"])
  AC_SUBST([ES_KERNEL_CXXFLAGS], [$es_kernel_cxxflags])
  AM_CONDITIONAL([HAVE_CXX], [test $es_cv_cxx17 = yes])
])
