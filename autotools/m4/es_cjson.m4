# SPDX-License-Identifier: BSD-3-Clause
# es_cjson.m4  cJSON reads and writes the header of safetensors files.

AC_DEFUN([ES_CJSON], [ES_LIBRARY_REQUIRED([cjson], [libcjson], [#include <cjson/cJSON.h>],
  [cJSON_ParseWithLength], [-lcjson], [libcjson-dev])])
