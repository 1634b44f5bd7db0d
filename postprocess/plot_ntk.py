#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Figure of `eigenstep ntk`: what was learned against what the tangent kernel predicts.

    plot_ntk.py OUTDIR|FILE.h5 [-o FILE] [--format png,svg,pdf]

Reads OUTDIR/ntk/ntk.h5 (or OUTDIR/ntk.h5, or the file); writes ntk.{png,svg,pdf} beside
it. Top: |cosine| of each learned mode with each predicted one at the first and last
step (one picture, where they are the same); the share of the first k learned modes in
the first k and 3k predicted ones, with errors and the chance level. Bottom: growth
rates at the start and at the end, which groups of layers the kernel is made of, when
modes were learned and when two predictions say so.
"""
import argparse
import os

import packages  # first: it names what is missing
import h5py
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator

from eigenstep import reason
from script import COLOURS, give_up, plain, save


def find(path):
    for name in (path, f"{path}/ntk/ntk.h5", f"{path}/ntk.h5"):
        if os.path.isfile(name):
            return name
    give_up(f"got '{path}' without an ntk.h5, expected the folder of a run after "
            "eigenstep ntk")


def read(f):
    return {"step": f["/ntk/step"][:], "gamma": f["/ntk/gamma"][:],
            "alignment": {k: v[:] for k, v in f["/alignment"].items()},
            "further": {k: v[:] for k, v in f["/further"].items()}
            if "further" in f else None,
            "groups": f["/layers/group_share"].attrs["names"].split(),
            "share": f["/layers/group_share"][:], "change": f["/change/start"][:],
            "embedding": f["/change/embedding"][:],
            "steps": {k: v[:] for k, v in f["/steps"].items()} if "steps" in f else None}


def ends(data):
    """Rows of the first and the last step: one, where they are the same."""
    return sorted({0, len(data["step"]) - 1})


def log_scale(ax, which):
    """Logarithmic, with ticks between the powers of ten where the range is short."""
    ax.set(**{f"{which}scale": "log"})
    low, high = getattr(ax, f"get_{which}lim")()
    if high > 100 * low:
        return
    axis = getattr(ax, f"{which}axis")
    axis.set_major_locator(LogLocator(subs=range(1, 10) if high < 4 * low else (1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("")


def draw_modes(ax, data, row):
    image = ax.imshow(data["alignment"]["modes"][row], vmin=0, vmax=1, cmap="viridis",
                      extent=(0.5, data["gamma"].shape[1] + 0.5,
                              data["gamma"].shape[1] + 0.5, 0.5))
    ax.set_title(f"|cosine| of modes, step {data['step'][row]}")
    ax.set_xlabel("predicted mode")
    ax.set_ylabel("learned mode")
    return image


def draw_subspaces(ax, data):
    k = np.arange(1, data["gamma"].shape[1] + 1)
    for row, style in zip(ends(data)[::-1], "-:"):
        a = data["alignment"]
        label = f"step {data['step'][row]}"
        ax.errorbar(k, a["subspace"][row], a["error"][row], color=COLOURS[0],
                    linestyle=style, capsize=2, label=f"{label}: in the first k")
        ax.plot(k, a["in_triple"][row], color=COLOURS[2], linestyle=style,
                label=f"{label}: in the first 3k")
    if data["further"] is not None:
        a = data["further"]
        ax.errorbar(k, a["subspace"][-1], a["error"][-1], color=COLOURS[3], capsize=2,
                    label="further pairs, in the first k")
    ax.plot(k, data["alignment"]["chance"][-1], color="grey", label="chance")
    ax.set_ylim(0, 1.02)
    ax.set_xlabel("k")
    ax.set_title("share of the first k learned modes")
    ax.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncol=2,
              frameon=False)


def draw_rates(ax, data):
    k = np.arange(1, data["gamma"].shape[1] + 1)
    for i, row in enumerate(ends(data)):
        ax.plot(k, np.where(data["gamma"][row] > 0, data["gamma"][row], np.nan), "o-",
                color=COLOURS[i], label=f"step {data['step'][row]}")
    if data["steps"] is not None:
        ax.plot(data["steps"]["mode"], data["steps"]["gamma_measured"], "kx",
                label="measured")
    log_scale(ax, "y")
    ax.set_xlabel("mode")
    ax.set_title(r"growth rates $\gamma_j$")
    ax.legend(fontsize=7)


def draw_shares(ax, data):
    x = np.arange(len(data["groups"]))
    rows = ends(data)
    for i, row in enumerate(rows):
        bars = ax.bar(x + 0.4 * (i - (len(rows) - 1) / 2), 100 * data["share"][row], 0.4,
                      color=COLOURS[i], label=f"step {data['step'][row]}")
        ax.bar_label(bars, fmt="%.3g", fontsize=7, padding=1)
    ax.set_xticks(x, [plain(g) for g in data["groups"]], rotation=30)
    ax.set_ylim(0, 112)
    ax.set_yticks(range(0, 101, 20))
    ax.set_ylabel("% of the kernel's trace")
    ax.set_title("which layers make the kernel")
    if len(rows) > 1:
        ax.set_xlabel(f"cosine of the kernels of both steps: {data['change'][-1]:.3f}",
                      fontsize=9)
    ax.legend(fontsize=7, frameon=False, loc="upper left")


def draw_times(ax, data):
    s = data["steps"]
    known = s is not None and np.isfinite(s["time_measured"]) & (
        np.isfinite(s["time_features"]) | np.isfinite(s["time_kernel"]))
    if not np.any(known):
        ax.axis("off")
        ax.text(0.5, 0.5, "no times of modes beside each other\n(kernel of the start not "
                "computed,\nno mode learned, or its time not predicted)", ha="center",
                va="center")
        return
    ax.plot(s["time_measured"], s["time_kernel"], "s", color=COLOURS[1],
            label="kernel of the start")
    ax.plot(s["time_measured"], s["time_features"], "o", ms=9, mfc="none", mew=1.5,
            color=COLOURS[0], label="features of the start")
    both = s["time_measured"][known]
    ends = [np.min(both) / 1.5, np.max(both) * 1.5]
    ax.plot(ends, ends, color="grey", linewidth=0.8)
    log_scale(ax, "x")
    log_scale(ax, "y")
    ax.set_xlabel("measured time of a mode (learning rate x steps)")
    ax.set_ylabel("predicted")
    ax.set_title("when modes are learned")
    ax.legend(fontsize=7)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("-o", "--output")
    parser.add_argument("--format", default="png,svg,pdf")
    a = parser.parse_args()
    path = find(a.run)
    try:
        with h5py.File(path) as f:
            data = read(f)
    except (OSError, KeyError) as e:
        give_up(f"cannot read '{path}', which eigenstep ntk writes: {reason(path, e)}")
    if len(data["step"]) == 0:
        give_up(f"'{path}' holds no step yet")
    fig, ax = plt.subplots(2, 3, figsize=(12, 7), layout="constrained")
    for column, row in enumerate(ends(data)):
        image = draw_modes(ax[0, column], data, row)
    fig.colorbar(image, ax=ax[0, len(ends(data)) - 1])
    shares = ax[0, 2]
    if len(ends(data)) == 1:  # the place of the second picture, too
        ax[0, 1].remove()
        shares.remove()
        shares = fig.add_subplot(ax[0, 0].get_gridspec()[0, 1:])
    draw_subspaces(shares, data)
    draw_rates(ax[1, 0], data)
    draw_shares(ax[1, 1], data)
    draw_times(ax[1, 2], data)
    save(fig, a.output or os.path.join(os.path.dirname(path), "ntk"), a.format)


if __name__ == "__main__":
    main()
