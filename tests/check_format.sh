#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# check_format.sh  The C files are as clang-format 14 leaves them (`make format`).
# Other versions differ in details, so they are not asked.
cd "${srcdir:-.}" || exit 99
clang-format --version 2>/dev/null | grep -q 'version 14\.' || {
  echo "clang-format 14 is not here"
  exit 77
}
find src include tests -name '*.[ch]' -print0 | xargs -0 clang-format --dry-run -Werror
