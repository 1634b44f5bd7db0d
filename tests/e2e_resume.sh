#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_resume.sh  A run that was interrupted and resumed gives the file of one that was
# not: bit by bit, on other numbers of ranks, after its end, a stop and a kill; what is no
# such run is refused.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py numpy
exact="$tiny parallel.deterministic=true"

same() { # same DIR REFERENCE: all but the clock
  "$python" - "$work/$1" "$work/$2" <<'EOF' || fail "$1 is not as $2"
import sys
import h5py
import numpy as np
a, b = (h5py.File(d + "/trajectory.h5", "r") for d in sys.argv[1:])
def sets(f):
    names = []
    f.visititems(lambda n, o: names.append(n) if isinstance(o, h5py.Dataset) else None)
    return [n for n in names if n.split("/")[0] not in ("timing", "parameters", "resumes")]
names = sets(b)
assert sets(a) == names, (sets(a), names)
assert "steps/gamma" in names and "embedding/pca" in names, names
loss, optim = (b["/parameters"].attrs[k] for k in ("loss.name", "optim.name"))
assert ("theory/gamma" in names) == (optim == "sgd"), names
for n in "theory/loss", "theory/start":
    assert (n in names) == (optim == "sgd" and loss == "barlow"), (n, names)
for n in names:
    x, y = a[n][()], b[n][()]
    assert np.shape(x) == np.shape(y), (n, np.shape(x), np.shape(y))
    assert np.asarray(x).tobytes() == np.asarray(y).tobytes(), (n, x, y)
seconds = a["/timing/seconds"][:]
assert (np.diff(seconds) > 0).all(), seconds
assert (a["/timing/step"][:] == b["/timing/step"][:]).all()
EOF
  [ "$(cat "$work/$1/STATUS")" = DONE ] || fail "$1: $(cat "$work/$1/STATUS")"
  awk '!/^#/ { bad += $1 <= last; last = $1 } END { exit bad }' \
    "$work/$1/timesteps.txt" || fail "$1: steps twice in timesteps.txt"
}

run() { # run WHAT RANKS ARGUMENT...
  local what=$1 n=$2; shift 2
  launch "$n" "$@" > "$work/log" 2>&1 || { cat "$work/log"; fail "$what ended with $?"; }
}

run reference 2 train - $exact output.dir="$work/whole"
# It had ended, between two snapshots, and is asked for more. Runs of before may have a path
# of data that their set does not read.
run half 1 train - $exact run.steps=4 output.dir="$work/half"
sed -i '/^\[data\]/,/^\[/s|^path *=.*|path = /nowhere|' "$work/half/run.ini"
grep -q '^path = /nowhere' "$work/half/run.ini" || fail "run.ini has no data.path"
run "half, resumed" 4 resume "$work/half" run.steps=10
same half whole
# The newest checkpoint is damaged, in its values, in what HDF5 keeps about them, or empty:
# the one before it is taken, with a warning.
run hurt 2 train - $exact run.steps=8 ckpt.every=3 ckpt.keep=2 output.dir="$work/hurt"
for what in value header empty; do
  cp -r "$work/hurt" "$work/hurt-$what"
  "$python" - "$work/hurt-$what/ckpt/step_00000008/state.h5" $what <<'EOF' ||
import sys
import h5py
path, what = sys.argv[1:]
with h5py.File(path, "a") as f:
    weight = f["/state/model/conv1.weight"]
    header = h5py.h5o.get_info(weight.id).addr
    if what == "value":
        weight[0] += 1
with open(path, "r+b") as f:
    f.seek(header + 12)
    if what == "header":
        f.write(b"damage")
    if what == "empty":
        f.truncate(0)
EOF
    fail "cannot damage the checkpoint"
  run "hurt-$what, resumed" 2 resume "$work/hurt-$what" run.steps=10
  grep -q "step_00000008' is damaged; continuing from .*step_00000006" "$work/log" ||
    { cat "$work/log"; fail "$what: the damaged checkpoint is not named"; }
  grep -q "resumed at step 6" "$work/hurt-$what/log.txt" || fail "the checkpoint before it"
  same "hurt-$what" whole
done
[ "$(grep -c '^ ' "$work/half/timesteps.txt")" -eq 2 ] || fail "rows of timesteps.txt"
grep -q "resumed at step 4 on 4 ranks" "$work/half/log.txt" || fail "log of a resume"
"$python" - "$work/half" <<'EOF' || fail "provenance of a resume"
import sys
import h5py
with h5py.File(sys.argv[1] + "/trajectory.h5") as f:
    assert list(f["/resumes/step"]) == [4] and list(f["/resumes/ranks"]) == [4]
    assert str(f["/parameters"].attrs["run.steps"]) == "10", dict(f["/parameters"].attrs)
    assert b"steps = 10" in f["/parameters/text"][()]
    assert " resume " in str(f["/environment"].attrs["argv"])
EOF
grep -q "^steps = 10" "$work/half/run.ini" || fail "run.ini of a resume"

# Killed at any moment after its first checkpoint; rows of later steps are made anew.
launch 2 train - $exact run.steps=100000 ckpt.every=3 output.dir="$work/kill" \
  > "$work/log" 2>&1 & pid=$!
for _ in $(seq 600); do
  ls "$work"/kill/ckpt/step_*/DONE > /dev/null 2>&1 && break
  sleep 0.1
done
# a second program in the same folder is kept out
launch 1 resume "$work/kill" > "$work/out" 2>&1
[ $? -eq 2 ] && grep -q "a running program writes" "$work/out" ||
  { fail "two programs in one folder"; cat "$work/out"; }
