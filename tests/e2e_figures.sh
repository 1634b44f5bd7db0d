#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_figures.sh  The figures, the movie, the report and the cost model of tiny runs: files
# are there and not empty pictures, the report loads nothing from elsewhere, what cannot be
# read is one sentence.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py numpy matplotlib PIL xarray
scripts=$(cd "$srcdir/postprocess" && pwd)
PYTHONDONTWRITEBYTECODE=1 MPLCONFIGDIR=$work/config
export PYTHONDONTWRITEBYTECODE MPLCONFIGDIR
cd "$work" || exit 99
for loss in barlow vicreg simclr; do
  launch 1 train - $tiny data.name=deadleaves loss.name=$loss output.dir=$loss > log 2>&1 ||
    { cat log; fail "$loss ended with $?"; }
done
launch 1 train - $tiny run.steps=0 output.dir=start > log 2>&1 ||
  { cat log; fail "start ended with $?"; }

draw() { # draw SCRIPT ARGUMENT...
  "$python" "$scripts/$1" "${@:2}" > out 2> err || { cat err; fail "$*"; }
  [ ! -s err ] || { cat err; fail "$* says something"; }
}
# A Python without the packages: one sentence. What is started by itself can be.
for script in "$scripts"/*.py; do
  head -n 1 "$script" | grep -q '^#!' || continue
  [ -x "$script" ] || fail "$script is not executable"
  "$python" -S "$script" > out 2> err && fail "$script without packages ended with 0"
  grep -q 'no h5py and no .*apt-get install' err || { cat err; fail "$script: no sentence"; }
done

picture() { # picture FILE...: of more than one colour, larger than a stamp
  "$python" - "$@" << 'EOF' || fail "pictures $*"
import sys
import numpy as np
from PIL import Image
for path in sys.argv[1:]:
    x = np.asarray(Image.open(path).convert("RGB"))
    assert min(x.shape[:2]) > 200, (path, x.shape)
    ink = np.mean(np.any(x < 250, axis=2))
    assert 0.005 < ink < 0.9, (path, ink)
EOF
}

draw plot_run.py barlow
draw plot_run.py barlow vicreg simclr -o three
"$python" - "$scripts" << 'EOF' || fail "what tells two runs apart"
import sys
from types import SimpleNamespace as Fake
sys.path.insert(0, sys.argv[1])
import numpy as np
import plot_run
import script
def run(**given):
    keys = {k.replace("__", "."): v for k, v in given.items()}
    return Fake(attributes=lambda _: keys, parameter=lambda k: keys.get(k, ""))
mlp = {"encoder__name": "mlp", "encoder__zero_init_residual": "true", "optim__lr": "0.1"}
got = script.described([run(**mlp, surgery__remove="", surgery__step="0"),
                        run(**{**mlp, "encoder__zero_init_residual": "false"},
                            surgery__remove="2", surgery__step="40")])
assert got == ["no surgery", "remove = 2, step = 40"], got
curve = plot_run.until_settled(np.array([0, 0.5, 1, 1, 1]), 1)
assert np.isfinite(curve[:3]).all() and np.isnan(curve[3:]).all(), curve
EOF
draw plot_run.py --pca barlow vicreg --format png
picture barlow/figure.png three.png pca.png
for file in barlow/figure.pdf three.svg; do
  [ "$(wc -c < "$file")" -gt 10000 ] || fail "$file is small"
done
draw plot_run.py --movie move.gif barlow simclr
picture move.gif
"$python" -c "
from PIL import Image
n = Image.open('move.gif').n_frames
assert n == 3, n" || fail "move.gif: not one frame a snapshot"

# The probe set is of whole batches: where NT-Xent begins follows from what it has.
launch 1 train - $tiny run.steps=0 loss.name=simclr spectrum.probe=53 output.dir=odd > log \
  2>&1 || { cat log; fail "odd ended with $?"; }
"$python" - "$scripts" << 'EOF' || fail "NT-Xent of a collapsed probe set"
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
import eigenstep
import plot_run
run = eigenstep.open_run("odd")
got = [plot_run.collapsed_loss(run, group) for group in ("/loss", "/probe_loss")]
assert np.allclose(got, np.log([2 * 24 - 1, 2 * 48 - 1])), got
EOF

# Classes: CIFAR-10's format, a probe of two chunks out of its test part.
mkdir cifar
"$python" - << 'EOF' || fail "cannot make the data"
import numpy as np
rng = np.random.default_rng(5)
for name, n in (("data_batch_1", 64), ("test_batch", 60)):
    x = rng.integers(0, 256, (n, 3073), dtype=np.uint8)
    x[:, 0] %= 10
    x.tofile(f"cifar/{name}.bin")
EOF
for n in 1 2 3; do
  launch $n train - $tiny data.name=cifar10 data.path=cifar run.steps=2 spectrum.every=1 \
    spectrum.probe=48 output.dir=class$n > log 2>&1 || { cat log; fail "classes, $n ranks"; }
done
"$python" - << 'EOF' || fail "classes differ from the file's"
import h5py
import numpy as np
want = np.fromfile("cifar/test_batch.bin", np.uint8).reshape(-1, 3073)[:48, 0]
for n in (1, 2, 3):
    with h5py.File(f"class{n}/trajectory.h5") as f:
        label = f["/embedding/label"]
        assert np.array_equal(label[:], want), n
        assert label.dims[0].keys() == ["sample"] and label.attrs["units"] == "1"
        names = f["/embedding/class_name"].asstr()[:]
        assert len(names) == 10 and names[6] == "frog", names
        assert np.array_equal(f["/embedding/record"][:], np.arange(48))
        assert np.array_equal(f["/embedding/class_count"][:], np.bincount(want, minlength=10))
EOF
draw plot_run.py --pca class1 class3 --format svg -o classes
for name in airplane automobile bird cat deer dog frog horse ship truck; do
  [ "$(grep -c "<!-- $name -->" classes.svg)" -eq 1 ] || fail "classes.svg: $name not once"
done
draw plot_run.py --pca class1 --colour hue --format svg -o hue
! grep -q "<!-- frog -->" hue.svg || fail "hue.svg names classes"
draw plot_run.py --movie classes.gif class1 start
picture classes.gif
if command -v ffmpeg > log; then
  draw plot_run.py --movie move.mp4 class1
  ffmpeg -v error -i move.mp4 frame%d.png
  picture frame1.png frame3.png
  [ ! -e frame4.png ] || fail "move.mp4: not one frame a snapshot"
else
  echo "no ffmpeg: move.mp4 is left out"
fi
draw plot_run.py start --format png # one snapshot, no step
draw plot_run.py --pca start --format png
draw report.py start -o start.html
launch 1 linear - data.name=deadleaves data.size=10 augment.crop.size=8 linear.sample=100 \
  linear.dim=4 output.dir=linear > log 2>&1 || { cat log; fail "linear ended with $?"; }
draw plot_run.py linear --format png
draw report.py linear -o linear.html # no embeddings, other columns of /steps
draw report.py barlow vicreg simclr -o report.html
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
if [ -n "$browser" ]; then # as people see it, with nothing to complain of
  timeout 120 "$browser" --headless --no-sandbox --disable-gpu --enable-logging=stderr \
    --user-data-dir="$work/browser" --window-size=1200,2400 \
    --screenshot="$work/page.png" "file://$PWD/report.html" > log 2>&1
fi
if [ -s page.png ]; then
  picture page.png
  ! grep CONSOLE log || fail "report.html: the browser's console"
else # not there, or one that may not write here
  echo "no Chromium that works: report.html is not looked at"
fi
"$python" - << 'EOF' || fail "report.html"
import re
from html.parser import HTMLParser
text = open("report.html", encoding="utf-8").read()
bare = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "data:", text)
assert not re.search(r"https?:|//[a-z]|@import|url\(", bare), "it loads something"
assert text.count("data:image/png;base64,") >= 4, "figures are missing"
for word in ("DONE", "Provenance", "rankme", "batch.pairs", "time measured"):
    assert word in bare, word
differ = bare.split("Where the runs differ")[1].split("</table>")[0]
assert "loss.name" in differ and "batch.pairs" not in differ, differ
assert 'class="differs">vicreg<' in differ, differ
assert "resnet18, deadleaves, 24 pairs" in bare.split("</p>")[0], bare[:2000]

class Balanced(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = []
    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img", "link"):
            self.open.append(tag)
    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag
check = Balanced()
check.feed(text)
assert not check.open, check.open
EOF

# Hostile names: markup in a folder's name, in parameters and classes is text; dollars are
# no mathematics; a STATUS and a folder's name in Latin-1 are read, and written to a stdout
# that takes UTF-8 alone.
bad='<td><img src=x onerror=alert(1)>$a_b$'$'\351'
export PYTHONIOENCODING=utf-8:strict
cp -r class1 "$bad"
printf 'DONE caf\351\n' > "$bad/STATUS"
"$python" - "$bad" << 'EOF' || fail "cannot change the copy"
import sys
import h5py
import numpy as np
with h5py.File(sys.argv[1] + "/trajectory.h5", "a") as f:
    f["/parameters"].attrs["data.path"] = "<td><script>alert(2)</script>"
    f["/parameters"].attrs["data.name"] = "a$b$"
    names = ["<b>one</b>", "$two$", "a\u3000b", "d\u00a0e", "rock dove", *"67890"]
    del f["/embedding/class_name"]
    f["/embedding/class_name"] = np.array([n.encode() for n in names], "S40")
EOF
draw report.py "$bad"
[ -s "$bad/report.html" ] || fail "the report of one run is not in its folder"
! grep -qE '<img src=x|<script|<b>one' "$bad/report.html" || fail "markup of names is executed"
draw report.py "$bad" class1 -o hostile.html
! grep -qE '<img src=x|<script|<b>one' hostile.html || fail "markup of names is executed"
draw plot_run.py "$bad" class1 --format png -o hostile
draw plot_run.py --pca "$bad" --format svg -o hostile
grep -q '<!-- a.b -->' hostile.svg || fail "a class name with an ideographic space is cut"

# A run that goes on: series of unequal lengths are cut to what all have; the module gives
# xarray objects of what h5py reads.
cp -r barlow live && echo RUNNING > live/STATUS
"$python" - "$scripts" << 'EOF' || fail "a run that goes on"
import sys
import h5py
import numpy as np
sys.path.insert(0, sys.argv[1])
import eigenstep
import report
with h5py.File("live/trajectory.h5", "a") as f:
    for name in ("/loss/value", "/spectrum/cross_correlation/eigenvalues", "/probe_loss/time"):
        f[name].resize(len(f[name]) - 1, axis=0)
    want = f["/spectrum/cross_correlation/eigenvalues"][:]
run = eigenstep.open_run("live")
assert len(run.series("/loss")[1]) == 9 and len(run.series("/probe_loss")[0]) == 2
values = run.eigenvalues()
assert values.dims == ("time", "mode") and np.array_equal(values, want), values
assert values.attrs["units"] == "1" and values.mode[0] == 1
assert np.array_equal(values.time, run.get("/spectrum/cross_correlation/time")[:2])
assert "gamma" in run.step_table() and "value" in run.dataset("/metrics/rankme")
assert report.with_error(249.7, 11.2) == "250 ± 11", report.with_error(249.7, 11.2)
assert report.with_error(0.01234, 0.00056) == "0.01234 ± 0.00056"
assert report.with_error(2493, 120) == "2490 ± 120", report.with_error(2493, 120)
try:
    run.dataset("/nothing")
    raise SystemExit("a missing group is not refused")
except eigenstep.Unreadable as e:
    assert "/nothing" in str(e)
EOF
draw plot_run.py live --format png
draw report.py live
"$python" - "$scripts" << 'EOF' || fail "modes and runs that lack a value"
import sys
from types import SimpleNamespace as Fake
import numpy as np
sys.path.insert(0, sys.argv[1])
import eigenstep
import race
def verdict(*ratio):
    return eigenstep.Run.verdict(Fake(steps=lambda _: np.array(ratio)))
assert "for all 2 modes that were learned and predicted" in verdict(np.nan, 0.1, -0.1)
text = verdict(np.nan, 0.1, np.log(2), 0.1)
assert "for 2 of 3 modes" in text and "mode 3, came 2 times later" in text, text
assert verdict(np.nan) == ""
measured = Fake(get=lambda path: np.array([0.0, 9.0]))
method = Fake(runs=[Fake(get=lambda path: None), measured])
curves = race.Method.by_run(method, "knn")
assert curves[0] is None and curves[1][0][1] == 9, curves
EOF

# Many runs wrap into bands: not wider than four columns.
for k in 1 2 3 4 5 6; do cp -r barlow many$k; done
draw plot_run.py many? --format png -o many
draw report.py many? -o many.html
"$python" -c "
from PIL import Image
w, h = Image.open('many.png').size
assert w < 4 * 160 * 4.6 and h > 160 * 12, (w, h)" || fail "six runs: not two bands"

# Steps beside the model, whose rate is that of the measured step: on one rank they agree.
small="encoder.name=resnet18 encoder.base_width=8 encoder.stem=cifar
       data.size=16 augment.crop.size=16"
bench="bench step $small bench.repeats=3 bench.warmup=1
       bench.step.data=false bench.step.snapshots=0"
launch 1 $bench batch.pairs=16 > one.txt 2> log || { cat log; fail "bench on one rank"; }
launch 2 $bench batch.pairs=32 > two.txt 2> log || { cat log; fail "bench on two ranks"; }
rate=$(awk '/^(forward|backward)/ { t += $2 } /^parameters/ { f = $3 }
  END { print f * 32 / (t / 1000) }' one.txt)
"$EIGENSTEP" check - $small data.count=64 batch.pairs=32 spectrum.probe=32 --ranks 2 \
  check.node=1 check.rate="$rate" check.network=10gbit > model.txt 2> log ||
  { cat log; fail "check --ranks 2"; }
draw scaling.py one.txt two.txt --model model.txt --format png
picture scaling.png
awk '/^one.txt/ { seen = 1; if ($9 < 0.5 || $9 > 2) exit 1 } END { exit !seen }' out ||
  fail "the model does not start from the log: $(cat out)"
awk '/^two.txt/ { if ($8 > 0) seen = 1 } END { exit !seen }' out ||
  fail "no model beside two ranks: $(cat out)"
draw scaling.py one.txt two.txt --format png
draw scaling.py one.txt barlow --format png

prefix=
refuse() { # refuse REGEX SCRIPT ARGUMENT...: one sentence, exit code 1, nothing written
  local regex=$1 script=$2 got; shift 2
  rm -f none*
  $prefix "$python" "$scripts/$script" "$@" -o none > out 2> err
  got=$?
  [ $got -eq 1 ] || fail "exit $got instead of 1: $script $*"
  [ "$(wc -l < err)" -eq 1 ] || { cat err; fail "not one line: $script $*"; }
  grep -qE "^$script: .*$regex" err || fail "no '$regex' but $(cat err)"
  ! ls none* > list 2> /dev/null || fail "$(cat list) in spite of: $script $*"
}
cp -r barlow failed && echo "FAILED loss is not finite" > failed/STATUS
mkdir empty && cp -r barlow broken && head -c 100 barlow/trajectory.h5 > broken/trajectory.h5
cp -r barlow bare
"$python" -c 'import h5py; del h5py.File("bare/trajectory.h5", "a")["/spectrum"]'
for script in plot_run.py report.py; do
  refuse "no folder 'nowhere'" $script nowhere
  refuse "cannot open 'empty/trajectory.h5'" $script empty
  refuse "cannot open 'broken/trajectory.h5'" $script broken
  refuse "FAILED loss is not finite" $script failed
  refuse "'bare' holds no spectrum" $script bare
done
"$python" -c 'import numpy; numpy.save("z.npy", numpy.random.default_rng(1).normal(size=(40, 4)))'
launch 1 spectrum z.npy output.dir=still > log 2>&1 || { cat log; fail "spectrum of a file"; }
draw plot_run.py still --format png # its eigenvalues
picture still/figure.png
refuse "still/trajectory.h5: got the spectrum of a file" plot_run.py --pca still
# the folder of something else: a sentence without HDF5's own words
for script in plot_compare.py plot_sweep.py plot_augment.py plot_calibration.py; do
  refuse "there is no such file" $script barlow
done
refuse "got 'barlow' without an ntk.h5" plot_ntk.py barlow
refuse "without a modes.h5" plot_modes.py barlow
refuse "cannot open 'broken/trajectory.h5': it is no whole HDF5 file" plot_theory.py broken
refuse "cannot read 'barlow' as written by eigenstep views" contact_sheet.py barlow
refuse "views: it lacks what is drawn here" contact_sheet.py barlow/trajectory.h5
# of several runs those that cannot be drawn are left out, each with a sentence
for script in plot_run.py report.py; do
  rm -f some*
  "$python" "$scripts/$script" barlow failed bare empty vicreg -o some > out 2> err ||
    { cat err; fail "$script with runs that cannot be drawn"; }
  [ "$(grep -c "^$script: left out: " err)" = 3 ] && [ "$(wc -l < err)" = 3 ] ||
    { cat err; fail "$script: expected three notes"; }
done
grep -q '>vicreg<' some || fail "report of the others"
draw plot_run.py --partial failed --format png
refuse "no /spectrum/unit_covariance" plot_run.py barlow --matrix unit_covariance
refuse "expected a name that ends in .gif or .mp4" plot_run.py --movie move.avi barlow
refuse "no labels.*--colour hue" plot_run.py --pca barlow --colour class
mkdir fake && printf '#!/bin/sh\nexit 3\n' > fake/ffmpeg && chmod +x fake/ffmpeg
prefix="env PATH=$work/fake:$PATH"
refuse "cannot write 'move2.mp4': ffmpeg ended with 3" plot_run.py --movie move2.mp4 barlow
prefix="env PATH=$work/empty"
refuse "needs the program ffmpeg" plot_run.py --movie move.mp4 barlow
prefix=
refuse "cannot read 'nowhere'" scaling.py nowhere
refuse "not what 'eigenstep bench step' prints" scaling.py log
refuse "not what .eigenstep check" scaling.py two.txt --model one.txt
refuse "different problems" scaling.py one.txt simclr
finish
