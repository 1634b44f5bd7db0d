#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Which method learns k modes first? Losses and optimisers on the same data.

    race.py SWEEP|OUTDIR... [-o FILE] [--modes K] [--step-seconds FILE.tsv]
            [--format png,svg,pdf]

Takes output folders of `eigenstep linear` or `eigenstep train`, or folders of sweeps that
hold them (inputs/sweep-race, inputs/sweep-race-resnet18). Runs of one method that differ
in run.seed are one curve: the median is drawn, and a bar from the least to the largest; a
run that has not learned k modes counts as one that learns them later. Left: the step at
which the k-th mode is learned; circles are measured (a triangle: not within the run, by
half of the runs), lines predicted before the first step. Beside it, of `linear`: how many
times fewer steps than plain descent (of Barlow Twins where it is there); of `train`: the
same modes against time. The accuracies of runs that measured them ([accuracy]) follow,
against time.

Time is steps times the seconds of a step, snapshots left out: those of --step-seconds,
a table "method<TAB>seconds" (measured apart, in turn, by `eigenstep bench step`), or else
of the fastest stretch between two progress lines of any of a method's runs, so that what
else the machine did counts least.

Prints all as a table, with accuracies and Barlow Twins' loss sum_k (1 - lambda_k)^2 of
the probe's C at equal time, the longest at which all were measured, and accuracies at
equal progress, when the K-th mode was learned. Writes race.{png,svg,pdf} into the first
folder.
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
# What is looked at and for how long does not make a method.
OBSERVED = ("run.", "spectrum.", "accuracy.", "text")
DODGE = 0.5  # width that the methods share at a number of modes
ACCURACIES = (("knn", "nearest neighbours"), ("linear", "linear classifier"))


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


def column(rows, k):
    """The k-th of each run, NaN where it has fewer."""
    return np.array([r[k] if k < len(r) else np.nan for r in rows])


class Method:
    """The runs of one method: steps [modes, runs], measured (NaN: not learned) and
    predicted before the first step; `pace`, seconds a step (NaN: not timed)."""

    def __init__(self, name, runs, modes):
        self.name, self.runs = name, runs
        learned = [np.sort(r.steps("step_measured")) for r in runs]  # NaN last
        told = [predicted(r) for r in runs]
        self.measured = np.array([column(learned, k) for k in range(modes)])
        self.predicted = np.array([column(told, k) for k in range(modes)])
        self.end = min(last_step(r) for r in runs)
        self.pace = min(fastest_step(r) for r in runs)

    def by_run(self, accuracy):
        """(steps, values) of an accuracy, of each run; None where it was not measured."""
        path = f"/metrics/{accuracy}_accuracy"
        found = [(r.get(f"{path}/step"), r.get(f"{path}/value")) for r in self.runs]
        return [(s[:len(v)], v[:len(s)]) if s is not None and len(s) and len(v) else None
                for s, v in found]

    def curves(self, accuracy):
        """(steps, values) of an accuracy, of the runs that measured it."""
        return [c for c in self.by_run(accuracy) if c is not None]


def predicted(run):
    """Steps at which 1, 2, ... modes are to be learned; none where nothing is known."""
    told = run.get("/theory/tau_step")
    if told is None:
        told = run.steps("step_predicted") if "/timing" not in run.f else None
    return np.full(0, np.nan) if told is None else np.sort(told)


def last_step(run):
    """Of the last snapshot."""
    step = run.get(f"/spectrum/{run.matrix()}/step")
    return np.inf if step is None or len(step) == 0 else float(step[-1])


def fastest_step(run):
    """Seconds of a step in the fastest stretch between two progress lines."""
    rate = run.series("/timing", "images_per_second")
    rate = np.full(0, np.nan) if rate is None else rate[1][np.isfinite(rate[1])]
    return 2 * run.number("batch.pairs") / rate.max() if len(rate) else np.inf


def settings(run):
    """All that may tell two runs of one method apart, but for the seed and the sections
    of other losses."""
    own = f"loss.{run.loss}."
    return {k: v for k, v in run.attributes("/parameters").items()
            if not k.startswith(script.TECHNICAL + OBSERVED)
            and (k.startswith(own) or k.count(".") < 2 or not k.startswith("loss."))}


def apart(name, runs):
    """{name: runs}, and where a seed comes twice a name for each rate or other value
    that was tried: "Barlow Twins, lr 0.001"."""
    if len({r.parameter("run.seed") for r in runs}) == len(runs):
        return {name: runs}
    of = [settings(r) for r in runs]
    keys = [k for k in sorted(set().union(*of)) if len({a.get(k) for a in of}) > 1]
    found = {}
    for run, a in zip(runs, of):
        words = [f"{script.short(k, keys)} {a.get(k, '-')}" for k in keys[:4]]
        found.setdefault(", ".join([name] + words), []).append(run)
    return found


def gather(runs, modes):
    """Methods, plain descent first: the others are compared with it."""
    of = {}
    for run in runs:
        of.setdefault(method(run), []).append(run)
    order = sorted(of, key=lambda m: ("," in m, not m.startswith("Barlow"), m))
    return [Method(name, same, modes)
            for m in order for name, same in sorted(apart(m, of[m]).items())]


