#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_peers.sh  The races of jobs/: PyTorch's training does the recipe of a run.ini, from
# files like ours to eigenvalues; both are measured; NumPy gets the matrix of bench eig;
# bench.sh times PyTorch's step beside ours.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py torch torchvision
cd "$work" || exit 99
run() { timeout 250 "$python" "$srcdir/jobs/$1" "${@:2}" --program "$EIGENSTEP" \
  --launch "$MPIRUN $MPIRUN_FLAGS -n {P}" --rounds 1 > out 2> err; }

"$python" - <<'EOP'
import numpy as np
records = np.random.default_rng(1).integers(0, 256, (60, 3073), np.uint8)
records[:, 0] %= 10  # labels
records[:40].tofile("data_batch_1.bin")
records[40:].tofile("test_batch.bin")
EOP
recipe="$srcdir/inputs/resnet50-cifar10/run.ini data.path=$work encoder.name=resnet18
        encoder.stem=cifar augment.crop.size=16 batch.pairs=8 spectrum.probe=12
        spectrum.every=2 run.steps=3 backend.precision=f32 projector.widths=4
        backend.tune=false"
limit=100 launch 1 train $recipe output.dir=ours > out 2>&1 ||
  fail "train ended with $?: $(tail -n 2 out)"
"$python" "$srcdir/jobs/peer_train.py" ours/run.ini peer.h5 --workers 1 --threads 1 \
  > out 2> err || fail "peer_train.py ended with $?: $(cat err)"
"$python" - <<'EOP' || fail "PyTorch's training is not that of ours"
import h5py, numpy as np
with h5py.File("peer.h5") as peer, h5py.File("ours/trajectory.h5") as ours:
    assert list(peer["step"]) == [0, 2, 3] == list(ours["/spectrum/covariance/step"])
    assert peer["loss"].shape == (3,)
    e, o = (np.array(x)[0] for x in (peer["eigenvalues"],
                                     ours["/spectrum/covariance/eigenvalues"]))
    assert len(e) == 4 and np.all(np.diff(e) <= 0), e
    # the same distribution of initial weights: the traces are alike
    assert 0.2 < e.sum() / o.sum() < 5, (e, o)
EOP
sed 's/^name = barlow/name = vicreg/' ours/run.ini > other.ini
"$python" "$srcdir/jobs/peer_train.py" other.ini peer.h5 > out 2> err &&
  fail "another loss was taken for Barlow Twins"
grep -q "loss.name: got 'vicreg'" err || fail "no reason: $(cat err)"

run race_train.py $recipe --ranks 1 --workers 1 --python "$python" ||
  fail "the race ended with $?: $(cat err)"
[ "$(grep -cE '^(eigenstep|PyTorch) +[0-9]' out)" = 2 ] || fail "no two rows: $(cat out)"
awk '/^median/ { if ($5 > 0 && $6 > 0 && $8 > 0) seen = 1 } END { exit !seen }' out ||
  fail "no ratios: $(cat out)"
run race_train.py $recipe --ranks 1 --python false && fail "a peer that fails passed"
grep -q 'peer_train.py .* ended with 1' err || fail "no reason: $(cat err)"

run peer_eig.py -n 96 -k 5 --shapes 1x1,2x1 --peers eigh,eigvalsh ||
  fail "peer_eig.py ended with $?: $(cat err)"
awk '/^(ours |eigh )/ && $NF != "-" { rows++; if (!($NF < 1e-9)) bad = 1 }
     END { exit rows != 7 || bad }' out || fail "residuals: $(cat out)"
run peer_eig.py -n 96 --peers qr && fail "an unknown solver passed"
run peer_eig.py -n 96 --shapes 2 && fail "a shape without threads passed"

cat > small <<EOP # the program, with the least to do
#!/bin/sh
exec "$EIGENSTEP" "\$@" $tiny bench.repeats=1 bench.warmup=1
EOP
chmod +x small
bench() { EIGENSTEP=$PWD/small MPIRUN_FLAGS="$MPIRUN_FLAGS" RANKS=1 ROUNDS=1 STEPS=1 \
  CASES=32:2 OURS=auto:f32 EIG=64 ROWS=500 PYTHON="$1" timeout 250 sh "$srcdir/jobs/bench.sh" \
  > out 2> err; }
bench "$python" || fail "bench.sh ended with $?: $(cat err)"
grep -q '(peers: PyTorch [0-9]' out || fail "bench.sh: no version: $(cat out err)"
awk '$1 == "32:2" && $6 > 0 { rows++; peer += $2 == "torch-f32" }
     END { exit rows != 2 || peer != 1 }' out || fail "bench.sh: no two rows: $(cat out err)"
bench false || fail "bench.sh without PyTorch ended with $?: $(cat err)"
grep -q '^peers SKIPPED' out || fail "bench.sh: nothing about peers: $(cat out)"
finish
