#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# links.sh  Points for the cost model: a scaling study (links.txt) on two hosts of one
# rank, made of namespaces, for links of 1 and 10 Gbit/s and packets of 0.1 and 1 ms.
# Writes FOLDER/link-RATE-DELAY.csv and .h5, and what postprocess/scaling.py says of them;
# one-host.csv holds the same on one host of two ranks, which shows what is not network:
#   EIGENSTEP=build/eigenstep bash tests/hosts/links.sh FOLDER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
EIGENSTEP=$(realpath "$EIGENSTEP")
HOSTS_SHARED="$source $(dirname "$EIGENSTEP") $out"
export EIGENSTEP HOSTS_SHARED
. "$source/tests/environment.sh"
study() { # study HOSTS SLOTS RATE DELAY NAME: on hosts of so many ranks
  bash "$here/hosts.sh" "$1" "$2" "${3}e9" "${4}e-3" /usr/bin/python3 \
    "$source/jobs/scaling.py" "$here/links.txt" -o "$out/$5" --node "$2" \
    --launch 'mpirun --bind-to none -n {P}' \
    --machine "$1 hosts of namespaces, TCP, $3 Gbit/s, $4 ms a packet"
}
study 1 2 10 0.1 one-host
for rate in 1 10; do
  for delay in 0.1 1; do
    name=link-${rate}G-${delay}ms
    study 2 1 "$rate" "$delay" "$name"
    /usr/bin/python3 "$source/postprocess/scaling.py" "$out/$name.h5" -o "$out/$name" \
      --of min --format png | tee "$out/$name.txt"
  done
done
