#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# check_cppcheck.sh  Static analysis of the sources. Work space is one allocation that
# arrays of several types share, so a cast of a pointer into it is not a finding.
cd "${srcdir:-.}" || exit 99
command -v cppcheck > /dev/null || {
  echo "cppcheck is not here"
  exit 77
}
cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
  --suppress=missingIncludeSystem --suppress=invalidPointerCast --error-exitcode=1 \
  -j 2 -I include -I src src
