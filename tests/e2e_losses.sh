#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_losses.sh  A run with each loss on 1, 2 and 3 ranks: equal losses and spectra. The
# encoder is linear, so that round-off does not grow through ReLUs that change sides, and
# differences are those of the loss. Settings without meaning are refused.
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

refuse() { # refuse 'REGEX' ARGUMENT...: exit code 2 and a message like REGEX
  local regex=$1; shift
  launch 2 train - $tiny $smooth output.dir="$work/none" "$@" > "$work/log" 2>&1
  [ $? -eq 2 ] || fail "not refused: $*"
  grep -qE "$regex" "$work/log" || { cat "$work/log"; fail "no '$regex' from: $*"; }
}
refuse "loss\.simclr\.temperature: got 0" loss.name=simclr loss.simclr.temperature=0
refuse "loss\.vicreg\.eps" loss.name=vicreg loss.vicreg.eps=0
finish