def take_paces(methods, path):
    """Seconds a step from a table; every method must be in it."""
    try:
        with open(path, encoding="utf-8") as f:
            rows = [line.rstrip("\n").split("\t") for line in f
                    if line.strip() and not line.startswith("#")]
        pace = {name: float(seconds) for name, seconds in rows}
    except (OSError, ValueError) as e:
        script.give_up(f"cannot read a table of method and seconds from '{path}': {e}")
    for m in methods:
        if m.name not in pace:
            script.give_up(f"'{path}' has no row '{m.name}', only {', '.join(pace)}")
        m.pace = pace[m.name]


def middle(x):
    """Median over runs, row by row; NaN counts as later than all else, and is the result
    where half of the runs or more have none."""
    m = np.median(np.where(np.isfinite(x), x, np.inf), axis=1)
    return np.where(np.isfinite(m), m, np.nan)


def at(curve, step):
    """An accuracy at a step between two measurements; NaN outside."""
    return np.interp(step, *curve, left=np.nan, right=np.nan)


def barlow_loss(run, step):
    """sum_k (1 - lambda_k)^2 of the probe's C at a step."""
    step_of = run.get("/spectrum/cross_correlation/step")
    if step_of is None:
        return np.nan
    value = ((1 - run.spectrum("cross_correlation")[1]) ** 2).sum(axis=1)
    return at((step_of[:len(value)], value[:len(step_of)]), step)


def span(values, scale=1.0, form="{:.3g}"):
    """ "median (least to largest)" of what is known."""
    known = np.asarray(values, float)[np.isfinite(values)] * scale
    if len(known) == 0:
        return "-"
    text = form.format(np.median(known))
    if len(known) > 1:
        text += f" ({form.format(known.min())} to {form.format(known.max())})"
    return text


def cells(values, unknown):
    """A line of the table; `unknown`: what stands for a value that is not known."""
    text = [f"{v:.4g}" if np.isfinite(v) else u for v, u in zip(values, unknown)]
    return " ".join(f"{t:>9}" for t in text)


def bounds(values):
    """ ">3.2" of the least that an unknown value can be, "-" where that says nothing."""
    return [f">{v:.3g}" if v > 0 else "-" for v in values]


def print_steps(methods):
    """Steps and seconds to k modes, and how many times fewer than the first method's:
    where that has not learned them, more than its last step says."""
    first, modes = methods[0], len(methods[0].measured)
    heads = [f"{k + 1} mode{'s' * (k > 0)}" for k in range(modes)]
    print(f"{'':58} " + " ".join(f"{h:>9}" for h in heads))
    for m in methods:
        n, steps, pace = len(m.runs), middle(m.measured), first.pace / m.pace
        head = f"{m.name} ({n} run{'s' if n > 1 else ''})"
        fewer, least = middle(first.measured) / steps, first.end / steps
        for what, y, end in (("measured", steps, [m.end] * modes),
                             ("predicted", middle(m.predicted), [np.nan] * modes),
                             ("times fewer", fewer, least),
                             ("seconds", steps * m.pace, [m.end * m.pace] * modes),
                             ("times faster", fewer * pace, least * pace)):
            if np.isfinite(y).any():
                print(f"{head:44} {what:>13} " + cells(y, bounds(end)))
                head = ""


def print_accuracies(methods):
    """Accuracies and loss at equal time, accuracies when the last mode was learned."""
    kinds = [(a, words) for a, words in ACCURACIES if any(m.curves(a) for m in methods)]
    if not kinds or not all(np.isfinite(m.pace) for m in methods):
        return
    modes = len(methods[0].measured)
    time = min(step[-1] * m.pace for m in methods for a, _ in kinds
               for step, _ in m.curves(a))
    print(f"\n{'at equal time, median (least to largest)':44} {f'after {time:.3g} s':>14}"
          + "".join(f"{a + ' [%]':>22}" for a, _ in kinds)
          + f"{'modes':>16}{'sum (1-lambda)^2':>22}")
    for m in methods:
        step = time / m.pace * (1 - 1e-9)  # the last measurement, despite round-off
        parts = [f"{span([at(c, step) for c in m.curves(a)], 100, '{:.1f}'):>22}"
                 for a, _ in kinds]
        learned = (m.measured <= step).sum(axis=0)
        loss = [barlow_loss(r, step) for r in m.runs]
        print(f"{m.name:44} {f'step {step:.0f}':>14}" + "".join(parts)
              + f"{span(learned, 1, '{:.0f}'):>16}{span(loss):>22}")
    print(f"\n{f'when mode {modes} was learned':59}"
          + "".join(f"{a + ' [%]':>22}" for a, _ in kinds))
    for m in methods:
        done = m.measured[-1]
        parts = [span([at(c, s) for c, s in zip(m.by_run(a), done) if c is not None],
                      100, "{:.1f}") for a, _ in kinds]
        print(f"{m.name:44} {'':14}" + "".join(f"{c:>22}" for c in parts))


