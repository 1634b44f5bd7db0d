#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_tutorial.sh  Every cell of postprocess/tutorial.ipynb runs on a new training run, and
# its figure and numbers are the run's.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py numpy matplotlib PIL xarray pandas
scripts=$(cd "$srcdir/postprocess" && pwd)
cell_runner=$(cd "$srcdir/tests" && pwd)/run_notebook.py
PYTHONDONTWRITEBYTECODE=1 MPLCONFIGDIR=$work/config PYTHONPATH=$scripts
EIGENSTEP_RUN=$work/run
export PYTHONDONTWRITEBYTECODE MPLCONFIGDIR PYTHONPATH EIGENSTEP_RUN
launch 2 train - encoder.name=linear encoder.hidden=none data.size=8 data.count=400 \
  augment.crop.size=8 augment.crop.scale_min=0.5 projector.widths=4 batch.pairs=64 \
  spectrum.probe=128 backend.name=blas run.preset=theory run.steps=300 run.log_every=50 \
  output.dir="$work/run" > "$work/log" 2>&1 || { cat "$work/log"; fail "the run"; }
cd "$work" || exit 99
"$python" "$cell_runner" "$scripts/tutorial.ipynb" > out 2> err ||
  { cat out err; fail "a cell fails"; }
grep -q '^6 cells$' out || { cat out; fail "not all cells"; }
grep -q '^Barlow Twins | linear, deadleaves, 64 pairs | DONE$' out || fail "the first line"
"$python" - << 'EOF2' || { cat out; fail "the figure or the table"; }
import numpy as np
from PIL import Image
import eigenstep
for name in ("staircase", "law", "cloud"):
    x = np.asarray(Image.open(f"{name}.png").convert("RGB"))
    ink = np.mean(np.any(x < 250, axis=2))
    assert min(x.shape[:2]) > 300 and 0.005 < ink < 0.9, (name, x.shape, ink)
steps = eigenstep.open_run("run").step_table()
first = float(steps.step_measured[0])
assert 0 < first < 300, steps
assert f"{first:.4f}".rstrip("0") in open("out").read(), first
EOF2
# a cell that fails is an error, named
"$python" -c "
import json
n = json.load(open('$scripts/tutorial.ipynb'))
n['cells'][1]['source'] = ['open(\"none\")']
json.dump(n, open('broken.ipynb', 'w'))"
"$python" "$cell_runner" broken.ipynb > out 2> err && fail "a failing cell passed"
grep -q 'cell 1' err || { cat err; fail "the failing cell is not named"; }
finish
