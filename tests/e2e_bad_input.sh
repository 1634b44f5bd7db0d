#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_bad_input.sh  Wrong input on 2 and 3 ranks: one error message, printed once; the
# same non-zero exit code on all ranks; no hang; nothing overwritten.
set -u
. "$srcdir/tests/e2e.sh"

# refuse CODE 'REGEX' ARGUMENT...: the program must exit with CODE and say REGEX once
refuse() {
  local code=$1 regex=$2 n got said; shift 2
  for n in 2 3; do
    launch $n "$@" > "$work/out" 2> "$work/err"
    got=$?
    said=$(grep -c "eigenstep: error:" "$work/err")
    [ $got -eq "$code" ] || fail "$n ranks: exit $got instead of $code: $*"
    grep -qE "$regex" "$work/err" ||
      { fail "$n ranks: no '$regex' from: $*"; grep eigenstep "$work/err"; }
    [ "$said" -eq 1 ] || { fail "$n ranks: $said sentences instead of 1: $*";
                           grep "eigenstep:" "$work/err"; }
  done
}

out=output.dir=$work/none
launch 1 linear - data.name=gaussian data.dim=5 linear.sample=20 linear.dim=2 linear.steps=2 \
  output.dir="$work/solved" > "$work/out" 2>&1 || { cat "$work/out"; fail "a linear model"; }
# parameters
printf '[data]\nnaem = x\n' > "$work/broken-key.ini"
printf '[optim]\nlr = -3\n' > "$work/broken-value.ini"
refuse 2 "los\.name.*loss\.name" train - los.name=barlow $out
refuse 2 "optim\.lr.*-1" train - optim.lr=-1 $out
refuse 2 "batch\.pairs.*two" train - batch.pairs=two $out
refuse 2 "barlo.*barlow" train - loss.name=barlo $out
refuse 2 "resnet51.*resnet50" train - encoder.name=resnet51 $out
refuse 2 "backend.*gpu" train - backend.name=gpu $out
refuse 2 "broken-key.ini:2: .*data.naem.*data.name" train "$work/broken-key.ini" $out
refuse 2 "broken-value.ini:2: optim.lr: got -3" train "$work/broken-value.ini" $out
refuse 2 "data.name 'folder'.*did you mean 'imagefolder'" train - data.name=folder $out
refuse 2 "did you mean 'loss'.*optim, sched" params los
refuse 2 "expected FILE.safetensors" export "$work" "$work/x.pt"
refuse 1 "is a file, expected the output folder" resume "$work/broken-key.ini"
refuse 1 "Is a directory|is a folder" spectrum "$work" $out
refuse 1 "cannot open '.*nope.npy': No such file" spectrum "$work/nope.npy" $out
refuse 1 "first bytes are of no known format" spectrum "$work/broken-key.ini" $out
refuse 1 "'$work/solved' is the folder of 'eigenstep linear', which has no network" \
  ntk "$work/solved"
mkdir -p "$work/grid/queue"
refuse 1 "is the folder of a sweep" resume "$work/grid"
refuse 2 "override 'b.npy': .*files that belong together: A,B" spectrum a.npy b.npy $out
refuse 2 "not in this build" train - backend.name=cuda $out
refuse 2 "augment.*swirl" train - augment.list=crop,swirl $out
refuse 2 "augment.*jiter.*did you mean 'jitter'" train - augment.list=crop,jiter $out
refuse 2 "augment.list: got 'flip' twice" train - augment.list=flip,crop,flip $out
refuse 2 "augment.list: got an empty list" train - augment.list= $out
refuse 2 "augment.crop.ratio: .*the larger first" train - augment.crop.ratio=2,1 $out
refuse 2 "got the list 'crop,,flip'" train - augment.list=crop,,flip $out
refuse 2 "optim\.momentum: got 1, expected less" train - optim.momentum=1 $out
refuse 2 "batch\.pairs: got 1 " train - batch.pairs=1 $out
refuse 2 "spectrum\.top.*8" train - $tiny spectrum.top=9 $out
refuse 2 "spectrum\.every" train - $tiny spectrum.every=often $out
refuse 2 "cannot open.*no-such.ini" train "$work/no-such.ini" $out
refuse 2 "command.*tran" tran -
refuse 2 "option.*--fast" --fast
printf '[run\nsteps = 3\n' > "$work/broken.ini"
refuse 2 "broken.ini" train "$work/broken.ini" $out
printf 'steps = 3\n' > "$work/nosection.ini"
refuse 2 "nosection.ini" train "$work/nosection.ini" $out

