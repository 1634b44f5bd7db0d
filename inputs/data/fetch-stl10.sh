#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# fetch-stl10.sh  STL-10, binary version, from its authors (Coates, Lee, Ng 2011):
# 113000 colour images of 96 x 96 pixels, 100000 of them unlabelled, 2.5 GiB.
# Verified by the archive's MD5 sum, then by the size of each unpacked file (27648 bytes
# an image). Usage: fetch-stl10.sh [FOLDER, default: here]
set -eu
case ${1-} in
  -h | --help) awk 'NR > 2 { if (!/^# /) exit; print substr($0, 3) }' "$0"; exit ;;
  -?*) echo "fetch-stl10.sh: unknown option '$1'; see --help" >&2; exit 2 ;;
esac
here=$(cd "$(dirname "$0")" && pwd)
url=http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz
md5=91f7769df0f17e558f3565bffb0c7dfb
. "$here/fetch.sh"

fetch "$url" "$md5" "${1:-$here}" stl10_binary
expect_size stl10_binary/train_X.bin 138240000
expect_size stl10_binary/test_X.bin 221184000
expect_size stl10_binary/unlabeled_X.bin 2764800000
echo "ready: data.name=stl10 data.path=$(pwd)/stl10_binary"
