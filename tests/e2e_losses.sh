#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_losses.sh  A run with each loss on 1, 2 and 3 ranks: equal losses and spectra; the
# growth of linear models under them, predicted and measured; settings without meaning
# are refused. The encoder is linear, so that round-off does not grow through ReLUs that
# change sides, and differences are those of the loss.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py numpy
smooth="encoder.name=linear projector.widths=8 optim.lr=0.001"
for loss in vicreg simclr; do
  for n in 1 2 3; do
    launch $n train - $tiny $smooth loss.name=$loss output.dir="$work/$loss$n" \
      > "$work/log" 2>&1 || { cat "$work/log"; fail "$loss on $n ranks ended with $?"; }
  done
  "$python" "$srcdir/tests/compare_runs.py" "$work/$loss"[123] ||
    fail "$loss: results differ between rank counts"
done

# growth from a small start: predicted beside measured rates
small="data.size=16 data.count=64 augment.crop.size=8 linear.sample=40 linear.dim=4"
rates() { # rates NAME RANKS ARGUMENT...
  local name=$1 n=$2; shift 2
  launch "$n" linear - $small output.dir="$work/$name" "$@" > "$work/log" 2>&1 ||
    { cat "$work/log"; fail "$name: rates on $n ranks"; }
}
rates vicreg 1 loss.name=vicreg
rates rates2 2 loss.name=vicreg
rates dot 2 loss.name=simclr loss.simclr.normalize=false linear.center=true
rates cosine 3 loss.name=simclr loss.simclr.temperature=0.2 loss.simclr.doubled=true
# as many pairs as values, so that the invariance term reaches all directions
rates shrinking 1 loss.name=vicreg loss.vicreg.inv=1e6 linear.steps=20 linear.sample=60 \
  augment.crop.size=4
grep -q "no mode grows" "$work/log" || fail "nothing said about modes that shrink"
"$python" - "$work" <<'END' || fail "growth rates"
import sys
import h5py
import numpy as np
def column(name, key):
    with h5py.File(f"{sys.argv[1]}/{name}/trajectory.h5", "r") as f:
        return f["/rates"][key][:]
for name in "vicreg", "dot", "cosine", "shrinking":
    predicted, measured = column(name, "predicted"), column(name, "amplitude")
    assert len(predicted) == (3 if name == "cosine" else 4)
    assert (abs(measured - predicted) < 1e-5 * abs(predicted).max()).all(), name
assert (column("shrinking", "g") < 0).all()
top = column("vicreg", "predicted")[0]
assert abs(column("vicreg", "eigenvalue")[0] / top - 1) < 0.02
assert np.allclose(column("vicreg", "amplitude"), column("rates2", "amplitude"), 1e-6)
END

refuse() { # refuse 'REGEX' ARGUMENT...: exit code 2 and a message like REGEX
  local regex=$1; shift
  launch 2 train - $tiny $smooth output.dir="$work/none" "$@" > "$work/log" 2>&1
  [ $? -eq 2 ] || fail "not refused: $*"
  grep -qE "$regex" "$work/log" || { cat "$work/log"; fail "no '$regex' from: $*"; }
}
refuse "loss\.simclr\.temperature: got 0" loss.name=simclr loss.simclr.temperature=0
refuse "loss\.vicreg\.eps" loss.name=vicreg loss.vicreg.eps=0
launch 2 linear - $small output.dir="$work/none" loss.name=vicreg linear.method=flow \
  > "$work/log" 2>&1 && fail "linear.method=flow with vicreg was not refused"
[ ! -e "$work/none" ] || fail "an output folder was made for refused input"
finish
