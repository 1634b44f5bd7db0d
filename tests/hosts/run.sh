#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# run.sh  The program on 2 to 4 hosts, made of namespaces on this machine (hosts.sh), over
# TCP at 1 Gbit/s and 0.1 ms a packet: results equal those of one host, as between numbers
# of ranks. Part of `make check-long`.
#   train     several divisions into hosts, optimisers and losses; to the bit where the
#             run is deterministic; a host without room in /dev/shm; a rank that is killed
#   spectrum, resume on other hosts, sweep in one job and in a job on each host
# 10 to 30 minutes; needs the right to make namespaces (root, or user namespaces), and
# Debian's iproute2 and openmpi-bin. KEEP=DIR keeps the results there.
set -u
. "$srcdir/tests/e2e.sh"
for program in unshare nsenter ip mpirun; do
  command -v "$program" > /dev/null ||
    { echo "SKIP: no $program (Debian: util-linux, iproute2, openmpi-bin)"; exit 77; }
done
mpirun --version | grep -q 'Open MPI' ||
  { echo "SKIP: mpirun is not Open MPI's"; exit 77; }
need_python h5py numpy
cd "$work" || exit 99
export HOSTS_SHARED="$srcdir $(dirname "$EIGENSTEP") $work" EIGENSTEP

on() { # on HOSTS SLOTS COMMAND...: the command on host1, its mpirun on all hosts
  timeout "${LIMIT:-400}" bash "$srcdir/tests/hosts/hosts.sh" "$1" "$2" 1e9 1e-4 \
    "${@:3}" > log 2>&1
}
ranks() { # ranks HOSTS SLOTS RANKS ARGUMENT...: the program on so many ranks
  on "$1" "$2" mpirun --bind-to none -n "$3" "$EIGENSTEP" "${@:4}"
}
nodes() { # nodes OUTDIR NUMBER: what the run says that it ran on
  local got
  got=$(sed -n 's/^nodes  *//p' "$1/job.txt" | tail -n 1)
  [ "$got" = "$2" ] || fail "$1: got '$got' nodes, expected $2"
}
same() { # same OUTDIR OUTDIR: to the tolerance of other numbers of ranks
  "$python" "$srcdir/tests/compare_runs.py" "$1" "$2" || fail "$2 differs from $1"
}
bits() { # bits OUTDIR OUTDIR: to the bit
  "$python" "$srcdir/tests/compare_bits.py" "$1" "$2" > bits.log 2>&1 ||
    fail "$2 differs from $1: $(cat bits.log)"
}
alone() { # alone RANKS ARGUMENT...: on this machine as it is
  launch "$@" > log 2>&1 || { cat log; fail "one host: ${*:2}"; }
}

# ---- hosts can be made, and are separate
ranks 2 2 4 --version
rc=$?
[ $rc != 77 ] || { cat log; exit 77; }
[ $rc = 0 ] || { cat log; fail "two hosts: ended with $rc"; finish; }
on 3 1 mpirun --bind-to none -n 3 sh -c 'touch /tmp/mine /dev/shm/mine && hostname &&
  ls /tmp/mine /dev/shm/mine && ip -brief address show wire0' ||
  { cat log; fail "3 hosts"; }
[ "$(grep -c '10\.77\.0\.' log)" = 3 ] && [ "$(grep -c '^host[123]$' log)" = 3 ] ||
  { cat log; fail "hosts without names or addresses"; }

# ---- train: other hosts, the same numbers
alone 2 train - $tiny output.dir=one
for of in "2 2 4" "2 2 3" "3 1 3" "4 1 4"; do
  set -- $of
  out=train-$1-$3
  ranks "$1" "$2" "$3" train - $tiny output.dir="$out" ||
    { cat log; fail "train on $of"; }
  nodes "$out" "$1"
  same one "$out"
done
for more in "loss.name=simclr optim.name=lars" "loss.name=vicreg" \
            "precondition.eps=0.1 optim.name=muon"; do
  out=$(echo "$more" | tr ' =.' '___')
  alone 2 train - $tiny $more output.dir="$out"
  ranks 2 2 4 train - $tiny $more output.dir="$out-hosts" || { cat log; fail "$more"; }
  nodes "$out-hosts" 2
  same "$out" "$out-hosts"
done
mkdir whole
even="parallel.deterministic=true parallel.shards=4 output.dir=bits" # a recorded name
(cd whole && launch 1 train - $tiny $even) > log 2>&1 ||
  { cat log; fail "deterministic"; }
ranks 2 2 4 train - $tiny $even || { cat log; fail "deterministic, hosts"; }
nodes bits 2
bits whole/bits bits

