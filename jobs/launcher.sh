#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# launcher.sh  In a bundle (make bundle): bin/NAME starts libexec/NAME, bin/launcher NAME
# any other program of libexec. Sets where Open MPI and its plugins are, and adds to
# LD_LIBRARY_PATH the libraries of CUDA where the program needs them and the loader would
# not find them: from CUDA_HOME, /usr/local/cuda, or the PyTorch of $PYTHON (python3).
set -u
self=$(readlink -f "$0")
home=$(dirname "$(dirname "$self")")
name=$(basename "$0")
if [ "$name" = "$(basename "$self")" ]; then
  name=${1:?name a program of libexec}
  shift
fi

OPAL_PREFIX=$home OPAL_BINDIR=$home/bin OPAL_LIBDIR=$home/lib
OPAL_PKGLIBDIR=$home/lib/openmpi OPAL_PKGDATADIR=$home/share/openmpi
OPAL_DATADIR=$home/share OPAL_SYSCONFDIR=$home/etc
PMIX_PREFIX=$home PMIX_PKGLIBDIR=$home/lib/pmix
HWLOC_PLUGINS_PATH=$home/lib/hwloc # none: those of the machine are for its own library
export OPAL_PREFIX OPAL_BINDIR OPAL_LIBDIR OPAL_PKGLIBDIR OPAL_PKGDATADIR OPAL_DATADIR \
  OPAL_SYSCONFDIR PMIX_PREFIX PMIX_PKGLIBDIR HWLOC_PLUGINS_PATH
if ! command -v ssh > /dev/null && ! command -v rsh > /dev/null; then
  # Open MPI's ssh launcher aborts mpirun if neither ssh nor rsh is installed
  export OMPI_MCA_plm="${OMPI_MCA_plm-^rsh}"
fi

missing() { # what the loader does not find
  LC_ALL=C ldd "$home/libexec/$name" 2>&1 | sed -n 's/^[[:space:]]*\(.*\) => not found/\1/p'
}
offer() { # offer FOLDER...: to the loader, those that exist
  for folder in "$@"; do
    [ ! -d "$folder" ] || LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder
  done
  export LD_LIBRARY_PATH
}
of_python() { # one folder a line
  "${PYTHON:-python3}" -c 'import glob, nvidia
for place in nvidia.__path__: print(*sorted(glob.glob(place + "/*/lib")), sep="\n")' \
    2> /dev/null
}
case $name in
  eigenstep | tests/*)
    if [ -f "$home/lib/of-cuda.txt" ] && [ -n "$(missing)" ]; then
      offer ${CUDA_HOME:+"$CUDA_HOME/lib64"} /usr/local/cuda/lib64
      if [ -n "$(missing)" ]; then
        IFS='
'
        offer $(of_python)
        unset IFS
      fi
      lacks=$(missing | tr '\n' ' ')
      if [ -n "$lacks" ]; then
        echo "eigenstep: error: libraries of CUDA: got no ${lacks% }, expected them on" \
          "LD_LIBRARY_PATH, in \$CUDA_HOME, /usr/local/cuda or beside the PyTorch of" \
          "${PYTHON:-python3}" >&2
        exit 1
      fi
    fi ;;
esac
exec "$home/libexec/$name" "$@"
