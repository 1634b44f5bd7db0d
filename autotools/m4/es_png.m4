# SPDX-License-Identifier: BSD-3-Clause
# es_png.m4  libpng reads PNG images.

AC_DEFUN([ES_PNG], [ES_LIBRARY_REQUIRED([png], [libpng], [#include <png.h>],
  [png_image_begin_read_from_file], [-lpng], [libpng-dev])])
