#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Do forecasts know their error? Intervals of the forecasts of a sweep against what came.

    plot_calibration.py SWEEPDIR... [-o BASE] [--format png,svg,pdf] [--by KEY]

Reads SWEEPDIR/sweep.h5, which `eigenstep sweep` writes at its end and at any time with
--status, and takes each forecast that was made in the exponential phase of a mode that
was learned later: z = (measured - forecast) / forecast_error. Writes BASE
(SWEEPDIR/calibration): on the left, of every interval that is to hold with probability
p (a normal distribution of the error) the share that did, in all and in groups of runs;
in the middle the distribution of z; on the right the errors themselves against those that
were told. Groups: values of --by, the name of an axis; by default the first axis but
run.seed. The share within one error, for which 68 % is right, is printed with its own
standard error, which counts runs as independent and forecasts of a run as not.
"""
import argparse
import math
import os

import packages  # first: it names what is missing
import matplotlib.pyplot as plt
import numpy as np

import plot_sweep
import script

NORMAL = 0.6827  # share within one standard deviation


class Forecasts:
    """Forecasts of one or several sweeps: arrays of the same length."""

    def __init__(self, folders, by):
        parts = [self.read(folder, by) for folder in folders]
        self.run = np.concatenate([10000 * i + p[0] for i, p in enumerate(parts)])
        self.group = np.concatenate([p[1] for p in parts])
        self.z, self.error = (np.concatenate([p[i] for p in parts]) for i in (2, 3))
        self.off = self.z * self.error
        if len(self.z) == 0:
            script.give_up("no forecast has an interval and a mode that was learned")

    @staticmethod
    def read(folder, by):
        s = plot_sweep.Sweep(folder)
        if "forecast_error" not in s.mode:
            script.give_up(f"'{folder}': its sweep.h5 has no forecast_error; "
                           "eigenstep sweep --status writes it anew")
        keys = [k for k in s.axis if k != "run.seed"]
        if by and by not in s.axis:
            script.give_up(f"--by: got '{by}', expected one of {', '.join(s.axis)}")
        key = by or (keys[0] if keys else None)
        m = s.mode
        z = (m["time"] - m["forecast"]) / m["forecast_error"]
        row, mode = np.nonzero(np.isfinite(z))
        names = np.array([plot_sweep.label(v) for v in s.axis[key]] if key else
                         [os.path.basename(folder.rstrip("/"))] * len(z))
        return (row, names[row].astype(str), z[row, mode],
                m["forecast_error"][row, mode] / m["time"][row, mode])

    def groups(self):
        """(name, which) of all, then of each group."""
        yield "all", np.ones(len(self.z), bool)
        names = sorted(set(self.group))
        for name in names if len(names) > 1 else ():
            yield name, self.group == name


def coverage(z, run, width=1.0):
    """Share of |z| < width, and its standard error over runs."""
    inside = np.abs(z) < width
    share = inside.mean()
    off = [np.sum(inside[run == r] - share) for r in np.unique(run)]
    return share, math.sqrt(np.sum(np.square(off))) / len(z)


def report(f):
    for name, which in f.groups():
        z, runs = f.z[which], f.run[which]
        share, error = coverage(z, runs)
        print(f"{name}: {len(z)} forecasts of {len(np.unique(runs))} runs; "
              f"{100 * share:.0f} +- {100 * error:.0f} % within one error (right: 68 %), "
              f"{100 * coverage(z, runs, 2)[0]:.0f} % within two (95 %); mean z "
              f"{z.mean():+.2f}, root mean square {np.sqrt(np.mean(z**2)):.2f}; "
              f"off by {100 * np.median(np.abs(f.off[which])):.1f} % in the median")


def draw(f):
    fig, (a, b, c) = plt.subplots(1, 3, figsize=(11.5, 3.7), layout="constrained")
    p = np.linspace(0, 0.995, 200)
    width = math.sqrt(2) * np.array([inverse_erf(x) for x in p])
    a.plot((0, 1), (0, 1), color="0.6", lw=1)
    for i, (name, which) in enumerate(f.groups()):
        colour = "k" if i == 0 else script.COLOURS[(i - 1) % len(script.COLOURS)]
        share = [np.mean(np.abs(f.z[which]) < w) for w in width]
        one, error = coverage(f.z[which], f.run[which])
        a.plot(p, share, color=colour, lw=1.8 if i == 0 else 1.2,
               label=f"{script.plain(name)}: {100 * one:.0f} ± {100 * error:.0f} %")
        a.errorbar(NORMAL, one, yerr=error, color=colour, marker="o", ms=4, capsize=2)
        if i > 0 or len(set(f.group)) == 1:
            c.plot(100 * f.error[which], 100 * f.off[which], "o", ms=3.5, color=colour,
                   mec="none", alpha=0.7)
    a.axvline(NORMAL, color="0.6", lw=0.8, ls=":")
    a.set(xlim=(0, 1), ylim=(0, 1), xlabel="interval is to hold with probability",
          ylabel="share that held")
    a.legend(title="within one error (68 % is right)", fontsize=8, title_fontsize=8,
             frameon=False, loc="upper left")
    bins = np.linspace(-4, 4, 33)
    b.hist(np.clip(f.z, -3.99, 3.99), bins, density=True, color="0.75")
    x = np.linspace(-4, 4, 200)
    b.plot(x, np.exp(-x * x / 2) / math.sqrt(2 * math.pi), color="k", lw=1.2)
    b.set(xlim=(-4, 4), yticks=[], xlabel="(measured − forecast) / error",
          title="earlier than forecast  |  later")
    b.title.set_fontsize(9)
    end = 105 * f.error.max()
    c.fill_between((0, end), (0, -end), (0, end), color="0.93", lw=0)
    c.axhline(0, color="0.6", lw=0.8)
    c.set(xlim=(0, end), xlabel="error told, % of the time measured",
          ylabel="measured − forecast, %")
    for axis in (a, b, c):
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
    fig.suptitle(f"{len(f.z)} forecasts of {len(np.unique(f.run))} runs", fontsize=10,
                 x=0.01, ha="left")
    return fig


def inverse_erf(p):
    """x with erf(x) = p, by bisection."""
    low, high = 0.0, 6.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if math.erf(middle) < p else (low, middle)
    return low


def main():
    o = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    o.add_argument("folders", metavar="SWEEPDIR", nargs="+")
    o.add_argument("-o", "--output", help="path without ending (SWEEPDIR/calibration)")
    o.add_argument("--format", default="png,svg,pdf")
    o.add_argument("--by", metavar="KEY", help="axis whose values make the groups")
    o = o.parse_args()
    f = Forecasts(o.folders, o.by)
    report(f)
    script.save(draw(f), o.output or os.path.join(o.folders[0], "calibration"), o.format)


if __name__ == "__main__":
    script.main(main)
