#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Which method learns k modes first? Losses and optimisers on the same data.

    race.py SWEEP|OUTDIR... [-o FILE] [--modes K] [--format png,svg,pdf]

Takes output folders of `eigenstep linear` or `eigenstep train`, or folders of sweeps
that hold them (inputs/sweep-race). Runs that differ in run.seed alone are one method: the
median is drawn, and a bar from the least to the largest. Left: the step at which the k-th
mode is learned; circles are measured, lines predicted before the first step. Right: how
many times fewer steps, or with runs of `train` less time, than plain descent (of Barlow
Twins where it is there).
Prints both as a table; writes race.{png,svg,pdf} into the first folder.
"""
import argparse
import glob
import os

import packages  # first: it names what is missing
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

import eigenstep
import script

# What makes a method: (key, plain value, how it is written).
MARKS = (("linear.momentum", "0", "momentum {}"), ("optim.momentum", "0", "momentum {}"),
         ("precondition.eps", "0", "preconditioned, eps {}"))


def folders(arguments):
    """The runs that the arguments name: themselves, or the runs of sweeps."""
    found = []
    for a in arguments:
        inside = sorted(glob.glob(os.path.join(glob.escape(a), "*", "trajectory.h5")))
        single = os.path.exists(os.path.join(a, "trajectory.h5"))
        found += [a] if single or not inside else [os.path.dirname(p) for p in inside]
    return found


def method(run):
    """ "Barlow Twins, momentum 0.9": the loss and how the update differs from descent."""
    words = [eigenstep.TITLES.get(run.loss, run.loss)]
    if run.parameter("linear.method") == "muon" or run.parameter("optim.name") == "muon":
        words.append("Muon")
    elif run.parameter("optim.name", "sgd") not in ("sgd", ""):
        words.append(run.parameter("optim.name").upper())
    for key, plain, text in MARKS:
        value = run.parameter(key, plain)
        if float(value or 0) != float(plain):
            words.append(text.format(value))
    return ", ".join(words)


def learned(run):
    """Steps at which 1, 2, ... modes are learned: (measured, predicted, seconds)."""
    measured = np.sort(run.steps("step_measured"))  # NaN last
    predicted = run.get("/theory/tau_step")
    if predicted is None:
        predicted = run.steps("step_predicted") if "/timing" not in run.f else None
    predicted = np.full(0, np.nan) if predicted is None else np.sort(predicted)
    clock = run.series("/timing", "seconds")
    at = run.get("/timing/step")
    seconds = np.full(len(measured), np.nan)
    if clock is not None and at is not None and len(at) > 0:
        seconds = np.interp(measured, at[:len(clock[1])], clock[1], left=np.nan)
        seconds[np.isnan(measured)] = np.nan
    return measured, predicted, seconds


def column(rows, k):
    """The k-th of each run, NaN where it has fewer."""
    return np.array([r[k] if k < len(r) else np.nan for r in rows])


def gather(runs, modes):
    """{method: array [3, modes, runs]} of measured, predicted steps and seconds."""
    of = {}
    for run in runs:
        of.setdefault(method(run), []).append(learned(run))
    # plain descent first: the others are compared with it
    order = sorted(of, key=lambda m: ("," in m, not m.startswith("Barlow"), m))
    return {m: np.array([[column([r[q] for r in of[m]], k) for k in range(modes)]
                         for q in range(3)]) for m in order}


def middle(x):
    """Median over the runs that have one, if at least half do."""
    known = np.isfinite(x)
    return np.array([np.median(r[k]) if 2 * k.sum() >= len(r) and k.any() else np.nan
                     for r, k in zip(x, known)])


def table(data, seconds):
    first = next(iter(data.values()))
    plain = middle(first[2 if seconds else 0])
    modes = first.shape[1]
    heads = [f"{k + 1} mode{'s' * (k > 0)}" for k in range(modes)]
    print(f"{'':58} " + " ".join(f"{h:>9}" for h in heads))
    for name, d in data.items():
        n = d.shape[2]
        head = f"{name} ({n} run{'s' if n > 1 else ''})"
        for what, y in (("measured", middle(d[0])), ("predicted", middle(d[1])),
                        ("seconds", middle(d[2])),
                        ("times faster", plain / middle(d[2 if seconds else 0]))):
            if np.isfinite(y).any():
                cells = [f"{v:9.4g}" if np.isfinite(v) else f"{'-':>9}" for v in y]
                print(f"{head:44} {what:>13} " + " ".join(cells))
                head = ""


def bars(a, x, y, color, **style):
    """Median, and from the least to the largest where there are several."""
    mid = middle(y)
    a.plot(x, mid, color=color, **style)
    for xi, row in zip(x, y):
        ok = row[np.isfinite(row)]
        if len(ok) > 1:
            a.plot([xi, xi], [ok.min(), ok.max()], color=color, lw=1.2, alpha=0.7)


def draw(data, seconds):
    fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.9))
    first = next(iter(data.values()))
    x = np.arange(1, first.shape[1] + 1)
    for i, (name, d) in enumerate(data.items()):
        color = script.COLOURS[i % len(script.COLOURS)]
        left.plot(x, middle(d[1]), color=color, lw=1.2)
        bars(left, x, d[0], color, marker="o", ls="", ms=4.5, label=script.plain(name))
        q = 2 if seconds else 0
        ratio = middle(first[q]) / middle(d[q])
        right.plot(x, ratio, color=color, marker="o", ms=4, lw=1)
    for a in (left, right):
        a.set_yscale("log")
        a.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        a.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        a.yaxis.set_minor_formatter(NullFormatter())
    right.axhline(1, color="0.7", lw=0.8, zorder=0)
    left.set_ylabel("step")
    right.set_ylabel("times less time" if seconds else "times fewer steps")
    for a in (left, right):
        a.set_xlabel("modes learned")
        a.set_xticks(x)
        a.spines[["top", "right"]].set_visible(False)
        a.grid(axis="y", color="0.92", lw=0.6)
        a.set_axisbelow(True)
    left.plot([], [], color="0.4", lw=1.2, label="predicted")
    handles, labels = left.get_legend_handles_labels()
    fig.legend(handles, labels, loc="lower center", ncol=3, fontsize=8, frameon=False)
    fig.subplots_adjust(bottom=0.2 + 0.05 * (len(labels) // 3), wspace=0.3)
    return fig


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("folder", nargs="+")
    p.add_argument("-o", "--output",
                   help="path without ending (default: race in the first folder)")
    p.add_argument("--modes", type=int, default=0, help="modes shown; 0: all")
    p.add_argument("--format", default="png,svg,pdf")
    a = p.parse_args()
    runs = script.open_all(folders(a.folder))
    most = max(int(np.isfinite(r.steps("step_measured")).sum()) for r in runs)
    modes = min(a.modes or most, most)
    if modes < 1:
        script.give_up("no mode is learned in these runs")
    data = gather(runs, modes)
    seconds = all(np.isfinite(d[2]).any() for d in data.values())
    table(data, seconds)
    script.save(draw(data, seconds), a.output or os.path.join(a.folder[0], "race"),
                a.format)


if __name__ == "__main__":
    script.main(main)
