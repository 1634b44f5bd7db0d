#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# found.sh  Print what configure would find on this machine. build.sh configures again
# when this output changes, e.g. after cmocka or oneDNN was installed.
# Usage: found.sh     environment: CC and other variables read by configure
cd "$(dirname "$0")" || exit 1
for name in CC CFLAGS CPPFLAGS LDFLAGS LIBS MPIRUN MPIRUN_FLAGS PKG_CONFIG_PATH; do
  eval "echo \"$name=\${$name-}\""
done
for tool in "${CC:-mpicc}" "${MPIRUN:-mpirun}" help2man h5pcc; do
  echo "$tool: $($tool --version 2>/dev/null | sed 1q)" # CC may contain arguments
done
# Libraries: by the modules that the macros ask pkg-config for, by the headers that they
# include (found without pkg-config, too), and by Debian's packages where it knows any.
for module in hdf5-openmpi hdf5-mpich hdf5 openblas \
    $(sed -n 's/.*ES_LIBRARY[A-Z_]*(\[[a-z].*\], *\[\([a-z]*\)\],.*/\1/p' m4/*.m4); do
  echo "$module: $(${PKG_CONFIG:-pkg-config} --modversion "$module" 2>/dev/null)"
done
sed -n 's/.*#include <\(.*\)>.*/\1/p' m4/*.m4 | sort -u |
  sed 's/.*/#if __has_include(<&>)\nhas <&>\n#endif/' |
  ${CC:-mpicc} ${CPPFLAGS-} -E -P - 2>/dev/null
dpkg-query -W $(sh ./setup.sh --list | tr ' ' '\n' | grep -E 'gcc|-dev$') 2>/dev/null
exit 0
