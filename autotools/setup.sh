#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# setup.sh  Install missing Debian packages, as root or with sudo.
# Usage: setup.sh [--tests | --list]     --tests adds what only `make check` uses; --list
# prints all names and installs nothing.
# Does nothing if all packages are installed; on other systems it prints what is needed.
set -eu

packages="autoconf automake make gcc libc6-dev pkg-config git help2man
  libopenmpi-dev openmpi-bin libopenblas-dev libscalapack-openmpi-dev libdnnl-dev
  libhdf5-openmpi-dev libinih-dev libcjson-dev libjpeg-dev libpng-dev
  python3 python3-numpy python3-h5py python3-matplotlib"
[ $# = 0 ] || packages="$packages
  g++ libcmocka-dev libelpa-dev hdf5-tools clang-format cppcheck python3-xarray
  python3-h5netcdf python3-netcdf4 python3-torch python3-torchvision patchelf"
if [ "${1-}" = --list ]; then echo $packages; exit 0; fi

if ! command -v apt-get > /dev/null || ! command -v dpkg-query > /dev/null; then
  echo "setup: not a Debian system; install the equivalents of these packages:" $packages
  exit 0
fi

missing=
for package in $packages; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=none
  [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then as_root=env
elif command -v sudo > /dev/null; then as_root="sudo env"
else
  echo "setup: run as root or install sudo; missing packages:$missing" >&2
  exit 1
fi
echo "setup: installing$missing"
apt="$as_root DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Acquire::Retries=3
     -o DPkg::Lock::Timeout=300"
$apt update || echo "setup: apt-get update failed; using the existing package lists" >&2
$apt install --no-install-recommends $missing || {
  echo "setup: could not install:$missing" >&2
  exit 1
}
