#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_inputs.sh  Files as people have them: images as bytes or as numbers of either scale,
# pairs in double precision, photos with a film behind them, images that are too large,
# paths with ~, weights out of a wrapper, headers of any length; ranks that see other files.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py numpy
cd "$work" || exit 99
small="$tiny batch.pairs=12 spectrum.probe=12 run.steps=2 run.log_every=1"

run() { # run RANKS ARGUMENT...: the log is in log
  launch "$@" > log 2>&1 || { grep eigenstep: log; fail "ended with an error: $*"; }
}
refuse() { # refuse CODE REGEX COMMAND ARGUMENT...
  local code=$1 regex=$2 got; shift 2
  "$@" > log 2>&1
  got=$?
  [ $got -eq "$code" ] || fail "exit $got instead of $code: $*"
  grep -qE "$regex" log || { grep eigenstep: log; fail "not said: $regex"; }
  [ "$(grep -c "eigenstep: error:" log)" -eq 1 ] || fail "not one sentence: $*"
}
alike() { # alike RUN RUN: the same losses and eigenvalues, bit by bit
  "$python" - "$@" << 'END' || fail "$* differ"
import sys
import h5py
import numpy as np
a, b = (h5py.File(f"{d}/trajectory.h5") for d in sys.argv[1:])
for name in ("/loss/value", "/spectrum/covariance/eigenvalues"):
    assert a[name].shape[0] > 0 and np.array_equal(a[name][:], b[name][:]), name
END
}
"$python" - << 'END' || fail "cannot make the data"
import json
import h5py
import numpy as np
rng = np.random.default_rng(0)
u8 = rng.integers(0, 256, (48, 3, 16, 16), dtype="u1")
for name, x in (("u8", u8), ("unit", u8.astype("f4") / 255), ("full", u8.astype("f4"))):
    with h5py.File(name + ".h5", "w") as f:
        f["x"] = x
# in single precision these pairs lose the half of their digits that tells them apart
x = 1e4 + rng.standard_normal((40, 6)) * 0.7 ** np.arange(6)
y = x + 0.1 * rng.standard_normal((40, 6))
with h5py.File("pairs.h5", "w") as f:
    f["x"], f["x_prime"] = x, y
z = rng.standard_normal((20, 4))
np.save("z.npy", z)
head = json.dumps({"z": {"dtype": "F64", "shape": [20, 4], "data_offsets": [0, 640]}})
open("z.safetensors", "wb").write(
    (640).to_bytes(8, "little") + head.encode().ljust(640) + z.tobytes())
END

# bytes, 0 .. 1 and 0 .. 255 are the same images
for name in u8 unit full; do
  run 2 -v train - $small data.name=hdf5 data.path=$name.h5 output.dir=$name
  mv log log-$name
done
grep -q "f32 are images.*full scale 1, rounded" log-unit || fail "scale 1"
grep -q "f32 are images.*full scale 255, rounded" log-full || fail "scale 255"
alike u8 unit
alike u8 full
refuse 1 "values from 0 to 255 in /x, expected 0 to 1" launch 2 train - $small \
  data.name=hdf5 data.path=full.h5 data.full_scale=1 output.dir=none

# pairs of doubles stay doubles
run 2 linear - data.name=hdf5 data.path=pairs.h5 linear.sample=40 linear.dim=4 \
  linear.center=true output.dir=pairs
"$python" - << 'END' || fail "pairs of doubles were rounded"
import h5py
import numpy as np
with h5py.File("pairs.h5") as f:
    x, y = f["x"][:], f["x_prime"][:]
x, y = x - x.mean(0), y - y.mean(0)
want = np.linalg.eigvalsh((x.T @ y + y.T @ x) / 80)[::-1][:4]
got = h5py.File("pairs/trajectory.h5")["/theory/gamma"][:]
assert np.allclose(got, want, rtol=1e-9), (got, want)  # in single precision: 1e-5
END

