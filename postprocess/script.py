# SPDX-License-Identifier: BSD-3-Clause
"""What the drawing scripts of this folder share: opening runs, labels, numbers,
colours, saving.

What cannot be done ends the script with one sentence and exit code 1.
"""
import os
import re
import sys
import warnings

import numpy as np

import eigenstep

# Okabe and Ito's colours, which the colour-blind can tell apart; black last.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#F0E442",
           "#000000")
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)))


def give_up(sentence):
    sys.exit(f"{os.path.basename(sys.argv[0])}: {sentence}")


def note(sentence):
    print(f"{os.path.basename(sys.argv[0])}: {sentence}", file=sys.stderr)


def say(path):
    """Print a path, which need not be UTF-8."""
    print(path.encode(errors="surrogateescape").decode(errors="replace"))


def main(function):
    """Run a script's main function; an unreadable run is one sentence."""
    warnings.filterwarnings("ignore", message="Glyph .* missing")  # names in any script
    try:
        function()
    except eigenstep.Unreadable as e:
        give_up(e)


def open_all(folders, partial=False):
    """The runs that hold a snapshot; of several, those that cannot be drawn are left out
    with a note.
    """
    runs = []
    for folder in folders:
        try:
            run = eigenstep.open_run(folder, partial)
            run.spectrum(run.matrix(), 1)
            runs.append(run)
        except eigenstep.Unreadable as e:
            if len(folders) == 1:
                raise
            note(f"left out: {e}")
    if not runs:
        give_up(f"none of the {len(folders)} runs can be drawn")
    return runs


def plain(label):
    """Text as matplotlib draws it literally: no mathematics between dollar signs, and
    every kind of white space as a blank, which every font has.
    """
    return re.sub(r"\s", " ", str(label)).replace("$", r"\$")


def plain_lines(lines):
    return "\n".join(map(plain, lines))


def style(index):
    """Colour and dashes of run number `index`: different for the first 32."""
    return {"color": COLOURS[index % len(COLOURS)],
            "ls": DASHES[index // len(COLOURS) % len(DASHES)]}


def labels_of(runs):
    """What tells the runs apart: the parameters that vary, or else the folders' names."""
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        names = [run.folder for run in runs]
    return names


# Parameters that never say what a run is: where it wrote and how it was computed.
TECHNICAL = ("output.", "backend.", "run.log_every", "run.walltime", "data.path",
             "data.prefetch", "ckpt.", "spectrum.of", "spectrum.keep")
OF_RESNET = ("stem", "base_width", "zero_init_residual")
OF_SURGERY = ("surgery.remove", "surgery.freeze", "surgery.boost")


def varied(runs, most=4):
    """{key: [value of each run]} of the parameters in which the runs differ."""
    of = [run.attributes("/parameters") for run in runs]
    keys = [k for k in sorted(set().union(*of))
            if k != "loss.name" and not k.startswith(TECHNICAL)]  # the title says which
    found = {k: [a.get(k, "–") or "none" for a in of] for k in keys}
    found = {k: v for k, v in found.items() if len(set(v)) > 1 and matters(k, of, found)}
    # what all runs have says more than what follows from another choice
    order = sorted(found, key=lambda k: ("–" in found[k], not k.endswith(".name")))
    return {k: found[k] for k in order[:most]}


def matters(key, of, found):
    """Does a parameter in which runs differ act in any of them, and not follow from the
    name of its section, in which they differ as well?"""
    section, last = key.rsplit(".", 1)
    if key.startswith("encoder.") and last in OF_RESNET:
        return any(a.get("encoder.name", "").startswith("resnet") for a in of)
    return last == "name" or len(set(found.get(f"{section}.name", ("",)))) == 1


def described(runs):
    """Of each run "lr = 0.01, seed = 2": the varied parameters; "" for a single run."""
    if len(runs) == 1:
        return [""]
    differ = varied(runs)
    return [", ".join(said(run, differ, i)) for i, run in enumerate(runs)]


def said(run, differ, i):
    """What a run has of the varied parameters; one without surgery says just that."""
    operated = any(run.parameter(k) for k in OF_SURGERY)
    words = [f"{short(k, differ)} = {v[i]}" for k, v in differ.items()
             if (operated and v[i] != "none") or not k.startswith("surgery.")]
    without = not operated and any(k.startswith("surgery.") for k in differ)
    return words + ["no surgery"] * without


def short(key, keys):
    """The last part of a parameter's name where that says enough: "optim.lr" is lr, but
    "optim.name" is optim, and of two keys that end alike each is written in full.
    """
    section, last = key.rsplit(".", 1)
    if last == "name":
        return section
    alike = [k for k in keys if k.rsplit(".", 1)[-1] == last]
    return last if len(alike) == 1 else key


def with_error(value, error):
    """250 ± 11: as many digits as the error gives meaning to."""
    if not np.isfinite(value):
        return "–"
    if not np.isfinite(error) or error <= 0:
        return number(value)
    digits = 1 - int(np.floor(np.log10(error)))
    places = min(max(digits, 0), 12)
    return f"{round(value, digits):.{places}f} ± {round(error, digits):.{places}f}"


def number(x, digits=4):
    if x is None or not np.isfinite(x):
        return "–"
    return f"{x:,.0f}" if 10**digits <= abs(x) < 1e7 else f"{x:.{digits}g}"


def plain_numbers(ax):
    """On a linear axis 2e+50, not 2 and a power of ten above the axis, where titles are.
    """
    if ax.get_yscale() == "linear":
        ax.yaxis.set_major_formatter("{x:.6g}")


def save(fig, base, kinds):
    """Into base.KIND of each kind of a list like "png,svg"; prints the paths. An ending
    that base has already is not doubled."""
    stem, ending = os.path.splitext(base)
    if ending[1:] in [kind.strip() for kind in kinds.split(",")]:
        base = stem
    for kind in kinds.split(","):
        out = f"{base}.{kind.strip()}"
        try:
            fig.savefig(out, dpi=160, bbox_inches="tight")
        except (OSError, ValueError) as e:
            give_up(f"cannot write '{out}': {e}")
        say(out)
