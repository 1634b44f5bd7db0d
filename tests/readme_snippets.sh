#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# readme_snippets.sh  What README.md tells a newcomer to type works as it stands: each
# command in its table of tasks (made small), then its Python snippets, whose numbers are
# those of the file.
set -u
. "$srcdir/tests/e2e.sh"
need_python h5py numpy matplotlib xarray pandas
PYTHONDONTWRITEBYTECODE=1 MPLCONFIGDIR=$work/config
export PYTHONDONTWRITEBYTECODE MPLCONFIGDIR
cd "$work" || exit 99
ln -s "$srcdir/inputs" "$srcdir/postprocess" .

# What the placeholders of the table stand for.
printf '[run]\nsteps = 10\n' > RUN.ini
mkdir FOLDER
for i in $(seq 64); do cp "$srcdir/tests/data/tiny.jpg" FOLDER/$i.jpg; done
"$python" - << 'EOF' || fail "cannot make the data"
import h5py
import numpy as np
rng = np.random.default_rng(3)
with h5py.File("FILE.h5", "w") as f:
    for name in ("x", "x_prime"):
        f[name] = rng.integers(0, 256, (96, 3, 16, 16), dtype=np.uint8)
    f["label"] = rng.integers(0, 4, 96)
    f["DATASET"] = rng.standard_normal((200, 6)) * np.arange(6, 0, -1)
EOF

eigenstep() { # the program of the table, with small sizes behind what is given
  case $1 in
    train | views) launch 2 "$@" $tiny ;;
    bench) launch 1 "$@" $tiny bench.repeats=1 ;;
    resume) launch 1 "$@" run.steps=12 ;;
    linear) launch 1 "$@" linear.sample=60 linear.dim=3 ;;
    sweep) launch 2 "$@" linear.sample=60 linear.lr=3e-4 linear.alpha=1e-5 ;;
    kernel) launch 1 "$@" kernel.sample=60 kernel.dim=3 kernel.held_out=20 ;;
    *) launch 1 "$@" ;;
  esac
}

# The commands among the table's code, a line each.
awk '/^## / { on = /^## What do you want to do/ }
     on && /^\|/ { while (match($0, /`[^`]+`/)) {
       print substr($0, RSTART + 1, RLENGTH - 2); $0 = substr($0, RSTART + RLENGTH) } }' \
  "$srcdir/README.md" | grep -E '^(eigenstep|postprocess/|for) ?' > commands
[ "$(wc -l < commands)" -ge 15 ] || fail "the table is not understood: $(cat commands)"
while read -r line <&3; do
  line=$(sed -e 's/\bOUTDIR\b/out-first/g' -e 's/ A B$/ out-first out-1e-3/' \
             -e "s|postprocess/[a-z_]*\.py|'$python' &|" <<< "$line")
  case $line in # a folder of output that the line does not name, and those named later
    *"train RUN.ini data"*) line="$line output.dir=out-$((n = ${n:-0} + 1))" ;;
    *" out-1e-3") [ -d out-1e-3 ] || eigenstep train RUN.ini output.dir=out-1e-3 > log 2>&1 ;;
  esac
  eval "$line" > log 2>&1 || { cat log; fail "$line"; }
done 3< commands
for file in out-first/figure.png out-first/report.html report.html figure.png v.h5 v.png \
            FILE.safetensors out-linear-deadleaves/theory.png out-z/trajectory.h5 \
            out-sweep-linear/sweep-collapse.png; do
  [ -s $file ] || fail "no $file"
done

# The output that quickstart.sh is said to print: its sentences, whatever their numbers.
masked() {
  sed -E -e 's/[-+]*[0-9][0-9.e+-]*/#/g' -e 's/#(, (#|\.\.\.))*/#/g' -e 's/ +/ /g' -e 's/^ //'
}
{ eigenstep linear inputs/linear-deadleaves/run.ini output.dir=q-linear
  "$python" postprocess/plot_theory.py q-linear
  eigenstep train inputs/quickstart/run.ini output.dir=q
  "$python" postprocess/plot_run.py q
} 2>&1 | masked > printed
awk '/^```/ { on = 0 } on { print } /^\$ sh jobs\/quickstart.sh/ { on = 1 }' \
  "$srcdir/README.md" | sed 's/quickstart-out/q/g' > told
[ "$(wc -l < told)" -gt 15 ] || fail "README shows no output of quickstart.sh"
while read -r line; do
  case $line in
    *[!-+0-9.e\ ]*) ;;
    *) continue ;; # numbers alone, or dots
  esac
  case $line in
    quickstart:*) grep -qF "$line" "$srcdir/jobs/quickstart.sh" || fail "not printed: $line" ;;
    *) masked <<< "$line" | grep -qxF -f - printed || fail "not printed: $line" ;;
  esac
done < told

# The snippets, as they stand, in the folder that holds out-first.
awk -v RS='\n```' '/^python\n/ { sub(/^python\n/, ""); print > ("snippet" ++n ".py") }' \
  "$srcdir/README.md"
for snippet in snippet1 snippet2; do
  "$python" $snippet.py > $snippet.out || { cat $snippet.py; fail "$snippet"; }
done
"$python" - << 'EOF' || fail "the snippets print other numbers than the file has"
import h5py
import numpy as np
with h5py.File("out-first/trajectory.h5") as f:
    s = f["/spectrum/cross_correlation"]
    step, time, lam = s["step"][:], s["time"][:], s["eigenvalues"][:, :4]
assert lam.shape == (len(step), 4) and len(step) >= 3 and np.all(lam[:, 0] > 0), lam
rows = np.array([line.split() for line in open("snippet1.out")], float)
assert np.allclose(rows, np.column_stack([time, lam]), rtol=2e-5, atol=0), rows
table = [line.split() for line in open("snippet2.out")]
assert table[0] == ["mode", "1", "2", "3", "4"], table[0]
rows = np.array(table[2:], float)
assert np.allclose(rows, np.column_stack([step, lam]), rtol=2e-4, atol=1e-6), rows
EOF
finish