# a header whose length begins as a pickle does
run 1 spectrum z.npy output.dir=npy
run 2 spectrum z.safetensors output.dir=st
"$python" - << 'END' || fail "the same numbers in .npy and .safetensors"
import h5py
import numpy as np
a, b = (h5py.File(f"{d}/trajectory.h5")["/spectrum/covariance/eigenvalues"][0]
        for d in ("npy", "st"))
assert np.allclose(a, b, rtol=1e-12), (a, b)
END
# what is wrong with the argument comes before what is wrong with the folder
refuse 1 "cannot open 'no.npy'" launch 2 spectrum no.npy output.dir=npy
refuse 2 "output folder 'npy' is not empty" launch 2 spectrum z.npy output.dir=npy

# photos: a film behind the image, more pixels than allowed
mkdir -p plain/a motion/a
for i in $(seq 30); do
  cp "$srcdir/tests/data/tiny.jpg" plain/a/$i.jpg
  { cat plain/a/$i.jpg; printf '\0\0\0\30ftypmp42\377\330\377'; head -c 5000 u8.h5; } \
    > motion/a/$i.jpg
done
images="$small data.name=imagefolder data.size=16"
run 2 train - $images data.path=plain output.dir=p
run 2 train - $images data.path=motion output.dir=m
alike p m
refuse 1 "expected at most data.max_pixels = 16" launch 2 train - $images data.path=plain \
  data.max_pixels=16 output.dir=none

home=$(getent passwd "$(id -u)" | cut -d: -f6)
if [ -n "$home" ] && [ -d "$home" ]; then
  run 1 train - $images data.path="~/$(realpath --relative-to="$home" plain)" output.dir=h
  run 1 train - $images data.path=plain output.dir=h1
  alike h1 h
fi

# weights whose names a wrapper for several devices has lengthened
run 1 export u8 w.safetensors
"$python" - << 'END' || fail "cannot rename the weights"
import json
raw = open("w.safetensors", "rb").read()
n = int.from_bytes(raw[:8], "little")
head = json.loads(raw[8:8 + n])
meta = head.pop("__metadata__")
head = {"module." + k: v for k, v in head.items()}
head["__metadata__"] = meta
text = json.dumps(head).encode()
open("wrapped.safetensors", "wb").write(len(text).to_bytes(8, "little") + text + raw[8 + n:])
END
for name in w wrapped; do
  run 1 train - $small data.name=hdf5 data.path=u8.h5 encoder.weights=$name.safetensors \
    run.steps=1 output.dir=from-$name
done
alike from-w from-wrapped

# ranks that see other files of the same name end with one sentence
"$python" - << 'END' || fail "cannot make the data"
import os
import numpy as np
for rank, n in ((0, 40), (1, 60)):
    os.makedirs(f"rank{rank}/set")
    np.save(f"rank{rank}/z.npy", np.ones((n, 3)) * np.arange(3))
    for name in ("data_batch_1.bin", "test_batch.bin"):
        np.zeros((n, 3073), "u1").tofile(f"rank{rank}/set/{name}")
    for part in ("train", "test"):
        np.zeros((n, 27648), "u1").tofile(f"rank{rank}/set/{part}_X.bin")
        np.ones(n, "u1").tofile(f"rank{rank}/set/{part}_y.bin")
END
apart() { # apart ARGUMENT...: each of two ranks in a folder of its own
  timeout 120 $MPIRUN $MPIRUN_FLAGS -n 2 sh -c '
    cd "rank${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-0}}" && exec "$@"' sh "$EIGENSTEP" "$@"
}
refuse 1 "shape of the embeddings: got different values on ranks 0 and 1" \
  apart spectrum z.npy
refuse 1 "records of CIFAR-10: got different values" \
  apart train - $small data.name=cifar10 data.path=set
refuse 1 "records of STL-10: got different values" \
  apart train - $small data.name=stl10 data.path=set
finish
