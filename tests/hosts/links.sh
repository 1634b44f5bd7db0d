#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# links.sh  Points for the cost model: a scaling study (links.txt) on two hosts of one
# rank, made of namespaces, for links of 1 and 10 Gbit/s and packets of 0.1 and 1 ms.
# Writes FOLDER/link-RATE-DELAY.csv and .h5, and what postprocess/scaling.py says of them:
#   EIGENSTEP=build/eigenstep sh tests/hosts/links.sh FOLDER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
EIGENSTEP=$(realpath "$EIGENSTEP")
HOSTS_SHARED="$source $(dirname "$EIGENSTEP") $out"
export EIGENSTEP HOSTS_SHARED
. "$source/tests/environment.sh"
for rate in 1 10; do
  for delay in 0.1 1; do
    name=$out/link-${rate}G-${delay}ms
    bash "$here/hosts.sh" 2 1 "${rate}e9" "${delay}e-3" /usr/bin/python3 \
      "$source/jobs/scaling.py" "$here/links.txt" -o "$name" --node 1 \
      --launch 'mpirun --bind-to none -n {P}' \
      --machine "2 hosts of namespaces, TCP, $rate Gbit/s, $delay ms a packet"
    /usr/bin/python3 "$source/postprocess/scaling.py" "$name.h5" -o "$name" --of min \
      --ranks 1 --format png > "$name.txt"
    sed -n '/^measured beside/,/^$/p; /^assumed/p' "$name.txt"
  done
done
