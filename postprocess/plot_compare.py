#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Figure of `eigenstep compare`: how alike embeddings are, each source with each.

    plot_compare.py FOLDER|FILE.h5 [-k K] [-o FILE] [--format png,svg,pdf]

Reads FOLDER/compare.h5; writes compare.{png,svg,pdf} beside it. Matrices over sources:
the share of the first K modes of one in the first K of the other (K: all compared,
unless given), linear CKA without bias, mutual nearest neighbours; the share over k of
every source in the last one, with errors and the chance level.
"""
import argparse
import os

import packages  # first: it names what is missing
import h5py
import matplotlib.pyplot as plt
import numpy as np

from script import COLOURS, give_up, plain, save


def read(path):
    try:
        with h5py.File(path) as f:
            data = {k: f[k][:] for k in ("subspace", "error", "chance", "cka_unbiased",
                                         "mutual_knn")}
            data["names"] = f["runs"][()].decode().split("\n")
            data["points"] = len(f["points"])
    except (OSError, KeyError) as e:
        give_up(f"cannot read '{path}': {e}")
    return data


def short(names):
    """Names without what all of them begin with."""
    common = os.path.commonprefix(names)
    cut = common.rfind("/") + 1
    return [plain(n[cut:]) for n in names]


def matrix(ax, values, names, title):
    image = ax.imshow(values, vmin=0, vmax=1, cmap="viridis")
    ax.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
    ax.set_yticks(range(len(names)), names, fontsize=7)
    if len(names) <= 12:
        for (i, j), v in np.ndenumerate(values):
            ax.text(j, i, f"{v:.2f}", ha="center", va="center", fontsize=6,
                    color="white" if v < 0.6 else "black")
    ax.set_title(title, fontsize=9)
    return image


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("-k", type=int)
    parser.add_argument("-o", "--output")
    parser.add_argument("--format", default="png")
    a = parser.parse_args()
    path = a.folder if os.path.isfile(a.folder) else os.path.join(a.folder, "compare.h5")
    data = read(path)
    names, most = short(data["names"]), len(data["chance"])
    k = a.k or most
    if not 1 <= k <= most:
        give_up(f"got -k {k}, expected 1 to {most}")
    fig, ax = plt.subplots(2, 2, figsize=(10, 9), layout="constrained")
    matrix(ax[0, 0], data["subspace"][:, :, k - 1], names,
           f"share of {k} modes of the row in {k} of the column (chance "
           f"{data['chance'][k - 1]:.3f})")
    matrix(ax[0, 1], data["cka_unbiased"], names, "linear CKA, unbiased")
    image = matrix(ax[1, 0], data["mutual_knn"], names, "mutual nearest neighbours")
    fig.colorbar(image, ax=ax[1, 0])
    x = np.arange(1, most + 1)
    for i, name in enumerate(names[:-1][:8]):
        ax[1, 1].errorbar(x, data["subspace"][i, -1], data["error"][i, -1], capsize=2,
                          color=COLOURS[i], label=name)
    ax[1, 1].plot(x, data["chance"], color="grey", label="chance")
    ax[1, 1].set_ylim(0, 1.02)
    ax[1, 1].set_xlabel("k")
    title = f"share of k modes in those of {names[-1]}, {data['points']} points"
    ax[1, 1].set_title(title, fontsize=9)
    ax[1, 1].legend(fontsize=7)
    save(fig, a.output or os.path.join(os.path.dirname(path), "compare"), a.format)


if __name__ == "__main__":
    main()
