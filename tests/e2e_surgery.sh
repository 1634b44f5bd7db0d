#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_surgery.sh  Section [surgery]: in a linear model predicted and measured steps of all
# modes agree after one was removed, frozen or boosted; in a training nothing changes
# before that step, W along the mode is what the section says, a resumed run is the same,
# on any number of ranks; what is refused.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py numpy

data="data.name=gaussian data.dim=20 data.decay=2 data.noise=0.1 linear.sample=300
      linear.dim=4 linear.alpha=1e-4 linear.rows=100"
linear() { # linear RANKS NAME ARGUMENT...: must succeed; output in $work/NAME.txt
  local n=$1 name=$2; shift 2
  launch "$n" linear - $data output.dir="$work/$name" "$@" > "$work/$name.txt" 2>&1 ||
    { cat "$work/$name.txt"; fail "$name on $n ranks"; }
}
linear 1 plain linear.momentum=0.5
linear 2 remove linear.momentum=0.5 surgery.remove=1 surgery.step=50
linear 1 freeze linear.momentum=0.5 surgery.freeze=1 surgery.step=70
linear 1 boost linear.momentum=0.5 surgery.boost=2 surgery.step=70 surgery.gain=3
linear 3 muon linear.method=muon surgery.remove=1 surgery.step=400
linear 1 early surgery.freeze=1 surgery.step=20
grep -q 'frozen before they have settled' "$work/early.txt" || fail "no word of early"

"$python" - "$work" << 'PYTHON' || fail "steps of the linear model"
import sys
import h5py, numpy as np
def steps(name):
    with h5py.File(f"{sys.argv[1]}/{name}/trajectory.h5") as f:
        s = f["/steps"]
        gamma = s["gamma"][:]
        rows = dict(zip(gamma, zip(s["step_measured"][:], s["step_predicted"][:])))
        done = {k: f["/surgery"][k][0] for k in f["/surgery"]} if "surgery" in f else {}
        return [rows[g] for g in sorted(gamma)[::-1]], done
plain, none = steps("plain")
assert len(plain) == 4 and none == {}
for name in "remove", "freeze", "boost", "muon":
    got, done = steps(name)
    for mode, (measured, predicted) in enumerate(got, 1):
        # 1e-3 of a step's time: modes are 2.5 times apart (e2e_methods.sh)
        assert abs(np.log(measured / predicted)) < 1e-3, (name, mode, measured, predicted)
        if name == "muon":
            continue
        changed = mode == done["mode"] and name != "freeze"
        off = abs(np.log(measured / plain[mode - 1][0]))
        assert off > 0.1 if changed else off < 1e-3, (name, mode, measured, plain)
    assert done["left"] == (0.01 if name in ("remove", "muon") else 1), done
    assert done["gain"] == {"freeze": 0, "boost": 3}.get(name, 1), done
got, done = steps("remove")
assert got[0][0] > 50 and done["step"] == 50 and 0.5 < done["eigenvalue"] < 1.5, done
PYTHON

run() { # run WHAT RANKS ARGUMENT...
  local what=$1 n=$2; shift 2
  launch "$n" "$@" > "$work/log" 2>&1 || { cat "$work/log"; fail "$what ended with $?"; }
}
usual="$tiny run.steps=12 spectrum.every=2 ckpt.every=2 ckpt.keep=9 optim.momentum=0.9
       optim.lr=1e-3 projector.bias=true"
exact="$usual parallel.deterministic=true"
cut="surgery.remove=1 surgery.freeze=1,2 surgery.step=6 surgery.left=0.1"
run whole 2 train - $exact output.dir="$work/whole"
run cut 2 train - $exact $cut output.dir="$work/cut"
grep -q 'surgery before step 6: mode 1, eigenvalue' "$work/log" || fail "not in the log"
run alone 1 train - $exact $cut output.dir="$work/alone"
run shared 2 train - $usual surgery.remove=1 surgery.freeze=1 surgery.step=6 \
  output.dir="$work/shared"
run after 1 train - $exact $cut run.steps=8 output.dir="$work/after"
run "after, resumed" 2 resume "$work/after" run.steps=12
grep -q 'transitions after it are not compared' "$work/log" || fail "compared"
cp -r "$work/cut" "$work/undone"
rm -r "$work"/undone/ckpt/step_0000000[789] "$work"/undone/ckpt/step_000000[1-9]*
run undone 2 resume "$work/undone" surgery.remove= surgery.freeze=
run before 2 train - $exact run.steps=6 output.dir="$work/before"
run "before, resumed" 1 resume "$work/before" run.steps=12 $cut

