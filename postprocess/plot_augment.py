#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Figure of augmentations and growth rates: `eigenstep modes OUTDIR modes.augment=true`.

    plot_augment.py OUTDIR [OTHER] [--modes N] [-o FILE] [--format png,svg,pdf]

Of a run's pixels and of its features at the start: d ln gamma_j / d strength of each
augmentation, with errors by drawing images; below 0, a stronger augmentation slows the
mode. With OTHER, a run with other augmentations and its own `modes.augment=true`: how
much earlier its modes were learned, the ratio of the times of the k-th transitions,
beside what the growth rates of both starts foretell. Needs OUTDIR/modes/modes.h5; writes
OUTDIR/augment.{png,svg,pdf}, with OTHER ./augment.*, or what -o says.
"""
import argparse
import os
import re

import packages  # first: it names what is missing
import h5py
import matplotlib.pyplot as plt
import numpy as np

import eigenstep
import script

KINDS = ("pixels", "features")


def read(folder):
    """{kind: {name, gamma, change, error}} of a run's start."""
    path = os.path.join(folder, "modes", "modes.h5")
    try:
        with h5py.File(path, "r") as f:
            groups = {kind: f[f"/augment/{kind}"] for kind in KINDS}
            return {kind: {"name": [eigenstep.text(n) for n in g["name"]],
                           "gamma": g["gamma"][:], "change": g["change"][:],
                           "error": g["change_error"][:]} for kind, g in groups.items()}
    except (OSError, KeyError) as e:
        raise eigenstep.Unreadable(f"cannot read '{path}': {eigenstep.reason(path, e)}; "
                                   f"written by 'eigenstep modes {folder} "
                                   "modes.augment=true'") from e


def draw_rates(a, rates, modes, title):
    known = [i for i in range(len(rates["name"]))
             if np.isfinite(rates["change"][:modes, i]).any()]
    for place, i in enumerate(known):
        change, error = rates["change"][:modes, i], rates["error"][:modes, i]
        x = np.arange(1, len(change) + 1) + 0.6 * ((place + 0.5) / len(known) - 0.5)
        a.errorbar(x, change, yerr=error, fmt="o", ms=4, lw=1, capsize=2,
                   color=script.COLOURS[i % len(script.COLOURS)], label=rates["name"][i])
    a.axhline(0, color="0.7", lw=0.8, zorder=0)
    a.set_xticks(range(1, min(modes, len(rates["gamma"])) + 1))
    a.set_xlabel("mode of the start", fontsize=9)
    a.set_ylabel(r"d ln $\gamma_j$ / d strength", fontsize=9)
    a.set_title(title, fontsize=10, loc="left")
    a.legend(fontsize=8, frameon=False)


def draw_times(a, one, other, rates):
    """Times of the k-th transitions of the other run over those of the one."""
    times = one.steps(), other.steps()
    n = min(map(len, times))
    measured = times[1][:n] / times[0][:n]
    there = np.flatnonzero(np.isfinite(measured))
    if len(there) == 0:
        script.give_up("no mode was learned in both runs")
    last = there[-1] + 1
    a.plot(there + 1, measured[there], "ko", ms=6, label="measured")
    for i, kind in enumerate(KINDS):
        g = [r[kind]["gamma"][:last] for r in rates]
        ratio = g[0] / g[1]
        a.plot(np.arange(1, len(ratio) + 1), ratio, "s", mfc="none",
               color=script.COLOURS[i], label=f"foretold, {kind} of both starts")
    a.axhline(1, color="0.7", lw=0.8, zorder=0)
    a.set_yscale("log")
    a.yaxis.set_minor_formatter("{x:g}")
    a.yaxis.set_major_formatter("{x:g}")
    a.set_xticks(range(1, last + 1))
    a.set_xlabel("mode k, in the order of learning", fontsize=9)
    a.set_ylabel("time of mode k, other run / first run", fontsize=9)
    lists = [", ".join(s for s in re.split(r"[ ,]+", r.parameter("augment.list"))
                       if s != "normalize") for r in (other, one)]
    a.set_title(script.plain(f"{lists[0]}\nagainst {lists[1]}"), fontsize=9, loc="left")
    a.legend(fontsize=8, frameon=False)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("outdir", nargs="+", help="a run, or two")
    p.add_argument("--modes", type=int, default=5, help="modes drawn (5)")
    p.add_argument("-o", "--output", help="path without ending")
    p.add_argument("--format", default="png,svg,pdf")
    o = p.parse_args()
    if o.modes < 1 or len(o.outdir) > 2:
        script.give_up("got --modes below 1 or more than two runs")
    rates = [read(folder) for folder in o.outdir]
    runs = [eigenstep.open_run(folder) for folder in o.outdir]
    count = 2 if len(runs) == 1 else 3
    fig, axes = plt.subplots(1, count, figsize=(4.4 * count, 3.6), layout="constrained")
    for a, kind in zip(axes, KINDS):
        draw_rates(a, rates[0][kind], o.modes, f"{runs[0].title}: {kind} of the start")
    if len(runs) == 2:
        draw_times(axes[2], *runs, rates)
    for a in axes:
        a.spines[["top", "right"]].set_visible(False)
        a.tick_params(which="both", labelsize=8)
    base = o.output or os.path.join(o.outdir[0] if len(runs) == 1 else ".", "augment")
    script.save(fig, base, o.format)


if __name__ == "__main__":
    script.main(main)
