#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# check_cppcheck.sh  Static analysis of the sources.
cd "${srcdir:-.}" || exit 99
command -v cppcheck > /dev/null || {
  echo "cppcheck is not here"
  exit 77
}
cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
  --suppress=missingIncludeSystem --error-exitcode=1 -j 2 -I include -I src src
