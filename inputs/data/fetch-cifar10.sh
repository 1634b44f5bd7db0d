#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# fetch-cifar10.sh  CIFAR-10, binary version, from its authors (Krizhevsky 2009):
# 60000 colour images of 32 x 32 pixels in 10 classes, 162 MiB.
# Verified by the MD5 sum that the authors publish, then by the size of each unpacked file
# (10000 records of 1 + 3072 bytes). Usage: fetch-cifar10.sh [FOLDER, default: here]
set -eu
case ${1-} in
  -h | --help) awk 'NR > 2 { if (!/^# /) exit; print substr($0, 3) }' "$0"; exit ;;
  -?*) echo "fetch-cifar10.sh: unknown option '$1'; see --help" >&2; exit 2 ;;
esac
here=$(cd "$(dirname "$0")" && pwd)
url=https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz
md5=c32a1d4ab5d03f1284b67883e8d87530
. "$here/fetch.sh"

fetch "$url" "$md5" "${1:-$here}" cifar-10-batches-bin
for n in 1 2 3 4 5; do expect_size cifar-10-batches-bin/data_batch_$n.bin 30730000; done
expect_size cifar-10-batches-bin/test_batch.bin 30730000
echo "ready: data.name=cifar10 data.path=$(pwd)/cifar-10-batches-bin"
