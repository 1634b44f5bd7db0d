#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Figure of `eigenstep modes`: what each mode of a run is about.

    plot_modes.py OUTDIR|FILE.h5 [--modes N] [-o FILE] [--format png,svg,pdf]

Reads OUTDIR/modes/modes.h5 (or OUTDIR/modes.h5, or the file); writes modes.{png,svg,pdf}
beside it. A row is a mode, in the order in which they were learned: when that was, the
images at both ends, R^2 of attributes and eta^2 of the class (framed: above the 99th
percentile of what chance gives), agreement of two views by the run's pipeline and by each
augmentation alone. Below: accuracy of a classifier by the first, the last and random k
modes, and by each mode alone.
"""
import argparse
import os

import packages  # first: it names what is missing
import h5py
import matplotlib.pyplot as plt
import numpy as np

import script
from eigenstep import Unreadable, reason
from script import COLOURS, plain

CAPTION = ("What each mode is about, from eigenstep modes: the images at both ends, the "
           "share of the mode that an attribute or the class explains (framed: above "
           "chance), how far two views agree, and what a classifier can tell.")
PICTURES = 5  # of each end


def find(path):
    """The file of a run's folder, or None."""
    for name in (path, f"{path}/modes/modes.h5", f"{path}/modes.h5"):
        if os.path.isfile(name):
            return name
    return None


def texts(item):
    return [t.decode() for t in item[:]]


def read(path):
    """What is drawn of a file; Unreadable where it is not whole."""
    try:
        return read_arrays(path)
    except (OSError, KeyError) as e:
        raise Unreadable(f"cannot read '{path}', which eigenstep modes writes: "
                         f"{reason(path, e)}") from e


def read_arrays(path):
    with h5py.File(path) as f:
        data = {"attribute": texts(f["attribute"]), "null": f["null"][:],
                "r2": f["/learned/r2"][:], "halves": f["/learned/reproducibility"][:],
                "step": f["/learned/step"][:],
                "augmentation": texts(f["/invariance/name"]),
                "invariance": f["/invariance/value"][:]}
        for end in ("top", "bottom"):
            name = f"/extremes/{end}_image"
            data[end] = f[name][:] if name in f else None
        if "probe_accuracy" in f:
            data["accuracy"] = {k: v[:] for k, v in f["probe_accuracy"].items()}
            data["chance"] = f["probe_accuracy"].attrs["chance"]
    defined = ~np.isnan(data["r2"]).all(axis=0)  # vectors have no hue
    data["attribute"] = [a for a, d in zip(data["attribute"], defined) if d]
    data["r2"], data["null"] = data["r2"][:, defined], data["null"][defined]
    return data


def strip(images):
    """Pictures side by side, on white."""
    n, h, w = images.shape[:3]
    sheet = np.full((h, n * (w + 1) - 1, 3), 255, np.uint8)
    for i in range(n):
        sheet[:, i * (w + 1):i * (w + 1) + w] = images[i]
    return sheet