pkill -KILL -f "train - .*output.dir=$work/kill"
wait $pid && fail "a killed run ended with 0"
[ "$(cat "$work/kill/STATUS")" = RUNNING ] || fail "STATUS of a killed run"
last=$(basename "$(ls -d "$work"/kill/ckpt/step_*[0-9] | tail -n 1)")
end=$((10#${last#step_} + 4))
run "killed, resumed" 1 resume "$work/kill" run.steps=$end
run "its reference" 2 train - $exact run.steps=$end output.dir="$work/unkilled"
same kill unkilled

# A loss with rates and without curves.
run "its reference" 2 train - $exact loss.name=vicreg output.dir="$work/vicreg"
run "vicreg" 2 train - $exact loss.name=vicreg run.steps=5 output.dir="$work/rates"
run "vicreg, resumed" 2 resume "$work/rates" run.steps=10
same rates vicreg

# Stopped by a file, which goes; the folder moved; momentum and a schedule.
plan="$exact optim.momentum=0.9 optim.name=lars sched.name=cosine
  sched.warmup=3 precondition.eps=0.5"
run "its reference" 2 train - $plan output.dir="$work/planned"
launch 2 train - $plan run.walltime=0.001 output.dir="$work/stop" > "$work/log" 2>&1
[ $? -eq 75 ] || fail "a run without time"
mv "$work/stop" "$work/moved"
touch "$work/moved/stop"
run "stopped, resumed" 2 resume "$work/moved" run.walltime=0
same moved planned
[ ! -e "$work/moved/stop" ] || fail "the file stop"

# It was killed between its last checkpoint and its end.
echo RUNNING > "$work/moved/STATUS"
run "without an end, resumed" 2 resume "$work/moved"
grep -q "had made all its 10 steps" "$work/log" || fail "no word on a run at its end"
same moved planned

# Its images moved; those of another set are not its images.
"$python" - "$work" <<'EOF'
import sys
import h5py
import numpy as np
x = np.random.default_rng(0).integers(0, 256, (80, 3, 16, 16), dtype=np.uint8)
for name, n in ("own", 0), ("other", 1):
    with h5py.File(f"{sys.argv[1]}/{name}.h5", "w") as f:
        f["x"] = x ^ n
EOF
run "own images" 2 train - $tiny data.name=hdf5 data.path="$work/own.h5" data.size=0 \
  run.steps=4 output.dir="$work/own"
mv "$work/own.h5" "$work/there.h5"
run "moved images" 1 resume "$work/own" run.steps=6 data.path="$work/there.h5"

# A run of the release before: its section [accuracy] was called [probe].
sed -i '/^\[accuracy\]/,/^$/{/^every/d}; s/^\[accuracy/[probe/' "$work/own/run.ini"
"$python" - "$work"/own/ckpt/step_*/state.h5 <<'EOF'
import re
import sys
import h5py
import numpy as np
with h5py.File(sys.argv[1], "r+") as f:
    text = np.asarray(f["/parameters/text"]).tobytes()
    old = re.sub(rb"(\[accuracy\]\n(?:[^\[].*\n)*?)every.*\n", rb"\1", text)
    assert old != text
    old = old.replace(b"[accuracy", b"[probe")
    assert old != text
    del f["/parameters/text"]
    f["/parameters/text"] = np.bytes_(old)
EOF
run "a run with former names" 1 resume "$work/own" run.steps=7 data.path="$work/there.h5"
grep -q "parameter 'probe.list' is now 'accuracy.list'" "$work/log" || fail "no warning"
grep -q '^\[accuracy.knn\]' "$work/own/run.ini" || fail "run.ini keeps former names"

refuse() { # refuse REGEX ARGUMENT...
  local regex=$1 got; shift
  launch 2 resume "$@" > "$work/out" 2> "$work/err"
  got=$?
  [ $got -eq 1 ] || [ $got -eq 2 ] || fail "exit $got: $*"
  [ "$(grep -c '^eigenstep: error' "$work/err")" -eq 1 ] || fail "not one sentence: $*"
  grep -qE "$regex" "$work/err" || { fail "no '$regex' from: $*"; cat "$work/err"; }
  [ "$(cat "$work/half/STATUS")" = DONE ] || fail "STATUS after: $*"
}
refuse "got optim.lr = 1, expected 'lr = 3e-3'" "$work/half" optim.lr=1 run.steps=20
refuse "data.path: got data, or held-out records, of checksum [0-9a-f]+, expected" \
  "$work/own" run.steps=8 data.path="$work/other.h5"
[ "$(cat "$work/own/STATUS")" = DONE ] && grep -q "^steps = 7" "$work/own/run.ini" ||
  fail "a refused resume left its mark"
refuse "run.steps = 10, but .* is at step 10" "$work/half"
refuse "nowhere' is not an Eigenstep run" "$work/nowhere"
refuse "got another run.steps with sched.name = cosine" "$work/moved" run.steps=20
mv "$work/half/trajectory.h5" "$work/away"
refuse "trajectory.h5" "$work/half" run.steps=20
mv "$work/away" "$work/half/trajectory.h5"
grep -q "^steps = 10" "$work/half/run.ini" || fail "run.ini after a refusal"
refuse "unknown|no parameter" "$work/half" run.stepz=20
rm -r "$work"/half/ckpt/step_*
refuse "no complete checkpoint" "$work/half" run.steps=20
finish
