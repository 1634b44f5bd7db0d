# SPDX-License-Identifier: BSD-3-Clause
# es_jpeg.m4  libjpeg (libjpeg-turbo) reads JPEG images.

AC_DEFUN([ES_JPEG], [ES_LIBRARY_REQUIRED([jpeg], [libjpeg], [#include <stdio.h>
#include <jpeglib.h>], [jpeg_read_header], [-ljpeg], [libjpeg-dev])])
