#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Figures of `eigenstep compare`: how alike embeddings are, each source with each.

    plot_compare.py FOLDER|FILE.h5 [-k K] [-o FILE] [--format png,svg,pdf]

Reads FOLDER/compare.h5; writes compare.{png,svg,pdf} beside it. Matrices over sources:
the share of the first K modes of one in the first K of the other (K: all compared,
unless given), linear CKA without bias, mutual nearest neighbours; the share over k of
every source in the last one, with errors and the chance level. Lines between sources of
different runs; of a run with many steps the first and last are named.

Where a run has two steps or more (`eigenstep compare A@all B@all`) also compare-steps:
for each two such runs, which step of one is like which of the other (the share of the
first K modes; dots: for each step of the row's run the most alike of the other), and of
each the modes k = 1 .. K of its last step, a fixed basis, in the first k at each step.
"""
import argparse
import os

import packages  # first: it names what is missing
import h5py
import matplotlib.pyplot as plt
import numpy as np

from eigenstep import reason
from script import COLOURS, give_up, plain, save

SEVERAL = 2  # steps of a run that make a time axis
MANY = 3  # of which not every one is named


def read(path):
    try:
        with h5py.File(path) as f:
            data = {k: f[k][:] for k in ("subspace", "error", "chance", "cka_unbiased",
                                         "mutual_knn")}
            data["names"] = f["runs"][()].decode().split("\n")
            data["points"] = len(f["points"])
    except (OSError, KeyError) as e:
        give_up(f"cannot read '{path}', which eigenstep compare writes: "
                + reason(path, e))
    return data


def short(names):
    """Names without what all of them begin with."""
    common = os.path.commonprefix(names)
    cut = common.rfind("/") + 1
    return [plain(n[cut:]) for n in names]


def runs_of(names):
    """[(run, [index of each of its steps], [steps])]: neighbours of one run together;
    what is no step of a run stands alone."""
    blocks = []
    for i, name in enumerate(names):
        run, _, step = name.rpartition("@")
        if not step.isdigit():
            blocks.append((name, [i], []))
        elif blocks and blocks[-1][0] == run and blocks[-1][2]:
            blocks[-1][1].append(i)
            blocks[-1][2].append(int(step))
        else:
            blocks.append((run, [i], [int(step)]))
    return blocks


def name_blocks(ax, blocks, names):
    """Ticks: every source, or of a run with many steps its name at the middle and the
    first and last step; lines between runs."""
    ticks, labels = [], []
    for run, at, steps in blocks:
        few = len(at) < MANY
        middle = at[len(at) // 2]
        ticks += at if few else [at[0], middle, at[-1]]
        labels += [names[i] for i in at] if few else [f"{steps[0]}", run, f"{steps[-1]}"]
        if at[0] > 0 and max(len(b[1]) for b in blocks) >= 2:
            ax.axhline(at[0] - 0.5, color="white", lw=1.2)
            ax.axvline(at[0] - 0.5, color="white", lw=1.2)
    ax.set_xticks(ticks, labels, rotation=30, fontsize=8, ha="right",
                  rotation_mode="anchor")
    ax.set_yticks(ticks, labels, fontsize=8)


def matrix(ax, values, names, blocks, title):
    image = ax.imshow(values, vmin=0, vmax=1, cmap="viridis")
    name_blocks(ax, blocks, names)
    if len(names) <= 12:
        for (i, j), v in np.ndenumerate(values):
            ax.text(j, i, f"{v:.2f}", ha="center", va="center", fontsize=6,
                    color="white" if v < 0.6 else "black")
    ax.set_title(title, fontsize=9)
    return image


def add_bar(fig, image, ax, size):
    bar = fig.colorbar(image, ax=ax, fraction=0.05)
    bar.ax.tick_params(labelsize=size)
    bar.outline.set_visible(False)


def draw_matrices(data, k):
    names, most = short(data["names"]), len(data["chance"])
    blocks = runs_of(names)
    side = min(4.5, 2.8 + 0.2 * len(names))
    fig, ax = plt.subplots(2, 2, figsize=(2 * side + 1, 2 * side), layout="constrained")
    matrix(ax[0, 0], data["subspace"][:, :, k - 1], names, blocks,
           f"{k} modes of the row in {k} of the column\n(share; chance "
           f"{data['chance'][k - 1]:.3f})")
    matrix(ax[0, 1], data["cka_unbiased"], names, blocks, "linear CKA, unbiased")
    image = matrix(ax[1, 0], data["mutual_knn"], names, blocks,
                   "mutual nearest neighbours")
    add_bar(fig, image, ax[0, 1], 8)
    x = np.arange(1, most + 1)
    shown = [at[-1] for _, at, _ in blocks][:-1]  # of a run its last step
    if len(blocks) == 1:
        shown = blocks[0][1][:-1]
    for i, source in enumerate(shown[-len(COLOURS):]):
        ax[1, 1].errorbar(x, data["subspace"][source, -1], data["error"][source, -1],
                          capsize=2, color=COLOURS[i], label=names[source])
    ax[1, 1].plot(x, data["chance"], color="grey", ls="--", label="chance")
    ax[1, 1].set_ylim(0, 1.02)
    ax[1, 1].set_xlabel("k", fontsize=9)
    ax[1, 1].set_title(f"share of k modes in those of\n{names[-1]}, {data['points']} "
                       "points", fontsize=9)
    ax[1, 1].tick_params(labelsize=8)
    ax[1, 1].spines[["top", "right"]].set_visible(False)
    ax[1, 1].legend(fontsize=7, frameon=False)
    return fig


def draw_pair(ax, share, row, column):
    """Steps of one run against those of another."""
    image = ax.pcolormesh(np.arange(len(column[2]) + 1), np.arange(len(row[2]) + 1),
                          share[np.ix_(row[1], column[1])], vmin=0, vmax=1,
                          cmap="viridis")
    best = np.argmax(share[np.ix_(row[1], column[1])], axis=1)
    ax.plot(best + 0.5, np.arange(len(row[2])) + 0.5, "o", ms=4, mfc="white", mec="k",
            mew=0.6)
    for axis, steps in ((ax.xaxis, column[2]), (ax.yaxis, row[2])):
        every = -(-len(steps) // 10)
        axis.set_ticks(np.arange(len(steps))[::every] + 0.5, steps[::every])
    ax.set_xlabel(f"step of {column[0]}", fontsize=8)
    ax.set_ylabel(f"step of {row[0]}", fontsize=8)
    return image


def draw_final(ax, data, run, most):
    """Its last step's first k modes in those of every step, for k up to `most`."""
    colors = plt.cm.viridis(np.linspace(0, 0.92, most))
    for k in range(1, most + 1):
        ax.plot(run[2], data["subspace"][run[1], run[1][-1], k - 1], color=colors[k - 1],
                marker=".", lw=1.2, label=f"{k}")
    ax.plot(run[2], np.full(len(run[2]), data["chance"][most - 1]), color="grey", ls="--",
            lw=1, label=f"chance, {most}")
    ax.set_ylim(0, 1.02)
    ax.set_xlabel(f"step of {run[0]}", fontsize=8)
    ax.set_ylabel(f"share of k modes in those of step {run[2][-1]}", fontsize=8)
    ax.legend(title="k", fontsize=7, title_fontsize=8, frameon=False)
    ax.spines[["top", "right"]].set_visible(False)


def draw_steps(data, k):
    """None where no run has several steps."""
    timed = [b for b in runs_of(short(data["names"])) if len(b[2]) >= SEVERAL][:4]
    if not timed:
        return None
    pairs = [(a, b) for i, a in enumerate(timed) for b in timed[i + 1:]]
    count = len(pairs) + len(timed)
    columns = min(count, 3)
    fig, axes = plt.subplots(-(-count // columns), columns, squeeze=False,
                             figsize=(4.4 * columns, 3.8 * -(-count // columns)),
                             layout="constrained")
    for a in axes.flat[count:]:
        a.set_axis_off()
    for a, (row, column) in zip(axes.flat, pairs):
        image = draw_pair(a, data["subspace"][:, :, k - 1], row, column)
        a.set_title(f"share of {k} modes; dots: the most alike step", fontsize=9)
        add_bar(fig, image, a, 7)
    for a, run in zip(axes.flat[len(pairs):], timed):
        draw_final(a, data, run, min(k, 5))
        a.set_title("modes of the end, as they were before", fontsize=9)
    for a in axes.flat:
        a.tick_params(labelsize=7)
    return fig


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("-k", type=int)
    parser.add_argument("-o", "--output")
    parser.add_argument("--format", default="png,svg,pdf")
    a = parser.parse_args()
    path = a.folder if os.path.isfile(a.folder) else os.path.join(a.folder, "compare.h5")
    data = read(path)
    k = a.k or len(data["chance"])
    if not 1 <= k <= len(data["chance"]):
        give_up(f"got -k {k}, expected 1 to {len(data['chance'])}")
    base = a.output or os.path.join(os.path.dirname(path), "compare")
    save(draw_matrices(data, k), base, a.format)
    steps = draw_steps(data, k)
    if steps is not None:
        stem, ending = os.path.splitext(base)
        save(steps, f"{stem}-steps{ending}", a.format)


if __name__ == "__main__":
    main()