# data files
cifar="$tiny data.name=cifar10 data.size=0"
refuse 2 "data\.path" train - $cifar $out
refuse 2 "data\.path: got '\.\./img' with data.name = deadleaves.*imagefolder" \
  train - $tiny data.path=../img $out
refuse 2 "data\.path.*gaussian" check - data.name=gaussian data.path=nope
refuse 1 "no-such" train - $cifar data.path="$work/no-such" $out
mkdir -p "$work/cifar"
head -c 30730 /dev/zero > "$work/cifar/data_batch_1.bin"
head -c 30730 /dev/zero > "$work/cifar/test_batch.bin"
truncate -s 30729 "$work/cifar/data_batch_1.bin"
refuse 1 "data_batch_1.bin.*30729" train - $cifar data.path="$work/cifar" $out
truncate -s 30730 "$work/cifar/data_batch_1.bin"
printf '\012' | dd of="$work/cifar/data_batch_1.bin" bs=1 seek=3073 conv=notrunc 2> /dev/null
refuse 1 "data_batch_1.bin.*label.*10|label.*10.*data_batch_1.bin" \
  train - $cifar data.path="$work/cifar" $out
head -c 30730 /dev/zero > "$work/cifar/data_batch_1.bin"
refuse 2 "spectrum\.probe = 24 exceeds the 10 images" train - $cifar data.path="$work/cifar" $out
refuse 2 "spectrum\.probe = 24 exceeds the 10 images" check - $cifar data.path="$work/cifar"
refuse 2 "batch\.pairs = 24 exceeds the 10 images" \
  train - $cifar data.path="$work/cifar" spectrum.probe=10 $out
refuse 2 "accuracy\.list.*has no labels" check - $tiny accuracy.list=knn
mkdir -p "$work/stl"
head -c 27648 /dev/zero > "$work/stl/train_X.bin"
printf '\001\001' > "$work/stl/train_y.bin"
refuse 1 "train_y.bin|label" train - $tiny data.name=stl10 data.size=0 \
  data.path="$work/stl" $out
mkdir -p "$work/images"
for i in $(seq 40); do cp "$srcdir/tests/data/tiny.jpg" "$work/images/$i.jpg"; done
head -c 300 "$srcdir/tests/data/tiny.jpg" > "$work/images/7.jpg"
refuse 1 "7\.jpg" train - $tiny data.name=imagefolder data.path="$work/images" \
  data.size=16 spectrum.probe=8 data.unreadable=refuse $out
cp "$srcdir/tests/data/tiny.jpg" "$work/images/7.jpg"
folder="data.name=imagefolder data.path=$work/images data.size=16 spectrum.probe=8"
mkfifo "$work/images/8pipe.jpg" # must not be waited for
refuse 1 "8pipe\.jpg" train - $tiny $folder $out
rm "$work/images/8pipe.jpg"
ln -s nowhere "$work/images/9.png"
refuse 1 "9\.png" train - $tiny $folder $out
launch 2 train - $tiny $folder run.steps=0 data.unreadable=skip batch.pairs=8 \
  output.dir="$work/skip" > "$work/out" 2>&1 ||
  { tail -n 5 "$work/out"; fail "a file that cannot be opened is not skipped"; }
mkfifo "$work/pipe.h5"
refuse 1 "pipe\.h5" spectrum "$work/pipe.h5:/z" $out

# nothing of all that made an output folder
[ ! -e "$work/none" ] || fail "an output folder was made for refused input"

# output folders
mkdir -p "$work/full/sub"
echo precious > "$work/full/sub/file"
refuse 2 "not empty" train - $tiny output.dir="$work/full"
[ "$(cat "$work/full/sub/file")" = precious ] || fail "a file was overwritten"
refuse 1 "full/sub/file" train - $tiny output.dir="$work/full/sub/file/dir"
long=$work/$(printf 'a%.0s' $(seq 240))/$(printf 'b%.0s' $(seq 240))
launch 2 train - $tiny run.steps=0 output.dir="$long" > "$work/out" 2>&1 ||
  { tail -n 5 "$work/out"; fail "an output folder with a long name"; }

