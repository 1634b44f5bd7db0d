#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_memory.sh  2,000 steps take no more memory than the first 500: resident and counted
# bytes of /timing stay, on 1 and 2 ranks.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py numpy
for n in 1 2; do
  launch $n train - $tiny batch.pairs=4 spectrum.probe=4 run.steps=2000 run.log_every=1 \
    spectrum.every=0 output.dir="$work/r$n" > "$work/log" 2>&1 ||
    { tail -5 "$work/log"; fail "$n ranks"; continue; }
  "$python" - "$work/r$n/trajectory.h5" <<'EOF' || fail "$n ranks: memory grows"
import sys
import h5py
import numpy as np
with h5py.File(sys.argv[1]) as f:
    step = f["/timing/step"][:]
    assert len(step) == 2000 and len(f["/loss/value"]) == 2000
    for name, slack in (("allocated", 0), ("resident", 2 << 20)):
        # resident: what HDF5 and MPI keep is not ours; 2,000 rows of /timing, were they
        # kept, are 2 x 10^5 bytes
        x = f["/timing/" + name][:]
        assert x.min() > 1e6, (name, x.min())
        early, late = x[(step > 100) & (step <= 500)].max(), x[step > 500].max()
        print(name, early, late)
        assert late <= early + slack, (name, early, late)
EOF
done
finish
