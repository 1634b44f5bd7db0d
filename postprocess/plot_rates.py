#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Predicted and measured growth rates of the modes at a small start, run beside run.

    plot_rates.py OUTDIR... [-o FILE] [--format png,svg,pdf]

Reads /rates of trajectory.h5 as `eigenstep linear` with VICReg or SimCLR writes it:

    for loss in vicreg simclr; do
      eigenstep linear inputs/linear-deadleaves/run.ini loss.name=$loss \\
        output.dir=rates-$loss
    done
    postprocess/plot_rates.py rates-vicreg rates-simclr

Prints the table; writes rates.{png,svg,pdf} into the first OUTDIR. Top: the predicted
rate of each mode (line and open circles), that of R_jj squared, W V = Q R (dots), and
that of the eigenvalues of the embedding covariance (crosses). Bottom: relative errors.
R_jj grows at its rate from the first step on, an eigenvalue only once the directions have
separated, which in the short stay of the default linear.alpha the leading ones do. A much
smaller one does not help: the first mode outgrows the others until round-off of it is all
that is left of them, in both measures.
"""
import argparse
import os
import sys

import packages  # first: it names what is missing
import h5py
import matplotlib
import matplotlib.ticker
import matplotlib.pyplot as plt
import numpy as np

import eigenstep
from script import plain, save

COLUMNS = ["mode", "predicted", "amplitude", "eigenvalue"]
MEASURED = [("amplitude", "o", "C0", r"measured: $R_{jj}^2$"),
            ("eigenvalue", "x", "C3", "measured: eigenvalues")]


def power(text):
    mantissa, exponent = f"{float(text):.3e}".split("e")
    factor = "" if float(mantissa) == 1 else rf"{float(mantissa):g} \times "
    return f"${factor}10^{{{int(exponent)}}}$"


def read(outdir):
    path = os.path.join(outdir, "trajectory.h5")
    try:
        with h5py.File(path, "r") as f:
            run = {c: f["/rates"][c][:] for c in COLUMNS}
            at = f["/parameters"].attrs
            values = [at[k] for k in ("loss.name", "data.name", "linear.alpha")]
    except (OSError, KeyError) as e:
        sys.exit(f"plot_rates.py: no growth rates in '{path}': "
                 + eigenstep.reason(path, e))
    if len(run["mode"]) == 0:
        sys.exit(f"plot_rates.py: /rates in {path} has no modes")
    loss, data, alpha = (v.decode() if isinstance(v, bytes) else str(v) for v in values)
    run["title"] = (plain(f"{eigenstep.TITLES.get(loss, loss)}, {data}, ")
                    + rf"$\alpha$ = {power(alpha)}")
    with np.errstate(divide="ignore", invalid="ignore"):
        for name, *_ in MEASURED:
            run[f"{name} error"] = run[name] / run["predicted"] - 1
    return run


def table(outdir, run):
    print(f"\n{outdir}\n{'mode':>5} {'predicted':>13} {'of R_jj':>13} {'error':>10}"
          f" {'eigenvalue':>13} {'error':>10}")
    for j in range(len(run["mode"])):
        print(f"{run['mode'][j]:5.0f} {run['predicted'][j]:13.6g}", end="")
        for name, *_ in MEASURED:
            print(f" {run[name][j]:13.6g} {run[f'{name} error'][j]:10.1e}", end="")
        print()


def panel(top, low, run):
    mode, predicted = run["mode"], run["predicted"]
    top.plot(mode, predicted, "-o", color="k", lw=0.9, ms=9, mfc="none", mew=0.9,
             label="predicted")
    for name, mark, color, label in MEASURED:
        y, error = run[name], abs(run[f"{name} error"])
        top.plot(mode, y, mark, color=color, ms=4.5, label=label)
        shown = np.isfinite(error) & (error > 0)
        low.plot(mode[shown], error[shown], mark, color=color, ms=4.5)
    drawn = np.concatenate([run[c] for c in COLUMNS])
    if (drawn[np.isfinite(drawn)] > 0).all():
        top.set_yscale("log")
        top.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
        low_end, high_end = top.get_ylim()
        top.set_ylim(min(low_end, 10 ** np.floor(np.log10(low_end) + 0.15)), high_end)
    low.set_yscale("log")
    top.set_title(run["title"], fontsize=10, loc="left")
    low.set_xlabel("mode")
    step = -(-len(mode) // 12)
    low.set_xticks(mode[::step])
    low.set_xlim(mode[0] - 0.6, mode[-1] + 0.6)
    low.grid(axis="y", color="0.9", lw=0.6)
    low.set_axisbelow(True)
    for a in (top, low):
        a.spines[["top", "right"]].set_visible(False)
        a.tick_params(labelsize=8)


def draw(runs):
    n = len(runs)
    fig, axes = plt.subplots(2, n, figsize=(max(4.4, 0.8 + 3.4 * n), 4.8), sharex="col",
                             squeeze=False,
                             gridspec_kw={"height_ratios": [3, 2], "hspace": 0.1,
                                          "wspace": 0.24})
    for k, run in enumerate(runs):
        panel(axes[0, k], axes[1, k], run)
    ends = np.array([a.get_ylim() for a in axes[1]])
    for a in axes[1]:
        a.set_ylim(ends[:, 0].min(), ends[:, 1].max())
    axes[0, 0].set_ylabel("growth rate of the variance")
    axes[1, 0].set_ylabel("relative error")
    axes[0, 0].legend(fontsize=8, frameon=False)
    fig.align_ylabels(axes[:, 0])
    return fig


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("outdir", nargs="+")
    p.add_argument("-o", "--output",
                   help="path without ending (default: rates in the first OUTDIR)")
    p.add_argument("--format", default="png,svg,pdf")
    a = p.parse_args()
    runs = [read(d) for d in a.outdir]
    for outdir, run in zip(a.outdir, runs):
        table(outdir, run)
    fig = draw(runs)
    base = a.output or os.path.join(a.outdir[0], "rates")
    save(fig, base, a.format)


if __name__ == "__main__":
    main()