# weights
launch 1 train - $tiny run.steps=0 output.dir="$work/start" > "$work/out" 2>&1 ||
  { cat "$work/out"; fail "run of 0 steps"; }
launch 2 export "$work/start" "$work/start.safetensors" > "$work/out" 2>&1 ||
  { cat "$work/out"; fail "export"; }
"$python" "$srcdir/tests/break_safetensors.py" "$work/start.safetensors" "$work" ||
  fail "cannot make broken weights"
weights() { refuse 1 "$1" train - $tiny encoder.weights="$work/$2.safetensors" $out; }
weights "conv1\.weight" missing
weights "surplus\.weight" extra
weights "conv1\.weight.*\[" shape
weights "truncated" truncated
weights "no-such" no-such
mkfifo "$work/pipe.safetensors"
weights "pipe" pipe
refuse 1 "not a regular file" export "$work/start" "$work/pipe.safetensors"
launch 2 train - $tiny run.steps=2 encoder.weights="$work/start.safetensors" \
  output.dir="$work/warm" > "$work/out" 2>&1 || { cat "$work/out"; fail "start from weights"; }

# numbers
refuse 2 "optim\.momentum.*adamw" train - $tiny optim.name=adamw optim.momentum=0.9 $out
refuse 2 "optim\.lars\.eta.*-1" train - $tiny optim.name=lars optim.lars.eta=-1 $out
# each rank measures by itself, and yet it is one sentence
launch 2 train - $tiny optim.lr=1e30 parallel.deterministic=true output.dir="$work/det" \
  > "$work/out" 2> "$work/err"
[ $? -eq 1 ] && [ "$(grep -c "eigenstep: error:" "$work/err")" -eq 1 ] ||
  { fail "infinite embeddings with parallel.deterministic"; cat "$work/err"; }
grep -q "^FAILED .*step" "$work/det/STATUS" || fail "STATUS with parallel.deterministic"
# a loss that is finite, a gradient that single precision cannot hold
launch 2 train - $tiny loss.barlow.scale=1e300 run.skip_max=1 output.dir="$work/huge" \
  > "$work/out" 2> "$work/err"
[ $? -eq 1 ] || fail "steps without an update end no run"
grep -q "warning: step 0: gradient is .*; update skipped" "$work/err" &&
  grep -qE "error: training diverged at step 1: gradient is (infinite|NaN).*; 2 \
consecutive updates skipped \(run.skip_max = 1\); lower optim.lr" "$work/err" ||
  { fail "steps without an update are not told"; cat "$work/err"; }
# finite numbers that no training reaches end a run as well
for n in 2 3; do
  launch $n train - $tiny spectrum.every=1 optim.lr=1e9 output.dir="$work/far$n" \
    > "$work/out" 2> "$work/err"
  [ $? -eq 1 ] && [ "$(grep -c "eigenstep: error:" "$work/err")" -eq 1 ] &&
    grep -qE "training diverged: eigenvalue 1 .* at step [0-9]+, expected about .*; lower \
optim.lr" "$work/err" && grep -q "^FAILED .*diverged" "$work/far$n/STATUS" ||
    { fail "$n ranks: an exploded eigenvalue"; cat "$work/err" "$work/far$n/STATUS"; }
done
for n in 2 3; do
  launch $n train - $tiny optim.lr=1e30 output.dir="$work/inf$n" > "$work/out" 2> "$work/err"
  got=$?
  [ $got -eq 1 ] || fail "$n ranks: exit $got instead of 1 for an infinite loss"
  grep -qE "training diverged at step [0-9]+: loss is .* on rank [0-9]" "$work/err" ||
    { fail "$n ranks: step and rank of an infinite loss"; cat "$work/err"; }
  ! grep -q sample "$work/err" || { fail "samples without -v"; cat "$work/err"; }
  [ "$(grep -c "eigenstep: error:" "$work/err")" -eq 1 ] ||
    { fail "$n ranks: not one sentence for an infinite loss"; cat "$work/err"; }
  grep -q "FAILED .*loss" "$work/inf$n/STATUS" || fail "$n ranks: STATUS of a failed run"
done
finish
