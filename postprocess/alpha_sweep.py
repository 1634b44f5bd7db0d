#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Error of the predicted step times against the size alpha of the start.

    alpha_sweep.py OUTDIR... [-o FILE] [--format png,svg,pdf]

Reads trajectory.h5 of several `eigenstep linear` runs that differ in linear.alpha only:

    for alpha in 1e-2 1e-3 1e-4 1e-5 1e-6 1e-7; do
      eigenstep linear inputs/linear-deadleaves/run.ini linear.alpha=$alpha \\
        linear.method=flow linear.tol=1e-12 linear.rows=200 \\
        output.dir=alpha-$alpha
    done
    postprocess/alpha_sweep.py alpha-*

Writes alpha-sweep.{png,svg,pdf}. In gradient flow the part of a mode k that leaks into
the direction of an earlier mode j falls as alpha^(2 - 2 gamma_k / gamma_j), and moves the
step times of both; so the error of a mode falls with the smaller of the exponents that it
has with its two neighbours, over its step time tau (dashed, through the smallest start).
With gradient descent the error ends at the length of a step.
"""
import argparse
import os
import sys

import packages  # first: it names what is missing
import h5py
import matplotlib.pyplot as plt
import numpy as np

import eigenstep
from script import save


def read(outdir):
    path = os.path.join(outdir, "trajectory.h5")
    try:
        with h5py.File(path, "r") as f:
            alpha = f["/parameters"].attrs["linear.alpha"]
            steps = f["/steps"]
            order = np.argsort(-steps["gamma"][:], kind="stable")
            error = abs(steps["relative_error"][:])[order]
            tau = steps["time_predicted"][:][order]
            return float(alpha), steps["gamma"][:][order], error, tau
    except (OSError, KeyError) as e:
        sys.exit(f"alpha_sweep.py: no linear run in '{path}': "
                 + eigenstep.reason(path, e))


def draw(runs):
    alpha = np.array([r[0] for r in runs])
    gamma, error = runs[0][1], np.array([r[2] for r in runs])
    if any(len(r[1]) != len(gamma) or not np.allclose(r[1], gamma) for r in runs):
        sys.exit("alpha_sweep.py: these runs have different data (eigenvalues gamma)")
    exponent = 2 - 2 * gamma[1:] / gamma[:-1]
    exponent[gamma[1:] <= 0] = 0
    exponent[1:] = np.minimum(exponent[1:], exponent[:-1])
    # The last mode has no next gamma in the file; the best separated ones show most.
    shown = sorted(j for j in np.argsort(-exponent)[:5] if exponent[j] > 0)
    fig, a = plt.subplots(figsize=(5.6, 4.2))
    for n, j in enumerate(shown):
        color = plt.cm.viridis(0.9 * n / max(len(shown) - 1, 1))
        y, tau = error[:, j], np.array([r[3][j] for r in runs])
        a.plot(alpha, y, "o", color=color, ms=4.5,
               label=rf"mode {j + 1}: exponent {exponent[j]:.2f}")
        fit = np.flatnonzero(np.isfinite(y) & (y > 0))
        if len(fit):
            k = fit[0]
            a.plot(alpha, y[k] * (alpha / alpha[k]) ** exponent[j] * tau[k] / tau,
                   color=color, lw=1, ls=(0, (4, 3)), zorder=0)
    a.set_xscale("log")
    a.set_yscale("log")
    positive = error[:, shown][error[:, shown] > 0]
    if len(positive):
        a.set_ylim(0.3 * max(positive.min(), 1e-16), 3 * positive.max())
    a.set_xlabel(r"size of the start $\alpha$")
    a.set_ylabel(r"$|\,$measured / predicted step time $-\,1\,|$")
    a.set_title("measured (dots), predicted exponent (dashed)", fontsize=10, loc="left")
    a.legend(fontsize=8, frameon=False)
    a.spines[["top", "right"]].set_visible(False)
    a.tick_params(labelsize=8)
    return fig


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("outdir", nargs="+")
    p.add_argument("-o", "--output", default="alpha-sweep", help="path without ending")
    p.add_argument("--format", default="png,svg,pdf")
    a = p.parse_args()
    if len(a.outdir) < 2:
        sys.exit("alpha_sweep.py: got one run, expected several with different alpha")
    fig = draw(sorted((read(d) for d in a.outdir), key=lambda r: r[0]))
    save(fig, a.output, a.format)


if __name__ == "__main__":
    main()
