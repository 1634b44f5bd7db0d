#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Figure of a run with an exact prediction: simulation as lines, theory dashed.

    plot_theory.py OUTDIR [-o FILE] [--format png,svg,pdf] [--scale auto|log|linear]

Reads OUTDIR/trajectory.h5 as `eigenstep linear` and `eigenstep kernel` write it; writes
OUTDIR/theory.{png,svg,pdf}. Top: the loss, with dashed verticals at the predicted step
times, numbered by mode. Bottom: the eigenvalues of C, each with its predicted curve
dashed on top.
"""
import argparse
import os
import sys

import packages  # first: it names what is missing
import h5py
import matplotlib.pyplot as plt
import numpy as np

import eigenstep
from script import plain, save

COLOUR_END = 0.85  # of viridis: its last colours are pale


def parameter(f, key, default=""):
    value = f["/parameters"].attrs.get(key, default) if "/parameters" in f else default
    return value.decode() if isinstance(value, bytes) else str(value)


def title(f):
    train = f.get("/embeddings/train")
    section = "kernel" if train and "rkhs_norm" in train.attrs else "linear"
    model = {"jepa": "linear JEPA", "mae": "linear MAE"}.get(
        parameter(f, "linear.model"), "linear model")
    if section == "kernel":
        model = f"kernel {parameter(f, 'kernel.name')}"
    count, dim = parameter(f, f"{section}.sample"), parameter(f, f"{section}.dim")
    alpha, center = parameter(f, f"{section}.alpha"), parameter(f, f"{section}.center")
    text = f"{model}, {parameter(f, 'data.name')}, {count} pairs, d = {dim}"
    if alpha:
        text += f", \u03b1 = {float(alpha):g}"
    return text + (", centred" if center == "true" else "")


def read(f):
    if "gradient" in f:
        sys.exit("plot_theory.py: got a trained network, expected a linear model or a "
                 "kernel machine: plot_run.py draws it, with its prediction")
    try:
        theory, measured = f["/theory"], f["/spectrum"][next(iter(f["/spectrum"]))]
        solved = "loss" in theory  # else each mode alone, without a loss
        run = {"t": measured["time"][:], "values": measured["eigenvalues"][:],
               "loss_t": f["/loss/time"][:], "loss": f["/loss/value"][:],
               "theory_t": theory["time"][:], "theory": theory["eigenvalues"][:],
               "theory_loss": theory["loss"][:] if solved else None,
               "tau": theory["tau"][:] if solved else f["/steps/time_predicted"][:]}
    except KeyError as e:
        sys.exit(f"plot_theory.py: this trajectory has no prediction ({e})")
    if len(run["t"]) < 2:
        sys.exit("plot_theory.py: the trajectory has fewer than two moments")
    run["tau"] = np.sort(run["tau"][np.isfinite(run["tau"]) & (run["tau"] > 0)])
    return run


def choose_scale(run, wanted):
    if wanted != "auto" or len(run["tau"]) == 0:
        return "linear" if wanted == "auto" else wanted
    return "log" if run["tau"][-1] > 20 * run["tau"][0] else "linear"


def draw(f, wanted):
    run = read(f)
    d = run["values"].shape[1]
    scale = choose_scale(run, wanted)
    colors = plt.cm.viridis(np.linspace(0, COLOUR_END, d))
    fig, (top, low) = plt.subplots(2, 1, figsize=(6.4, 5.6), sharex=True,
                                   gridspec_kw={"hspace": 0.08})
    for k, tau in enumerate(run["tau"]):
        for a in (top, low):
            a.axvline(tau, color=colors[k], lw=0.8, ls=(0, (4, 3)), alpha=0.75, zorder=0)
        top.annotate(f"{k + 1}", (tau, 1), (0, 1 + 7 * (k % 2)), fontsize=7,
                     color=colors[k], ha="center", va="bottom", annotation_clip=True,
                     xycoords=("data", "axes fraction"), textcoords="offset points")
    top.plot(run["loss_t"], run["loss"], color="k", lw=1.6, label="simulation")
    solved = run["theory_loss"] is not None
    if solved:
        top.plot(run["theory_t"], run["theory_loss"], color="C3", lw=1.1, ls=(0, (3, 2)),
                 label="theory")
    top.set_ylabel(r"loss  $\Vert C-I\Vert_F^2$" if solved else "loss")
    if run["loss"][-1] > run["loss"][0]:
        top.text(1, 0.03, "rises as embeddings grow from 0: the target is held fixed,\n"
                 "so that descent is not of this number; its theory has no loss",
                 transform=top.transAxes, fontsize=7.5, color="0.35", ha="right",
                 bbox={"fc": "w", "ec": "none", "pad": 1})
    top.set_ylim(-0.03 * run["loss"].max(), 1.05 * run["loss"].max())
    if d <= 12 and solved:
        top.set_yticks(range(0, int(np.ceil(run["loss"].max())) + 1, 1 if d <= 6 else 2))
    for k in range(d):
        low.plot(run["t"], run["values"][:, k], color=colors[k], lw=2.2, alpha=0.55)
        low.plot(run["theory_t"], run["theory"][:, k], color="C3", lw=1,
                 ls=(0, (3, 2)))
    low.set_ylabel(r"eigenvalues $\lambda_k" + ("(C)$" if solved else "$"))
    low.set_xlabel(r"effective time  $t$ = learning rate $\times$ step")
    top.set_title(plain(title(f)), fontsize=10, loc="left", pad=20)
    verticals = plt.Line2D([], [], color="0.5", lw=0.8, ls=(0, (4, 3)),
                           label="predicted step of mode 1, 2, ...")
    theory = plt.Line2D([], [], color="C3", lw=1.1, ls=(0, (3, 2)), label="theory")
    simulation = plt.Line2D([], [], color="k", lw=1.6, label="simulation")
    low.legend(handles=[simulation, theory, verticals], fontsize=8, frameon=False,
               ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    end = run["t"][-1]
    if scale != "log" and len(run["tau"]):  # where it rests at the end is no news
        end = min(end, 1.5 * run["tau"][-1])
    if scale == "log":
        low.set_xscale("log")
        low.set_xlim(0.25 * run["tau"][0], end)
    else:
        low.set_xlim(0, end)
    for a in (top, low):
        a.spines[["top", "right"]].set_visible(False)
        a.tick_params(labelsize=8)
    return fig


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("outdir")
    p.add_argument("-o", "--output", help="path without ending (default OUTDIR/theory)")
    p.add_argument("--format", default="png,svg,pdf")
    p.add_argument("--scale", choices=["auto", "log", "linear"], default="auto",
                   help="time axis; auto: logarithmic if the steps span a factor of 20")
    a = p.parse_args()
    path = os.path.join(a.outdir, "trajectory.h5")
    try:
        f = h5py.File(path, "r")
    except OSError as e:
        sys.exit(f"plot_theory.py: cannot open '{path}': {eigenstep.reason(path, e)}")
    with f:
        fig = draw(f, a.scale)
    base = a.output or os.path.join(a.outdir, "theory")
    save(fig, base, a.format)


if __name__ == "__main__":
    main()
