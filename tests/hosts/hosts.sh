#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# hosts.sh  A command on the first of several hosts made of namespaces on this machine:
#
#   hosts.sh HOSTS SLOTS BITS_PER_SECOND DELAY_SECONDS COMMAND [ARGUMENT...]
#
# Each host has a name, processes, an address 10.77.0.N, /tmp and /dev/shm of its own;
# files elsewhere, and the folders named in $HOSTS_SHARED, are common to all. Open MPI's
# mpirun starts ranks on all of them, SLOTS a host, over TCP through `wire` (wire.c), and
# finds those of the same host alone in shared memory. $HOSTS_SHM: bytes of /dev/shm of
# the last host. All of it ends with the command. Without the right to make namespaces, or
# a compiler: exit status 77.
set -u
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "${HOSTS_DIR:-}" ]; then # once more, where nothing reaches this machine's network
  user=
  [ "$(id -u)" = 0 ] || user="--user --map-root-user"
  alone="unshare $user --mount --net --uts --ipc --pid --fork --kill-child --mount-proc"
  $alone true 2> /dev/null && [ -w /dev/net/tun ] ||
    { echo "SKIP: no right to make namespaces, or no /dev/net/tun"; exit 77; }
  HOSTS_DIR=$(mktemp -d)
  export HOSTS_DIR
  trap 'rm -rf "$HOSTS_DIR"' EXIT
  ${CC:-cc} -O2 -o "$HOSTS_DIR/wire" "$here/wire.c" ||
    { echo "SKIP: wire.c does not compile"; exit 77; }
  $alone bash "$here/hosts.sh" "$@"
  exit
fi
hosts=$1 slots=$2 rate=$3 delay=$4
shift 4
ends() { echo "hosts.sh: $*" >&2; exit 1; }

# A host's own /tmp and /dev/shm; what it shares of /tmp is mounted there again.
furnish='
  set -e
  mount --make-rprivate /
  mount -t tmpfs tmpfs "$HOSTS_DIR/tmp"
  for folder in $HOSTS_DIR $HOSTS_SHARED; do
    case $folder in /tmp/*)
      mkdir -p "$HOSTS_DIR/tmp/${folder#/tmp/}"
      mount --rbind "$folder" "$HOSTS_DIR/tmp/${folder#/tmp/}" ;;
    esac
  done
  mount --rbind "$HOSTS_DIR/tmp" /tmp
  mount -t tmpfs -o "size=$2" tmpfs /dev/shm
  mount --bind "$HOSTS_DIR/names" /etc/hosts
  hostname "$1"
  ip link set lo up
  touch "$HOSTS_DIR/$1.ready"
  exec sleep infinity'
mkdir -p "$HOSTS_DIR/tmp"
echo "127.0.0.1 localhost" > "$HOSTS_DIR/names"
pids=
for i in $(seq "$hosts"); do
  echo "10.77.0.$i host$i" >> "$HOSTS_DIR/names"
  echo "host$i slots=$slots" >> "$HOSTS_DIR/hostfile"
done
for i in $(seq "$hosts"); do
  shm=50%
  [ "$i" != "$hosts" ] || shm=${HOSTS_SHM:-$shm}
  own_pids="--pid --fork --kill-child --mount-proc"
  [ "$i" != 1 ] || own_pids= # mpirun, on host1, must see the processes of the others
  unshare --mount --net --uts --ipc $own_pids sh -c "$furnish" sh "host$i" "$shm" &
  pids="$pids $!"
  echo "$!" > "$HOSTS_DIR/host$i"
done
for i in $(seq "$hosts"); do
  for _ in $(seq 100); do [ ! -e "$HOSTS_DIR/host$i.ready" ] || break; sleep 0.05; done
  [ -e "$HOSTS_DIR/host$i.ready" ] || ends "host$i could not be made"
done
"$HOSTS_DIR/wire" "$rate" "$delay" $pids > "$HOSTS_DIR/links" &
for _ in $(seq 100); do [ ! -s "$HOSTS_DIR/links" ] || break; sleep 0.05; done
[ -s "$HOSTS_DIR/links" ] || ends "no links between the hosts"
for i in $(seq "$hosts"); do
  sh "$here/rsh.sh" "host$i" "ip address add 10.77.0.$i/24 dev wire0 &&
    ip link set wire0 mtu 65000 up" || ends "host$i has no address"
done
cat > "$HOSTS_DIR/environment" <<END
export OMPI_MCA_plm=rsh OMPI_MCA_plm_rsh_agent='sh $here/rsh.sh'
export OMPI_MCA_plm_rsh_no_tree_spawn=1
export OMPI_MCA_orte_default_hostfile=$HOSTS_DIR/hostfile
export OMPI_MCA_pml=ob1 OMPI_MCA_btl=tcp,vader,self OMPI_MCA_btl_tcp_if_include=wire0
export OMPI_MCA_oob_tcp_if_include=wire0 OMPI_MCA_osc=^ucx
END
quoted=$(printf '%q ' "$@")
sh "$here/rsh.sh" host1 "cd '$PWD' && . '$HOSTS_DIR/environment' && exec $quoted"