# ---- one host of two lacks shared memory for 2.8 million parameters (what Open MPI
# reserves there is hardly touched): all take copies, and say so
wide="$tiny encoder.base_width=32 data.size=8 augment.crop.size=8 batch.pairs=16
      spectrum.probe=16"
alone 2 train - $wide output.dir=room
HOSTS_SHM=9m ranks 2 2 4 train - $wide output.dir=no-room || { cat log; fail "/dev/shm"; }
grep -q 'shared memory (/dev/shm): got less' log ||
  { cat log; fail "no word of /dev/shm"; }
same room no-room

# ---- resume: stopped on two hosts; on three others, and on one
ranks 2 2 4 train - $tiny run.steps=5 output.dir=part || { cat log; fail "5 steps"; }
cp -r part part-one
ranks 3 1 3 resume part run.steps=10 || { cat log; fail "resume on 3 hosts"; }
nodes part 3
same one part
alone 2 resume part-one run.steps=10
same one part-one

# ---- a rank of the second host is killed: the job ends, and goes on from its checkpoint
cat > kill.sh <<'END'
mpirun --bind-to none -n 4 "$EIGENSTEP" train - "$@" output.dir=killed run.steps=100000 \
  ckpt.every=5 &
job=$!
for _ in $(seq 600); do [ ! -e killed/ckpt/latest ] || break; sleep 0.2; done
sh "$srcdir/tests/hosts/rsh.sh" host2 'kill -9 $(pidof -s eigenstep)'
wait $job
[ $? != 0 ]
END
export srcdir
LIMIT=200 on 2 2 bash kill.sh $tiny || { cat log; fail "a killed rank: ended with $?"; }
step=$(sed -n 's/.*step_0*\([0-9]\)/\1/p' <<< "$(readlink killed/ckpt/latest)")
ranks 2 1 2 resume killed run.steps=$((step + 5)) || { cat log; fail "resume of a kill"; }
[ "$(cat killed/STATUS)" = DONE ] || fail "killed and resumed: $(cat killed/STATUS)"

# ---- spectrum of embeddings in a file
"$python" - <<'END'
import h5py, numpy as np
r = np.random.default_rng(1)
with h5py.File("z.h5", "w") as f:
    f["z"] = r.standard_normal((500, 40)) @ np.diag(0.9 ** np.arange(40))
END
alone 2 spectrum z.h5:/z output.dir=z
ranks 3 1 3 spectrum z.h5:/z output.dir=z-hosts || { cat log; fail "spectrum"; }
nodes z-hosts 3
"$python" - <<'END' || fail "spectrum on three hosts differs"
import h5py, numpy as np
a, b = (h5py.File(f"{d}/trajectory.h5")["/spectrum/covariance/eigenvalues"][:]
        for d in ("z", "z-hosts"))
worst = np.max(np.abs(a - b)) / a.max()
print(f"spectrum: {worst:.1e} of the top eigenvalue (limit 1e-13)")
assert a.shape == b.shape == (1, 40) and worst < 1e-13
END

# ---- sweep: groups of ranks across hosts, then a job on each host at once
cat > base.ini <<END
[run]
seed = 1
END
cat > sweep.ini <<END
[sweep]
base = base.ini
command = train
ranks = 2
optim.lr = 1e-3, 3e-3
seeds = 1:3
END
small=$(tr ' \n' '\n\n' <<< "$tiny" | grep -v '^optim.lr=' | tr '\n' ' ') # lr varies
alone 2 sweep sweep.ini $small output.dir=sweep
ranks 2 2 4 sweep sweep.ini $small output.dir=sweep-hosts || { cat log; fail "sweep"; }
cat > both.sh <<'END'
start() {
  mpirun --host "$1:2" --bind-to none -n 2 "$EIGENSTEP" sweep sweep.ini "${@:2}"
}
start host1 "$@" > first.log 2>&1 &
start host2 "$@" > second.log 2>&1
rc=$?
wait $! && [ $rc = 0 ]
END
on 2 2 bash both.sh $small output.dir=sweep-both || { cat log *.log; fail "two sweeps"; }
for of in sweep-hosts sweep-both; do
  done=$(grep -l '^state = DONE' $of/*.state | wc -l)
  claims=$(find $of/queue -name '*.[0-9]*' ! -name 'clock*' | wc -l)
  [ "$done" = 6 ] && [ "$claims" = 6 ] || fail "$of: $done of 6 done, $claims claims"
  for run in sweep/*/STATUS; do
    run=$(dirname "${run#sweep/}")
    [ "$run" = queue ] || same "sweep/$run" "$of/$run"
  done
done
for host in host1 host2; do
  grep -q "^host *= *$host" sweep-both/*.state || fail "$host made no run of the sweep"
done
[ -z "${KEEP:-}" ] || cp -r "$work/." "$KEEP"
finish
