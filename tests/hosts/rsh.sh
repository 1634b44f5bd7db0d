#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# rsh.sh  In place of ssh, for Open MPI: rsh.sh HOST COMMAND... on a host of hosts.sh,
# which says in $HOSTS_DIR/HOST which process holds its namespaces.
read -r pid < "$HOSTS_DIR/$1" || exit 1
shift
exec nsenter --target "$pid" --mount --net --uts --ipc \
  --pid="/proc/$pid/ns/pid_for_children" bash -c "$*"
