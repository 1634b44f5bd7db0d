#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_check.sh  eigenstep check --ranks: the model of a step on networks and numbers of
# ranks, its warning, and what is refused.
set -u
. "$srcdir/tests/e2e.sh"
cd "$work" || exit 99
plan="check - encoder.name=resnet18 encoder.stem=cifar data.size=32 augment.crop.size=32
      batch.pairs=4096 spectrum.probe=4096 data.count=10000"
model() { "$EIGENSTEP" $plan "$@" > out 2> err || fail "check $*: $(cat err)"; }
column() { awk -v first="$1" -v n="$2" '$1 == first { print $(NF + 1 - n); exit }' out; }
more() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > b) }'; }

# ---- all networks: the slower, the less efficient; one warning, of the slowest
model --ranks 512 check.node=64 check.rate=500
grep -q 'modelled for 512 ranks, 64 a node, at 500 GFLOP/s a rank (check.rate)' out ||
  fail "no model: $(cat out)"
one=$(column 1gbit 1) ten=$(column 10gbit 1) hundred=$(column edr100 1)
more "$hundred" "$ten" && more "$ten" "$one" ||
  fail "efficiencies $one, $ten, $hundred at 1, 10, 100 Gbit/s"
[ "$(grep -c 'warning: efficiency: got' err)" = 1 ] || fail "one warning: $(cat err)"
grep -q "efficiency: got [0-9]* % on 512 ranks over 1gbit, expected 70 or more" err ||
  fail "the warning: $(cat err)"

# ---- one network: a line for 1, 2, 4, ... ranks; parts add up; none is free
model --ranks 512 check.node=64 check.rate=50 check.network=hdr200
[ "$(grep -cE '^ +[0-9]+ +[0-9]+ ' out)" = 20 ] || fail "two tables of ten lines: $(cat out)"
awk '/^ +[0-9]+ +[0-9]+ / { sum = $5 + $6 + $7 + $8 + $9; lines++
  if (sum < 0.999 * $4 || sum > 1.001 * $4 || $12 > 100.05 || $12 <= 0) exit 1
  if ($2 > 1 && ($6 <= 0 || $10 <= 0)) exit 1 }' out || fail "parts: $(cat out)"
model --ranks 512 check.node=64 check.rate=50 check.latency=1e-9 check.bandwidth=1e9
free=$(awk '$1 == 8 && $2 == 512 { print $NF; exit }' out)
more "$free" 80 || fail "a network that costs nothing: efficiency $free"
! grep -q warning err || fail "a warning: $(cat err)"

# ---- twice the rate is half of the compute; what is measured is a rate
model --ranks 2 check.node=2 check.rate=10 check.network=10gbit
slow=$(awk '$1 == 1 && $2 == 1 { print $5; exit }' out)
model --ranks 2 check.node=2 check.rate=20 check.network=10gbit
fast=$(awk '$1 == 1 && $2 == 1 { print $5; exit }' out)
awk -v a="$slow" -v b="$fast" 'BEGIN { exit !(a / b > 1.98 && a / b < 2.02) }' ||
  fail "compute $slow and $fast ms at 10 and 20 GFLOP/s"
"$EIGENSTEP" check - $tiny --ranks 2 > out 2> err || fail "measured: $(cat err)"
grep -qE 'at [0-9.e+-]+ GFLOP/s a rank \(steps of [0-9]+ pairs here\)' out ||
  fail "no measured rate: $(cat out)"
[ "$(ls)" = "$(printf 'err\nout')" ] || fail "check wrote files: $(ls)"

# ---- a GPU is described without one, in a build with the backend (here on the host double)
# and, in the same words, in one without it
double=$(dirname "$EIGENSTEP")/tests/cuda_host/eigenstep
for words in "check.gpu=80 --ranks 4" "backend.precision=bf16 spectrum.precision=bf16"; do
  "$EIGENSTEP" $plan backend.name=cuda $words > here 2> err || fail "no backend cuda: $(cat err)"
  grep -q 'memory of the device, a rank' here || fail "not of a device: $(cat here)"
  [ ! -x "$double" ] || CUDA_HOST_DEVICES=0 "$double" $plan backend.name=cuda $words > out
  [ ! -x "$double" ] || cmp <(grep -v /dev/shm here) <(grep -v /dev/shm out) ||
    fail "another plan without the backend: $words"
