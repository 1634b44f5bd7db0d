#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Table and figure of the plateaus of the loss between steps, predicted and measured.

    plateaus.py OUTDIR... [-o FILE] [--format png,svg,pdf]

Reads trajectory.h5 of `eigenstep linear` runs, of different linear.offdiag for instance:

    for w in 1 0.2 0.02; do
      eigenstep linear inputs/linear-deadleaves/run.ini linear.offdiag=$w \\
        linear.alpha=1e-40 output.dir=offdiag-$w
    done
    postprocess/plateaus.py offdiag-*

With k of d modes learned and weight w of the off-diagonal terms the loss rests at
L_k = d a / (1 + a), a = w (d / k - 1), L_0 = d. Beside it stands the loss midway in time
between the measured steps k and k + 1. Steps that follow each other closely leave no
time to rest: the column `ratio` is the time of step k + 1 over that of step k.
Prints the table; writes plateaus.{png,svg,pdf} into the first OUTDIR. A deviation below
1e-16 is drawn there.
"""
import argparse
import os
import sys

import packages  # first: it names what is missing
import h5py
import matplotlib.pyplot as plt
import numpy as np

import eigenstep
from script import save


def plateau(d, k, w):
    k = np.asarray(k, dtype=float)
    a = w * (d / np.maximum(k, 1e-300) - 1)
    return np.where(k > 0, d * a / (1 + a), d)


def read(outdir):
    path = os.path.join(outdir, "trajectory.h5")
    try:
        with h5py.File(path, "r") as f:
            at = f["/parameters"].attrs
            d, w, decay = (float(at[f"linear.{k}"])
                           for k in ("dim", "offdiag", "weight_decay"))
            step = f["/steps/time_measured"][:]
            time, loss = f["/loss/time"][:], f["/loss/value"][:]
    except (OSError, KeyError) as e:
        sys.exit(f"plateaus.py: no linear run in '{path}': "
                 + eigenstep.reason(path, e))
    if decay != 0:
        sys.exit(f"plateaus.py: {path}: weight decay moves the plateaus")
    step = np.sort(step[np.isfinite(step) & (step > 0)])
    if len(step) < 2:
        sys.exit(f"plateaus.py: {path}: got {len(step)} measured steps, expected two")
    k = np.arange(1, len(step))
    predicted = plateau(d, k, w)
    measured = np.interp((step[:-1] + step[1:]) / 2, time, loss)
    return {"d": d, "w": w, "k": k, "ratio": step[1:] / step[:-1],
            "predicted": predicted, "measured": measured,
            "error": measured / predicted - 1}


def table(outdir, run):
    print(f"\n{outdir}: d = {run['d']:g}, w = {run['w']:g}")
    print(f"{'k':>4} {'ratio':>8} {'predicted':>13} {'measured':>13} {'deviation':>10}")
    for row in zip(*(run[c] for c in ("k", "ratio", "predicted", "measured", "error"))):
        print("{:4d} {:8.3f} {:13.6f} {:13.6f} {:10.1e}".format(*row))


def draw(runs):
    fig, (top, low) = plt.subplots(2, 1, figsize=(5.6, 5.2), sharex=True,
                                   gridspec_kw={"height_ratios": [3, 2], "hspace": 0.1})
    colors = plt.cm.viridis(np.linspace(0, 0.85, len(runs)))
    for n, (run, color) in enumerate(zip(runs, colors)):
        fine = np.linspace(1, run["d"] - 0.5, 400)
        top.plot(fine, plateau(run["d"], fine, run["w"]), color=color, lw=1, zorder=0)
        top.plot(run["k"], run["measured"], "o", color=color, ms=5,
                 label=f"w = {run['w']:g}")
        aside = 0.13 * (n - (len(runs) - 1) / 2) if len(runs) < 6 else 0
        low.plot(run["k"] + aside, np.maximum(abs(run["error"]), 1e-16), "o",
                 color=color, ms=4.5)
    top.set_ylabel(r"loss between steps $k$ and $k+1$")
    top.set_yscale("log")
    top.set_title("measured (dots), predicted plateau (lines)", fontsize=10, loc="left")
    top.legend(fontsize=8, frameon=False, loc="lower left")
    low.set_yscale("log")
    low.set_ylabel("relative deviation")
    low.margins(y=0.08)
    low.set_xlabel(r"modes learned $k$")
    low.grid(axis="y", color="0.9", lw=0.6)
    low.set_axisbelow(True)
    last = int(max(run["d"] for run in runs))
    low.set_xticks(range(1, last + 1, -(-last // 12)))
    fig.align_ylabels()
    for a in (top, low):
        a.spines[["top", "right"]].set_visible(False)
        a.tick_params(labelsize=8)
    return fig


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("outdir", nargs="+")
    p.add_argument("-o", "--output",
                   help="path without ending (default: plateaus in the first OUTDIR)")
    p.add_argument("--format", default="png,svg,pdf")
    a = p.parse_args()
    runs = [read(d) for d in a.outdir]
    for outdir, run in zip(a.outdir, runs):
        table(outdir, run)
    fig = draw(sorted(runs, key=lambda run: -run["w"]))
    base = a.output or os.path.join(a.outdir[0], "plateaus")
    save(fig, base, a.format)


if __name__ == "__main__":
    main()
