#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Figures of a sweep: step times against each axis, their collapse, a map of two axes.

    plot_sweep.py SWEEPDIR [-o BASE] [--format png,svg,pdf] [--map KEY KEY]
                           [--value NAME] [--modes N]

Reads SWEEPDIR/sweep.h5, which `eigenstep sweep` writes at its end and at any time with
--status. Writes, of BASE (SWEEPDIR/sweep):

  BASE-steps     a panel an axis: steps at which modes that are learned (above half of
                 what modes of the loss settle at) crossed half of their own final value,
                 median and middle half (bars) of the runs of each value, modes side by
                 side; x: a run that failed or stopped
  BASE-collapse  the same steps of all runs, divided by L = ln(1/lambda(0) - 1), against
                 lr gamma: in theory one curve, step/L = 1/(8 lr gamma), drawn with the
                 effect of finite steps, 1/(2 ln(1 + 4 lr gamma)). Coloured by each axis.
                 Of a training gamma is that which its own prediction stands for, so that
                 losses with other rates lie on the same curve. The spread is printed
  BASE-map       a heat map over two axes (the first two of several values, or --map) of
                 --value (steps of mode 1: step_1; or a column of sweep.csv such as
                 rankme), median over the others; x: some run of the cell failed
"""
import argparse
import os

import packages  # first: it names what is missing
import h5py
import matplotlib
import matplotlib.pyplot as plt
import numpy as np

import eigenstep
import script

FAILED = ("FAILED", "STOPPED", "ORPHANED")
SEPARATED = 0.75  # gamma_{k+1} / gamma_k of modes that count as separated


def text(dataset):
    return np.array([v.decode("utf-8", "replace") for v in dataset[:]])


class Sweep:
    """The arrays of sweep.h5: a row a run, in `axis` the parameters that vary."""

    def __init__(self, folder):
        path = os.path.join(folder, "sweep.h5")
        try:
            with h5py.File(path, "r") as f:
                self.state = text(f["/state"])
                self.axis = {k: text(d) if d.dtype.kind == "S" else d[:]
                             for k, d in f["/axis"].items()}
                self.mode = {k: f[k][:] for k in ("step", "time", "predicted", "forecast",
                                                  "forecast_error", "gamma", "start")
                             if k in f}
                self.final = {k: d[:] for k, d in f["/final"].items()}
                self.final["wall"] = f["/wall"][:]
        except (OSError, KeyError) as e:
            script.give_up(f"no summary of a sweep in '{path}': "
                           + eigenstep.reason(path, e))
        if "step" not in self.mode:
            script.give_up(f"'{path}': no run has a step yet")
        self.failed = np.isin(self.state, FAILED)
        self.axis = self.independent()

    def independent(self):
        """The axes; of parameters that move together one, a name if there is one. What
        another axis decides is left out, but an axis of which each run has its own value,
        such as seeds, decides nothing.
        """
        kept = {}
        finest_first = sorted(self.axis, key=lambda k: (
            not k.endswith(".name"), -len(self.spread(k)[0]), k))
        for key in finest_first:
            values, at = self.spread(key)
            if len(values) > 1 and not any(self.decides(k, at) for k in kept):
                kept[key] = self.axis[key]
        return {k: self.axis[k] for k in self.axis if k in kept}

    def decides(self, key, at):
        """Do runs that are alike in `key` have the same place on the axis `at`?"""
        values, of = self.spread(key)
        pairs = len(set(zip(of, at)))
        return pairs == len(values) and (len(values) < len(at) or pairs == len(set(at)))

    def number(self, name):
        """A column of sweep.csv, as numbers [runs]."""
        kind, _, k = name.rpartition("_")
        if kind in self.mode and k.isdigit() and int(k) <= self.mode[kind].shape[1]:
            return self.mode[kind][:, int(k) - 1]
        if name not in self.final:
            script.give_up(f"--value: got '{name}', expected step_1, ... or one of "
                           + ", ".join(sorted(self.final)))
        return self.final[name]

    def spread(self, key):
        """The sorted values of an axis, and where each run lies on it, from 0 on."""
        return np.unique(self.axis[key], return_inverse=True)


def label(value):
    return f"{value:g}" if isinstance(value, float) else script.plain(value)


def place(key, values):
    """Positions of an axis' values, and whether they are logarithmic."""
    if values.dtype.kind != "f":
        return np.arange(len(values)), False
    wide = len(values) > 2 and values.min() > 0 and values.max() > 8 * values.min()
    return values, wide or (values.min() > 0 and values.max() > 50 * values.min())