def draw_pictures(fig, place, data, rows):
    grid = place.subgridspec(rows, 1, hspace=0.12)
    for k in range(rows):
        ax = fig.add_subplot(grid[k])
        ax.set_xticks([])
        ax.set_yticks([])
        ax.spines[:].set_visible(False)
        if data["top"] is not None:
            height, width = data["top"].shape[2:4]
            gap = np.full((height, max(2, width // 3), 3), 255, np.uint8)
            ax.imshow(np.hstack([strip(data["bottom"][k][:PICTURES][::-1]), gap,
                                 strip(data["top"][k][:PICTURES])]))
        learned = f"step {data['step'][k]:.0f}" if np.isfinite(data["step"][k]) \
            else "not learned"
        ax.set_ylabel(f"mode {k + 1}, {learned}\nhalves agree {data['halves'][k]:.2f}",
                      rotation=0, ha="right", va="center", fontsize=8, labelpad=6)
        if k == 0 and data["top"] is not None:
            ax.set_title("lowest          highest", fontsize=9)


def draw_table(ax, value, names, title, frame=None, cmap="Blues", low=0):
    if value.shape[1] == 0:
        ax.set_axis_off()
        return
    ax.imshow(np.nan_to_num(value), vmin=low, vmax=1, cmap=cmap, aspect="auto")
    for k, i in np.ndindex(value.shape):
        if np.isnan(value[k, i]):
            ax.text(i, k, "–", ha="center", va="center", fontsize=7, color="grey")
            continue
        dark = abs(value[k, i]) > 0.6
        ax.text(i, k, f"{value[k, i]:.2f}", ha="center", va="center", fontsize=7,
                color="white" if dark else "black")
        if frame is not None and frame[k, i]:
            ax.add_patch(plt.Rectangle((i - 0.46, k - 0.46), 0.92, 0.92, fill=False,
                                       edgecolor=COLOURS[3], linewidth=1.5))
    ax.set_xticks(range(len(names)), [plain(n) for n in names], rotation=40, ha="right",
                  fontsize=8)
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    ax.set_title(title, fontsize=9)


def draw_accuracy(ax, data):
    k = np.arange(1, len(data["accuracy"]["first"]) + 1)
    for i, (name, label) in enumerate((("first", "first k modes"), ("last", "last k"),
                                       ("random", "k at random"))):
        ax.plot(k, data["accuracy"][name], "o-", ms=3, color=COLOURS[i], label=label)
    ax.bar(k, data["accuracy"]["alone"], 0.6, color="#cccccc", label="mode k alone")
    ax.axhline(data["chance"], color="grey", linewidth=0.8, label="chance")
    ax.set_xlabel("k")
    ax.set_ylabel("accuracy")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize=7, ncols=5, frameon=False, loc="lower center",
              bbox_to_anchor=(0.5, 1))


def draw(path, most=10):
    """The figure of a file of eigenstep modes; most = 0: all of them."""
    data = read(path)
    rows, across = len(data["r2"]), len(data["augmentation"])
    rows = min(most or rows, rows)
    useful = "accuracy" in data
    height = 0.62 * rows + 0.8
    pictures = 5 if data["top"] is not None else 0.01  # of vectors the names alone
    attributes, views = (max(0.55 * n, 1.3) if n > 0 else 0.01
                         for n in (len(data["attribute"]), across))
    width = 2.6 + 0.9 * (pictures + attributes + views)
    fig = plt.figure(figsize=(width, height + (2.4 if useful else 0.4)))
    outer = fig.add_gridspec(2 if useful else 1, 1, hspace=2.4 / (height + 2),
                             height_ratios=[height, 1.8] if useful else [1])
    top = outer[0].subgridspec(1, 3, wspace=0.1, width_ratios=[
        pictures, attributes, views])
    draw_pictures(fig, top[0], data, rows)
    draw_table(fig.add_subplot(top[1]), data["r2"][:rows], data["attribute"],
               "$R^2$ of attributes\nframed: above chance",
               frame=data["r2"][:rows] > data["null"])
    draw_table(fig.add_subplot(top[2]), data["invariance"][:rows], data["augmentation"],
               "agreement of views", cmap="Greens")
    if useful:
        draw_accuracy(fig.add_subplot(outer[1]), data)
    fig.text(0.02, -0.3 / height, "halves agree: |cosine| of the mode from either half "
             "of the pairs", fontsize=8, color="0.35", va="top")
    return fig


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--modes", type=int, default=10, help="at most (10); 0: all")
    parser.add_argument("-o", "--output")
    parser.add_argument("--format", default="png,svg,pdf")
    a = parser.parse_args()
    if a.modes < 0:
        script.give_up(f"--modes: got {a.modes}, expected 0 (all) or more")
    path = find(a.run)
    if path is None:
        script.give_up(f"got '{a.run}' without a modes.h5, expected the folder of a run "
                       "after eigenstep modes")
    script.save(draw(path, a.modes),
                a.output or os.path.join(os.path.dirname(path), "modes"), a.format)


if __name__ == "__main__":
    script.main(main)
