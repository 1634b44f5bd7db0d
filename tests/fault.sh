#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# fault.sh  Calls fail one at a time on one of two ranks: memory, files, HDF5, agreements
# (tests/faults.c), in a training run and in its resumption. Each time the program ends
# within seconds, with a sentence unless it can do without the call, and loses nothing that
# was complete: the trajectory opens and the checkpoint resumes. FAULTS=n calls of those
# listed are tried, spread evenly from number SEED on; FAULTS=all: all of them.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py
cd "$work" || exit 1
faulty=$(dirname "$EIGENSTEP")/tests/eigenstep_faults
run="$tiny encoder.base_width=4 run.log_every=2 spectrum.every=2 ckpt.every=2"
late=${FAULT_SECONDS:-60} # of a run that takes one or two on idle cores

on_two() { # on_two FAULT ARGUMENT...: the exit code in $got, what was printed in log
  ES_FAULT=$1 timeout -k 5 $late $MPIRUN $MPIRUN_FLAGS -n 2 "$faulty" "${@:2}" > log 2>&1
  got=$?
}
opens() {
  [ ! -e out/trajectory.h5 ] || "$python" - << 'PY'
import h5py
with h5py.File("out/trajectory.h5") as f:
    f.visititems(lambda name, v: v[()] if isinstance(v, h5py.Dataset) else None)
PY
}
complete() { ls "$1"/ckpt/step_*/DONE 2> /dev/null; }

# the calls of a run and of its resumption, by chains of callers
on_two list:train train - $run run.steps=2 output.dir=out
[ $got -eq 0 ] || { fail "the run without a fault: exit $got"; cat log; finish; }
cp -r out before
on_two list:resume resume out run.steps=4
[ $got -eq 0 ] || { fail "the resumption without a fault: exit $got"; cat log; finish; }
for command in train resume; do
  for rank in 0 1; do
    sed "s/\([a-z0-9]*\) \([0-9]*\) \(.*\)/$command \1:$rank:\2 \3/" $command.$rank
  done
done > sites
[ "$(wc -l < sites)" -gt 500 ] || fail "only $(wc -l < sites) calls are listed"

total=$(wc -l < sites) count=${FAULTS:-8}
[ "$count" = all ] && count=$total
tried=0 unnoticed=0
for k in $(seq 0 $((count - 1))); do
  number=$((1 + (k * total / count + ${SEED:-0}) % total))
  read -r command fault name <<< "$(sed -n ${number}p sites)"
  rm -rf out
  had=
  if [ "$command" = train ]; then on_two "$fault" train - $run run.steps=2 output.dir=out
  else cp -r before out; had=$(complete out); on_two "$fault" resume out run.steps=4; fi
  what="$command with $name failing ($fault)"
  grep -q "^fault: " log || continue # another number of calls than in the list
  tried=$((tried + 1))
  case $got in
    0) unnoticed=$((unnoticed + 1))
       [ "$(cat out/STATUS)" = DONE ] || fail "$what: exit 0, $(cat out/STATUS)" ;;
    124 | 137) fail "$what: hangs" ;;
    *) grep -qE "eigenstep: (error|warning): " log || fail "$what: exit $got, no sentence"
       ! grep -qE "signal (11|6|7|8)|Sanitizer" log || fail "$what: crashed" ;;
  esac
  opens || fail "$what: the trajectory does not open"
  for set in $had; do
    [ -e "$set" ] || complete out > /dev/null || fail "$what: the checkpoint is lost"
  done
  if complete out > /dev/null && [ "$(cat out/STATUS)" != DONE ]; then
    "$EIGENSTEP" resume out run.steps=4 > again 2>&1 ||
      { fail "$what: the resumption after it"; cat again; }
  fi
  [ "${failures:-0}" = "${seen:-0}" ] || { tail -n 5 log; seen=$failures; }
done
echo "$tried calls failed of $total, $unnoticed without harm"
[ $tried -ge $((count / 2)) ] || fail "only $tried of $count calls failed as asked"
finish