def tidy(a):
    a.spines[["top", "right"]].set_visible(False)
    a.grid(color="0.93", lw=0.6)
    a.tick_params(which="both", labelsize=8)


def number_ticks(axis):
    """1, 2, 5, 10, ... in plain figures on a logarithmic axis of a decade or two; more of
    them keep powers of ten."""
    low, high = axis.get_view_interval()
    if high < 100 * low:
        axis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(lambda v, _: f"{v:g}")
    axis.set_minor_formatter(matplotlib.ticker.NullFormatter())


def ticks(a, x, values, logarithmic):
    if logarithmic:
        a.set_xscale("log")
        a.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    a.set_xticks(x, [label(v) for v in values], rotation=30 if len(x) > 5 else 0)


def beside(x, logarithmic, share):
    """Places of an axis moved by a share of a third of the least gap, so that the bars
    of modes do not hide each other."""
    x = np.asarray(x, float)
    of = np.log(x) if logarithmic else x
    gap = np.diff(of).min() if len(of) > 1 else 1
    of = of + share * gap / 3
    return np.exp(of) if logarithmic else of


def draw_steps(s, modes):
    keys = list(s.axis)
    step = s.mode["step"][:, :modes]
    columns = 2 if len(keys) == 4 else min(len(keys), 3)
    rows = -(-len(keys) // columns)
    fig, axes = plt.subplots(rows, columns, figsize=(3.5 * columns + 0.6, 3.1 * rows),
                             sharey=True, squeeze=False, layout="constrained")
    colours = plt.cm.viridis(np.linspace(0, 0.9, step.shape[1]))
    for a in axes.flat[len(keys):]:
        a.set_visible(False)
    for a, key in zip(axes.flat, keys):
        values, at = s.spread(key)
        x, logarithmic = place(key, values)
        line = "-" if values.dtype.kind == "f" else ""  # words have no order
        for k in range(step.shape[1]):
            cells = [step[(at == i) & np.isfinite(step[:, k]), k]
                     for i in range(len(values))]
            there = [i for i, c in enumerate(cells) if len(c)]
            if not there:
                continue
            middle = np.array([np.median(cells[i]) for i in there])
            low = middle - [np.quantile(cells[i], 0.25) for i in there]
            high = np.array([np.quantile(cells[i], 0.75) for i in there]) - middle
            aside = beside(x, logarithmic, (k + 0.5) / step.shape[1] - 0.5)
            a.errorbar(aside[there], middle, yerr=(low, high), color=colours[k],
                       marker="o", ms=4, ls=line, lw=1, elinewidth=1.6, label=f"{k + 1}")
        for i in sorted(set(at[s.failed])):
            a.plot(x[i], 0.04, "x", color="C3", ms=8, mew=2, clip_on=False,
                   transform=a.get_xaxis_transform())
        a.set_yscale("log")
        a.set_xlabel(script.plain(key), fontsize=9)
        ticks(a, x, values, logarithmic)
        number_ticks(a.yaxis)
        tidy(a)
    for a in axes[:, 0]:
        a.set_ylabel("step of the transition\n(median of the runs; bars: middle half)",
                     fontsize=9)
    handles, names = axes[0, 0].get_legend_handles_labels()
    if s.failed.any():
        handles.append(plt.Line2D([], [], color="C3", marker="x", ls="", mew=2))
        names.append(f"{s.failed.sum()} failed")
    axes[0, columns - 1].legend(handles, names, title="mode", fontsize=8, frameon=False,
                                title_fontsize=8, loc="upper left",
                                bbox_to_anchor=(1.0, 1.0))
    return fig


def scaled(s):
    """x = lr gamma and y = step / L of each run and mode; `separated`: the mode's gamma
    is apart from both neighbours.
    """
    m = s.mode
    with np.errstate(all="ignore"):
        size = np.log(1 / m["start"] - 1)
        training = np.isfinite(m["forecast"]).any() if "forecast" in m else False
        gamma = size / (8 * m["predicted"]) if training else m["gamma"]
        lr = np.nanmedian(m["time"] / m["step"], axis=1)
        x = lr[:, None] * gamma
        y = m["step"] / size
        ratio = gamma[:, 1:] / gamma[:, :-1]
    apart = ratio <= SEPARATED
    edge = np.ones((len(lr), 1), bool)
    separated = np.hstack([edge, apart]) & np.hstack([apart, edge])
    good = np.isfinite(x) & np.isfinite(y) & (x > 0) & (y > 0)
    return x, y, good, separated


def theory(x):
    return 1 / (2 * np.log1p(4 * x))


def report(x, y, good, separated):
    error = y / theory(x) - 1
    for what, which in (("separated modes", good & separated), ("all modes", good)):
        e = error[which]
        if len(e):
            print(f"collapse, {what}: {len(e)} step times; standard deviation from the "
                  f"curve {100 * np.sqrt(np.mean(e**2)):.2f} %, median "
                  f"{100 * np.median(abs(e)):.2f} %, largest {100 * abs(e).max():.2f} %")


def colour_by(a, key, values, at):
    """Colours of the runs by an axis, with a legend."""
    colours = plt.cm.plasma(np.linspace(0, 0.85, len(values)))
    for i, v in enumerate(values[:12]):
        a.plot([], [], "o", ms=4, color=colours[i], label=label(v))
    a.legend(title=script.plain(key), fontsize=7, title_fontsize=8, frameon=False,
             loc="upper right")
    return colours[at]


def draw_collapse(s):
    x, y, good, separated = scaled(s)
    if not good.any():
        return None
    report(x, y, good, separated)
    keys = (list(s.axis) or [None])[:4]
    fig, axes = plt.subplots(2, len(keys), figsize=(3.6 * len(keys) + 0.4, 4.4),
                             sharex=True, sharey="row", squeeze=False,
                             layout="constrained", gridspec_kw={"height_ratios": (3, 1)})
    line = np.geomspace(0.7 * x[good].min(), 1.4 * x[good].max(), 200)
    row = np.random.default_rng(0).permutation(np.argwhere(good))  # none hides the others
    px, py = x[tuple(row.T)], y[tuple(row.T)]
    for (a, low), key in zip(axes.T, keys):
        colours = np.tile(matplotlib.colors.to_rgba("C0"), (len(x), 1))
        if key is not None:
            colours = colour_by(a, key, *s.spread(key))
        edge = colours[row[:, 0]]
        face = np.where(separated[tuple(row.T)][:, None], edge, (1, 1, 1, 0))
        style = {"s": 18, "facecolors": face, "edgecolors": edge, "linewidths": 0.9,
                 "zorder": 2}
        a.plot(line, theory(line), color="k", lw=1, zorder=1)
        a.scatter(px, py, **style)
        low.axhline(0, color="k", lw=1, zorder=1)
        low.scatter(px, 100 * (py / theory(px) - 1), **style)
        a.set(xscale="log", yscale="log")
        low.set_xlabel(r"learning rate $\times\ \gamma_j$", fontsize=9)
        for axis in (a.xaxis, a.yaxis, low.xaxis):
            number_ticks(axis)
        tidy(a)
        tidy(low)
    axes[0, 0].set_ylabel(r"step$_j\ /\ \ln(1/\lambda_j(0) - 1)$", fontsize=9)
    axes[1, 0].set_ylabel("from theory, %", fontsize=9)
    note = f"{good.sum()} step times of {(good.any(axis=1)).sum()} runs; line: theory; " \
           f"open: modes less than {1 / SEPARATED:.2g}-fold apart"
    if s.failed.any():
        note += f"; {s.failed.sum()} runs failed"
    fig.suptitle(note, fontsize=9, x=0.01, ha="left")
    return fig


def draw_map(s, keys, name):
    value = s.number(name)
    (rows, at_row), (columns, at_column) = s.spread(keys[1]), s.spread(keys[0])
    grid = np.full((len(rows), len(columns)), np.nan)
    failed = np.zeros(grid.shape, bool)
    for i in range(len(rows)):
        for j in range(len(columns)):
            cell = (at_row == i) & (at_column == j)
            failed[i, j] = s.failed[cell].any()
            if np.isfinite(value[cell]).any():
                grid[i, j] = np.nanmedian(value[cell])
    if not np.isfinite(grid).any():
        script.give_up(f"--value: no run has a value of '{name}'")
    fig, a = plt.subplots(figsize=(1.5 + 0.85 * len(columns), 1.3 + 0.55 * len(rows)),
                          layout="constrained")
    low, high = np.nanmin(grid), np.nanmax(grid)
    norm = matplotlib.colors.LogNorm() if low > 0 and high > 20 * low else None
    image = a.pcolormesh(np.ma.masked_invalid(grid), cmap="viridis", norm=norm,
                         edgecolors="w", linewidth=1)
    for i, j in np.argwhere(np.isfinite(grid)):
        dark = image.norm(grid[i, j]) < 0.6
        a.text(j + 0.5, i + 0.5, f"{grid[i, j]:.4g}", ha="center", va="center",
               fontsize=7, color="w" if dark else "k")
    for i, j in np.argwhere(failed):
        here = np.isfinite(grid[i, j])
        a.plot(j + (0.85 if here else 0.5), i + (0.8 if here else 0.5), "x", color="C3",
               ms=6, mew=2)
    a.set_facecolor("0.92")
    a.set_xticks(np.arange(len(columns)) + 0.5, [label(v) for v in columns])
    a.set_yticks(np.arange(len(rows)) + 0.5, [label(v) for v in rows])
    a.set_xlabel(script.plain(keys[0]), fontsize=9)
    a.set_ylabel(script.plain(keys[1]), fontsize=9)
    a.tick_params(labelsize=8, length=0)
    a.spines[:].set_visible(False)
    step, mode = name.rsplit("_", 1) if "_" in name else (name, "")
    words = {"step": f"step of mode {mode}", "time": f"effective time of mode {mode}"}
    bar = fig.colorbar(image)
    bar.set_label(words.get(step, script.plain(name)) + ", median", fontsize=9)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8)
    return fig


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("folder", metavar="SWEEPDIR")
    p.add_argument("-o", "--output", help="path without ending (SWEEPDIR/sweep)")
    p.add_argument("--format", default="png,svg,pdf")
    p.add_argument("--map", nargs=2, metavar="KEY", help="axes of the heat map, the "
                   "horizontal one first")
    p.add_argument("--value", default="step_1", help="what the heat map shows (step_1)")
    p.add_argument("--modes", type=int, default=5, help="modes whose steps are drawn (5)")
    return p.parse_args()


def main():
    o = options()
    s = Sweep(o.folder)
    base = o.output or os.path.join(o.folder, "sweep")
    for key in o.map or []:
        if key not in s.axis:
            script.give_up(f"--map: got '{key}', expected one of {', '.join(s.axis)}")
    if s.axis:
        script.save(draw_steps(s, max(o.modes, 1)), f"{base}-steps", o.format)
    collapse = draw_collapse(s)
    if collapse is not None:
        script.save(collapse, f"{base}-collapse", o.format)
    keys = o.map or [k for k in s.axis if k != "run.seed"][:2]
    if len(keys) == 2:
        script.save(draw_map(s, keys, o.value), f"{base}-map", o.format)


if __name__ == "__main__":
    script.main(main)
