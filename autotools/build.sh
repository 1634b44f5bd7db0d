#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# build.sh  Bootstrap, configure and make in a build folder, where out of date.
# Usage: build.sh BUILDDIR [configure options]
set -eu
cd "$(dirname "$0")/.."
root=$(pwd)
build=$1; shift

if [ ! -f configure ] || [ ! -f Makefile.in ] || [ ! -f tests/generated.am ] ||
   [ -n "$(find configure.ac autotools/m4 -newer configure)" ]; then
  sh autotools/bootstrap
fi
if [ -f config.status ]; then # a build in the source folder would get in the way
  echo "build: cleaning the build in the source folder (make distclean)"
  make distclean > /dev/null
fi
mkdir -p "$build"
cd "$build"
if [ ! -f Makefile ] || [ "$(cat configured.with 2>/dev/null)" != "$*" ]; then
  "$root/configure" "$@"
  echo "$*" > configured.with
fi
make -j"$(nproc)"
