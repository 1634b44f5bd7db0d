#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# build.sh  Bootstrap, configure and make in a build folder, each only if out of date.
# configure runs again if its options or the installed libraries change (found.sh).
# Usage: build.sh BUILDDIR [configure options]
set -eu
cd "$(dirname "$0")/.."
root=$(pwd)
build=$1; shift

if [ ! -f configure ] || [ ! -f Makefile.in ] || [ ! -f tests/generated.am ] ||
   [ -n "$(find configure.ac autotools/m4 -newer configure)" ]; then
  sh autotools/bootstrap
fi
if [ -f config.status ]; then # an in-source build conflicts with one in a build folder
  echo "build: cleaning the build in the source folder (make distclean)"
  make distclean > /dev/null
fi
mkdir -p "$build"
cd "$build"
{ echo "$*"; sh "$root/autotools/found.sh"; } > configured.new
if [ ! -f Makefile ] || ! cmp -s configured.new configured.with; then
  rm -f configured.with
  "$root/configure" "$@"
  mv configured.new configured.with
fi
rm -f configured.new
make -j"$(nproc)"