done
# without check.gpu and check.rate a step is timed, where there is such a GPU
"$EIGENSTEP" check - $tiny backend.name=cuda --ranks 2 > out 2> err ||
  fail "no step on backend cuda: $(cat err)"
grep -q 'memory of the device, a rank' out &&
  grep -qE 'GFLOP/s a rank \(steps|step .*not modelled: .*cuda.*; give .* as check.rate' out ||
  fail "a step that cannot be timed: $(cat out)"
if [ -x "$double" ]; then
  on_gpu() { # on_gpu GB ARGUMENT...
    CUDA_HOST_DEVICES=0 "$double" $plan backend.name=cuda check.gpu="$@" > out 2> err ||
      fail "no GPU: $(cat err)"
  }
  on_gpu 80
  grep -q 'memory of the device, a rank' out && grep -q 'GPU  *fits: about' out ||
    fail "80 GB: $(cat out)"
  # beside what the run allocates: context, workspaces, and as scratch one activation, of
  # which the largest is of 64 x 32 x 32 floats in each of 8,192 views
  awk '/together, at least/ && !own { own = $(NF - 1) / 1e3 }
       /^GPU .*fits: about/ { beside = $4 - own }
       END { exit !(beside > 0.7 + 2.147 && beside < 1 + 2.148) }' out ||
    fail "memory beside what is allocated: $(grep -E 'together|GPU' out)"
  on_gpu 2
  pairs=$(sed -n 's/.*does not fit: .*batch.pairs = \([0-9]*\) would.*/\1/p' out)
  on_gpu 2 batch.pairs="$pairs" spectrum.probe="$pairs"
  grep -q 'GPU  *fits' out || fail "$pairs pairs do not fit 2 GB: $(cat out)"
  on_gpu 2 batch.pairs=$((pairs + pairs / 16)) spectrum.probe="$pairs"
  grep -q 'GPU  *does not fit' out || fail "more than $pairs pairs fit 2 GB: $(cat out)"
  on_gpu 80 --ranks 4
  grep -q 'not modelled: check.gpu describes a GPU that is not here' out ||
    fail "a step of a GPU that is not here: $(cat out)"
  on_gpu 0.1
  grep -q 'does not fit: .*, with any batch' out || fail "0.1 GB: $(cat out)"
fi

# ---- Muon's matrices and sums in a fixed order cost time
cost() { # cost ARGUMENT...: compute and gradient of 64 ranks on 8 nodes, in ms
  model --ranks 64 check.node=8 check.rate=50 check.network=hdr200 \
    batch.pairs=4096 "$@"
  awk '$1 == 8 && $2 == 64 { print $5, $7; exit }' out
}
read -r sgd sum <<< "$(cost)"
read -r muon sends <<< "$(cost optim.name=muon)"
read -r tree ordered <<< "$(cost parallel.deterministic=true parallel.shards=64)"
more "$muon" "$sgd" && more "$sends" "$sum" || fail "Muon: $muon, $sends; SGD: $sgd, $sum"
more "$tree" "$sgd" && more "$ordered" "$sum" || fail "ordered: $tree, $ordered"

# ---- what is not modelled, and what is refused
# a batch that is too small for this loss cannot be timed, the run itself is sound
"$EIGENSTEP" check - $tiny --ranks 2 loss.name=wmse data.count=1024 batch.pairs=512 \
  projector.widths=64 > out 2> err || fail "wmse: $(cat err)"
grep -q 'not modelled: no step .* (.*wmse.*); give the speed of a rank as check.rate' out ||
  fail "wmse: $(cat out err)"
refused() { # refused REGEX ARGUMENT...: exit 2, one sentence
  local regex=$1 got; shift
  "$EIGENSTEP" $plan "$@" > out 2> err
  got=$?
  [ $got = 2 ] && [ "$(grep -c error: err)" = 1 ] && grep -qE "$regex" err ||
    fail "exit $got: $* (expected '$regex'): $(cat err)"
}
for n in 0 -3 2.5 many 99999999999 ''; do
  refused "\\-\\-ranks: got '$n', expected a number of ranks" --ranks "$n"
done
refused "\\-\\-ranks: got 'nothing'" --ranks
refused "batch.pairs: got 4096 pairs for 5000 ranks" --ranks 5000
refused "check.network: got .*ethernet.*10gbit" --ranks 4 check.network=ethernet
refused "check.rate: got .*-1" --ranks 4 check.rate=-1
refused "got one of them, expected both" --ranks 4 check.latency=5
finish