def bars(a, x, y, end, color, **style):
    """Median, and from the least to the largest where there are several; a triangle at
    the end of the run where half have none."""
    mid = middle(y)
    a.plot(x, mid, color=color, marker="o", ls="", ms=4.5, **style)
    late = np.isnan(mid)
    a.plot(x[late], np.full(late.sum(), end), color=color, marker="^", ls="", ms=5,
           mfc="white")
    for xi, row in zip(x, y):
        ok = row[np.isfinite(row)]
        if len(ok) > 1:
            a.plot([xi, xi], [ok.min(), ok.max()], color=color, lw=1.2, alpha=0.7)


def draw_modes(left, right, methods, seconds):
    """Steps to k modes; beside them seconds, or how many times fewer steps."""
    ticks = np.arange(1, len(methods[0].measured) + 1)
    for i, m in enumerate(methods):
        color = script.COLOURS[i % len(script.COLOURS)]
        x = ticks + DODGE * (i - (len(methods) - 1) / 2) / len(methods)
        left.plot(x, middle(m.predicted), color=color, lw=1.2)
        bars(left, x, m.measured, m.end, color, label=script.plain(m.name))
        if seconds:
            right.plot(x, middle(m.predicted) * m.pace, color=color, lw=1.2)
            bars(right, x, m.measured * m.pace, m.end * m.pace, color)
        else:
            ratio = middle(methods[0].measured) / middle(m.measured)
            right.plot(ticks, ratio, color=color, marker="o", ms=4, lw=1)
    for a in (left, right):
        a.set_yscale("log")
        a.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        a.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        a.yaxis.set_minor_formatter(NullFormatter())
        a.set_xlabel("modes learned")
        a.set_xticks(ticks)
    if not seconds:
        right.axhline(1, color="0.7", lw=0.8, zorder=0)
    left.set_ylabel("step")
    right.set_ylabel("seconds" if seconds else "times fewer steps")


def draw_accuracy(a, methods, kind, words):
    """Median over the seeds against time, and the range."""
    for i, m in enumerate(methods):
        color, curves = script.COLOURS[i % len(script.COLOURS)], m.curves(kind)
        if not curves:
            continue
        step = np.unique(np.concatenate([s for s, _ in curves]))
        y = 100 * np.array([at(c, step) for c in curves])
        ok = np.isfinite(y).all(axis=0)
        time, y = step[ok] * m.pace, y[:, ok]
        a.fill_between(time, y.min(axis=0), y.max(axis=0), color=color, alpha=0.15, lw=0)
        a.plot(time, np.median(y, axis=0), color=color, lw=1.2, marker=".", ms=4)
    a.set_xlabel("seconds")
    a.set_ylabel(f"accuracy, {words} [%]")


def draw(methods):
    seconds = all(np.isfinite(m.pace) for m in methods)
    kinds = [(a, words) for a, words in ACCURACIES
             if seconds and any(m.curves(a) for m in methods)]
    rows = 1 + (len(kinds) > 0)
    fig, axes = plt.subplots(rows, 2, figsize=(9.6, 3.9 * rows), squeeze=False)
    draw_modes(*axes[0], methods, seconds)
    for a in axes[1:].flat:
        a.set_visible(False)
    for a, (kind, words) in zip(axes[1:].flat, kinds):
        a.set_visible(True)
        draw_accuracy(a, methods, kind, words)
    for a in axes.flat:
        a.spines[["top", "right"]].set_visible(False)
        a.grid(axis="y", color="0.92", lw=0.6)
        a.set_axisbelow(True)
    axes[0, 0].plot([], [], color="0.4", lw=1.2, label="predicted")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="lower center", ncol=3, fontsize=8, frameon=False)
    fig.subplots_adjust(bottom=(0.2 + 0.05 * (len(labels) // 3)) / rows, wspace=0.3,
                        hspace=0.3)
    return fig


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("folder", nargs="+")
    p.add_argument("-o", "--output",
                   help="path without ending (default: race in the first folder)")
    p.add_argument("--modes", type=int, default=0, help="modes shown; 0: all")
    p.add_argument("--step-seconds", metavar="FILE.tsv",
                   help="table of method and seconds a step")
    p.add_argument("--format", default="png,svg,pdf")
    a = p.parse_args()
    if a.modes < 0:
        script.give_up(f"--modes: got {a.modes}, expected 0 (all) or more")
    runs = script.open_all(folders(a.folder))
    most = max(int(np.isfinite(r.steps("step_measured")).sum()) for r in runs)
    modes = min(a.modes or most, most)
    if modes < 1:
        script.give_up("no mode is learned in these runs")
    methods = gather(runs, modes)
    if a.step_seconds:
        take_paces(methods, a.step_seconds)
    print_steps(methods)
    print_accuracies(methods)
    script.save(draw(methods), a.output or os.path.join(a.folder[0], "race"), a.format)


if __name__ == "__main__":
    script.main(main)
