#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# without_cmocka.sh  Stands for the unit tests in a build without cmocka.
echo "cmocka was not found by configure (Debian: libcmocka-dev): unit tests skipped"
exit 77
