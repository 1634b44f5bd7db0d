#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_hold_out.sh  What is held out of folders of images and HDF5 files sorted by class:
# every class in proportion, the same in a resumed run and on any number of ranks, traced
# to its files; `val` beside `train`; what a folder holds that is left out is counted.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py numpy
cd "$work" || exit 99
jpg=$srcdir/tests/data/tiny.jpg
small="$tiny data.size=16 batch.pairs=12 spectrum.probe=12 run.steps=2 ckpt.every=1 ckpt.keep=2"

fill() { # fill FOLDER COUNT
  local i
  mkdir -p "$1"
  for i in $(seq "$2"); do cp "$jpg" "$1/$i.jpg"; done
}
run() { # run RANKS ARGUMENT...: the log is in log
  launch "$@" > log 2>&1 || { grep eigenstep: log; fail "ended with an error: $*"; }
}
said() { grep -qE "$1" log || { grep eigenstep: log; fail "not said: $1"; }; }
refuse() { # refuse CODE REGEX ARGUMENT...
  local code=$1 regex=$2 got; shift 2
  launch 2 "$@" output.dir=none > log 2>&1
  got=$?
  [ $got -eq "$code" ] || fail "exit $got instead of $code: $*"
  said "$regex"
}

# three classes of 40, 20 and 12: 12 held out of 72 are 6 or 7, 3 or 4, 2
fill all/cat 40
fill all/"rock dove" 20
fill all/zebra 12
for n in 1 2 3; do
  run $n train - $small data.name=imagefolder data.path=all output.dir=f$n
  said "probe: 12 of the 72 records.*in proportion.*cat [67], rock dove [34], zebra 2"
done
cp -r f1 again && rm -r again/ckpt/step_00000002 && run 2 resume again
"$python" - << 'END' || fail "the probe of a folder"
import h5py
import numpy as np
sets = []
for n in ("f1", "f2", "f3", "again"):
    with h5py.File(f"{n}/trajectory.h5") as f:
        e = f["/embedding"]
        names = list(e["class_name"].asstr())
        assert names == ["cat", "rock dove", "zebra"], names
        label, record = e["label"][:], e["record"][:]
        assert np.array_equal(label, np.searchsorted([40, 60], record, side="right"))
        count = np.bincount(label, minlength=3)
        assert np.array_equal(e["class_count"][:], count)
        assert all(abs(count - 12 * np.array([40, 20, 12]) / 72) < 1), count
        files = list(e["file"].asstr())
        assert all(file.split("/")[0] == names[k] for file, k in zip(files, label)), files
        assert len(set(files)) == 12 and e["file"].dims[0].keys() == ["sample"]
        assert "by run.seed" in e.attrs["source"]
        sets.append(record)
assert all(np.array_equal(sets[0], s) for s in sets), sets
END
run 1 train - $small data.name=imagefolder data.path=all run.seed=7 run.steps=0 \
  output.dir=seed
refuse 2 "spectrum.probe = 72 exceeds the 71 images that can be held out" \
  train - $small data.name=imagefolder data.path=all spectrum.probe=72 batch.pairs=72

# val, or else test, beside train; then nothing of train is held out
fill split/train/a 16
fill split/train/b 16
fill split/test/a 3
fill split/test/b 20
for path in split split/train; do
  rm -rf t
  run 2 train - $small data.name=imagefolder data.path=$path output.dir=t
  said "32 records"
  said "probe: 12 of the 23 records of split 'test'.*a [12], b 1[01]"
done
fill split/val/a 10
fill split/val/b 10
run 2 train - $small data.name=imagefolder data.path=split output.dir=v
said "probe: 12 of the 20 records of split 'val'.*a 6, b 6"
fill split/val/c 1
refuse 1 "class 'c' of split 'val' is missing from split 'train'" \
  train - $small data.name=imagefolder data.path=split

# what is left out
fill left/cat 20
fill left/dog 20
fill left/cat/deeper/still 3
mkdir left/empty
cp "$jpg" left/beside.jpg
for i in 1 2; do cp "$jpg" left/dog/$i.webp; done
run 2 train - $small data.name=imagefolder data.path=left run.steps=0 output.dir=l
said "left out 3 images in folders below a class .'cat/deeper/still/1.jpg', .*, 2 files of \
formats that are not read .'dog/1.webp', .*, 1 image beside the class folders .'beside.jpg'.*, \
1 class without a readable image .'empty'"
[ "$(grep -c "left out" log)" -eq 1 ] || fail "said more than once"
run 2 train - $small data.name=imagefolder data.path=left data.limit=30 \
  spectrum.probe=6 run.steps=0 output.dir=limit
run 2 train - $small data.name=imagefolder data.path=left data.limit=18 \
  spectrum.probe=6 run.steps=0 output.dir=limit2
said "data.limit = 18: .* of 1 of its 2 classes"

# HDF5: sorted by class; labels [N, 1] and labels that are large numbers
"$python" - << 'END' || fail "cannot make the data"
import h5py
import numpy as np
x = np.random.default_rng(0).integers(0, 256, (72, 3, 16, 16), dtype="u1")
y = np.repeat([0, 1, 2], [40, 20, 12])
with h5py.File("a.h5", "w") as f:
    f["x"], f["label"] = x, y[:, None]
with h5py.File("b.h5", "w") as f:
    f["x"], f["label"] = x, np.array([2084071, 7697537, 2121808])[y]
with h5py.File("c.h5", "w") as f:
    f["x"], f["label"] = x, np.tile([2, 0, 1], 24)
END
run 1 train - $small data.name=hdf5 data.path=a.h5 accuracy.list=linear output.dir=ha
said "probe: .*0 [67], 1 [34], 2 2"
run 2 train - $small data.name=hdf5 data.path=b.h5 accuracy.list=linear output.dir=hb
said "3 classes are numbered.*2084071 to 7697537"
said "probe: .*2084071 [67], 2121808 2, 7697537 [34]"
run 1 train - $small data.name=hdf5 data.path=c.h5 data.limit=30 run.steps=0 output.dir=hc
! grep "data.limit" log || fail "all classes are there, in another order"
run 1 train - $small data.name=hdf5 data.path=a.h5 data.limit=50 run.steps=0 output.dir=hl
said "data.limit = 50: .* of 2 of its 3 classes"
finish
