#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_views.sh  eigenstep views: the same file at any number of ranks, images beside their
# views, refusals; the contact sheet.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py numpy
small="data.size=16 augment.crop.size=24 views.count=70 views.first=5"
for n in 1 2 3; do
  launch $n views - $small views.epoch=3 views.file="$work/$n.h5" > "$work/log" 2>&1 ||
    { cat "$work/log"; fail "views on $n ranks"; }
done
launch 2 views - data.size=16 views.count=70 views.first=5 augment.list=crop,none \
  views.file="$work/wrong.h5" > "$work/log" 2>&1 && fail "'none' among steps was taken"
[ ! -e "$work/wrong.h5" ] || fail "refused views left a file"
launch 2 views - data.size=16 views.count=70 views.first=5 augment.list=normalize \
  views.file="$work/plain.h5" > "$work/log" 2>&1 || { cat "$work/log"; fail "plain views"; }
launch 2 views - data.size=16 views.count=70 views.first=5 augment.list=normalize \
  views.normalized=true views.file="$work/seen.h5" > "$work/log" 2>&1 ||
  { cat "$work/log"; fail "normalised views"; }
"$python" - "$work" <<'END' || fail "the files do not hold what they should"
import sys
import h5py
import numpy as np
f = {n: h5py.File(f"{sys.argv[1]}/{n}.h5") for n in ("1", "2", "3", "plain", "seen")}
one = f["1"]
assert one["view1"].shape == (70, 3, 24, 24) and one["image"].shape == (70, 3, 16, 16)
assert (one["id"][:] == np.arange(5, 75)).all()
for n in "23":
    for name in ("image", "view1", "view2", "id", "label"):
        assert (one[name][:] == f[n][name][:]).all(), (n, name)
views = one["view1"][:], one["view2"][:]
assert (views[0] != views[1]).any() and min(v.min() for v in views) >= 0
assert max(v.max() for v in views) < 1 + 1e-6  # 255 times a rounded 1 / 255
image = f["plain"]["image"][:] / 255.0
assert np.abs(f["plain"]["view1"][:] - image).max() < 1e-6
mean, std = np.reshape([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], (2, 1, 3, 1, 1))
assert np.abs(f["seen"]["view2"][:] - (image - mean) / std).max() < 1e-5
END

cp "$work/1.h5" "$work/kept.h5"
launch 2 views - $small views.file="$work/1.h5" > "$work/log" 2>&1 &&
  fail "an existing file was taken"
cmp -s "$work/1.h5" "$work/kept.h5" || fail "an existing file was changed"
# finite data, maybe sorted by class: records from all over it, unless told
for part in data_batch_1 test_batch; do head -c 24584 /dev/zero > "$work/$part.bin"; done
few="data.name=cifar10 data.path=$work spectrum.probe=2"
launch 2 views - $few views.count=9 views.file="$work/more.h5" > "$work/log" 2>&1 &&
  fail "more records than there are"
grep -q 'expected at most the 8 of data set' "$work/log" || { cat "$work/log"; fail "no sentence"; }
for stride in 0 1; do
  launch 2 views - $few views.count=3 views.first=1 views.stride=$stride \
    views.file="$work/by$stride.h5" > "$work/log" 2>&1 || { cat "$work/log"; fail "by $stride"; }
done
"$python" - "$work" << 'END' || fail "not the records asked for"
import sys
import h5py
ids = [list(h5py.File(f"{sys.argv[1]}/by{n}.h5")["id"][:]) for n in (0, 1)]
assert ids == [[1, 3, 5], [1, 2, 3]], ids
END

if "$python" -c "import matplotlib" 2> /dev/null; then
  "$python" "$srcdir/postprocess/contact_sheet.py" "$work/2.h5" --count 10 > "$work/log" &&
    [ "$(head -c 4 "$work/2.png" | tail -c 3)" = PNG ] || fail "contact sheet"
fi
finish
