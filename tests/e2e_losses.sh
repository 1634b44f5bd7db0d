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
for loss in vicreg simclr spectral wmse corinfomax barlow_logdet lejepa directpred \
            isoloss; do
  case $loss in # VICReg starts to grow ten times faster than the others
    simclr|wmse|lejepa|*pred|isoloss) more= ;;
    vicreg) more=precondition.eps=1 ;;
    *) more=precondition.eps=0.1 ;;
  esac
  for n in 1 2 3; do
    launch $n train - $tiny $smooth loss.name=$loss $more output.dir="$work/$loss$n" \
      > "$work/log" 2>&1 || { cat "$work/log"; fail "$loss on $n ranks ended with $?"; }
  done
  "$python" "$srcdir/tests/compare_runs.py" "$work/$loss"[123] ||
    fail "$loss: results differ between rank counts"
done

# where no step is predicted, the table and the report say so, and why
launch 1 train - $tiny encoder.name=linear projector.widths=8 projector.bias=false \
  loss.name=lejepa init.scale_last=1e-3 output.dir="$work/lejepa" > "$work/log" 2>&1 ||
  fail "lejepa from a small start"
"$python" "$srcdir/postprocess/report.py" "$work/lejepa" -o "$work/page.html" \
  > "$work/report.log" 2>&1 || { cat "$work/report.log"; fail "report of lejepa"; }
for words in 'o step is predicted: the theory of this loss gives growth rates' \
  'forecasts in the run came 9 to 33 % late'; do
  grep -q "$words" "$work/log" && grep -q "$words" "$work/page.html" ||
    { tail -5 "$work/log"; fail "table and report do not say '$words'"; }
done

# a preconditioned gradient is another one
launch 2 train - $tiny $smooth output.dir="$work/plain" > "$work/log" 2>&1 &&
  launch 2 train - $tiny $smooth precondition.eps=0.1 output.dir="$work/divided" \
    > "$work/log" 2>&1 || { cat "$work/log"; fail "preconditioned run"; }
"$python" - "$work" <<'END' || fail "precondition.eps changes nothing"
import sys
import h5py
last = [h5py.File(f"{sys.argv[1]}/{d}/trajectory.h5")["/loss/value"][-1]
        for d in ("plain", "divided")]
assert abs(last[0] / last[1] - 1) > 1e-6, last
END

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
refuse "precondition.*simclr" loss.name=simclr precondition.eps=0.1
refuse "precondition.*wmse" loss.name=wmse precondition.eps=0.1
refuse "loss\.wmse.*width 8" loss.name=wmse batch.pairs=8
refuse "spectral.*1 pair|batch\.pairs: got 1 " loss.name=spectral batch.pairs=1
launch 2 train - $tiny $smooth run.steps=0 batch.pairs=4 output.dir="$work/wide" \
  > "$work/log" 2>&1
[ "$(grep -c "warning: embeddings of width 8.* 4 pairs" "$work/log")" -eq 1 ] ||
  { cat "$work/log"; fail "embeddings wider than the batch are not warned about once"; }
for loss in spectral wmse corinfomax; do
  launch 2 linear - $small output.dir="$work/none" loss.name=$loss > "$work/log" 2>&1
  [ $? -eq 2 ] && grep -q "loss\.name: got $loss,.* barlow, .* or isoloss" "$work/log" ||
    fail "linear with loss $loss was not refused"
done
launch 2 linear - $small output.dir="$work/none" loss.name=vicreg precondition.eps=0.1 \
  > "$work/log" 2>&1
[ $? -eq 2 ] && grep -q "precondition\.eps" "$work/log" ||
  fail "linear with vicreg and precondition.eps was not refused"
launch 2 linear - $small output.dir="$work/none" loss.name=vicreg linear.method=flow \
  > "$work/log" 2>&1 && fail "linear.method=flow with vicreg was not refused"
[ ! -e "$work/none" ] || fail "an output folder was made for refused input"
finish