"$python" - "$work" << 'PYTHON' || fail "training"
import sys
import h5py, numpy as np
work = sys.argv[1]
def rows(name, series):
    with h5py.File(f"{work}/{name}/trajectory.h5") as f:
        return f[series][:]
def state(name, step):
    with h5py.File(f"{work}/{name}/ckpt/step_{step:08d}/state.h5") as f:
        s = f["/state"]
        w, b = (s[f"model/projector.0.{k}"][:] for k in ("weight", "bias"))
        q = s["surgery/state"][:, 2:] if "surgery/state" in s else None
        return np.column_stack([w, b]), q
spectrum = "/spectrum/cross_correlation/eigenvalues"
for series, first in ("/loss/value", 6), (spectrum, 4):
    a, b = rows("cut", series), rows("whole", series)
    assert a.shape == b.shape and a[:first].tobytes() == b[:first].tobytes(), series
    assert (a[first:] != b[first:]).all(), (series, a, b)
    for name in "alone", "after", "before":
        assert rows(name, series).tobytes() == a.tobytes(), (name, series)
    assert rows("undone", series).tobytes() == b.tobytes(), series
assert len(rows("undone", "/surgery/step")) == 0
assert len(rows("cut", "/surgery/step")) == 2
for name in "cut", "alone", "after", "before", "shared":
    w, none = state(name, 6)
    assert none is None, name
    for step in 8, 12:
        if (name, step) == ("before", 8) or (name, step) == ("after", 12):
            continue
        later, q = state(name, step)
        assert np.allclose(q @ q.T, np.eye(len(q)), atol=1e-12)
        left = np.array([0.1, 1]) if name != "shared" else np.array([0.01])
        now, then = q @ later, left[:, None] * (q @ w)
        # single precision of W, mode by mode
        assert np.abs(now - then).max() < 1e-6 * np.abs(w).max(), (name, step)
        other = later - q.T @ now - (w - q.T @ (q @ w))
        assert np.abs(other).max() > 1e-4 * np.abs(w).max(), (name, step)
    t = rows(name, "/surgery/eigenvalue")
    assert abs(t[0] / rows(name, spectrum)[3, 0] - 1) < 1e-12, name
PYTHON

refused() { # refused WORDS ARGUMENT...: on 2 ranks, with one sentence, nothing written
  local words=$1; shift
  launch 2 "$@" > "$work/log" 2>&1
  local got=$?
  [ $got = 2 ] && grep -q "$words" "$work/log" && [ ! -e "$work/no" ] ||
    { cat "$work/log"; fail "$*: status $got, expected 2 and '$words'"; }
}
to=output.dir=$work/no
refused "expected a whole number from 1 to the embedding's 8" train - $tiny $to \
  surgery.remove=9
refused 'expected a whole number' train - $tiny $to surgery.freeze=1.5
refused 'in freeze and in boost' train - $tiny $to surgery.freeze=1 surgery.boost=2,1
refused 'expected a step of the run, 0 to 9' train - $tiny $to surgery.boost=1 \
  surgery.step=10
refused 'divides outputs by their standard deviation' train - $tiny $to surgery.boost=1 \
  loss.barlow.normalize=batch
refused 'divides outputs by their standard deviation' check - $tiny $to \
  surgery.boost=1 loss.barlow.normalize=batch
printf '[sweep]\nbase = -\nsurgery.boost = 1\n' > "$work/sweep.ini"
launch 1 sweep --dry-run "$work/sweep.ini" $tiny loss.barlow.normalize=batch \
  output.dir="$work/dry" > "$work/log" 2>&1
[ $? -eq 2 ] && grep -q 'error: 1 of 1 runs would fail' "$work/log" &&
  grep -q 'will fail: surgery: got a loss that divides' "$work/log" ||
  { cat "$work/log"; fail "not foretold by sweep --dry-run"; }
refused 'where it was done at step 6' resume "$work/after" run.steps=14 surgery.left=0.2
refused 'expected 12 or more' resume "$work/whole" run.steps=14 surgery.boost=1
refused 'expected at most' linear - $data $to surgery.remove=1 surgery.step=1000000000
refused 'modes move alone' linear - $data $to loss.name=vicreg surgery.remove=1
finish
