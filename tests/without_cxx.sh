#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# without_cxx.sh  Stands for the tests of the backend cuda in a build without C++.
echo "no C++17 compiler was found by configure: tests of the backend cuda skipped"
exit 77
