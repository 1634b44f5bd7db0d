#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_full_disk.sh  A disk too small for the checkpoint (here: a limit on file sizes,
# which needs no root) ends the run with one error, exit 1 on all ranks and STATUS FAILED,
# without a hang; trajectory and earlier results stay readable. tests/full_disk.sh fills a
# real disk.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py
# A checkpoint of about 50 MB, half of it moments, against a limit of 30 MB, which MPI
# itself can live with.
run="$tiny encoder.base_width=48 optim.momentum=0.5 run.steps=2 spectrum.every=1"
for n in 1 2 3; do
  timeout 300 $MPIRUN $MPIRUN_FLAGS -n $n sh -c 'ulimit -f 60000; exec "$@"' sh \
    "$EIGENSTEP" train - $run output.dir="$work/out$n" > "$work/out" 2> "$work/err"
  got=$?
  [ $got -eq 1 ] || { fail "$n ranks: exit $got instead of 1"; tail -n 5 "$work/err"; }
  [ "$(grep -c "eigenstep: error:" "$work/err")" -eq 1 ] ||
    { fail "$n ranks: not one sentence"; cat "$work/err"; }
  grep -q "out$n/ckpt" "$work/err" || { fail "$n ranks: no file named"; cat "$work/err"; }
  grep -q "^FAILED " "$work/out$n/STATUS" || fail "$n ranks: STATUS"
  [ -z "$(ls "$work/out$n/ckpt" 2> /dev/null)" ] || fail "$n ranks: half a checkpoint left"
  "$python" - "$work/out$n" <<'EOF' || fail "$n ranks: the trajectory is not readable"
import sys
import h5py
with h5py.File(sys.argv[1] + "/trajectory.h5") as f:
    assert len(f["/loss/value"]) == 2
    assert f["/spectrum/covariance/eigenvalues"].shape == (3, 8)
EOF
done
finish
