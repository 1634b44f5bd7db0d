#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Figure of one run: loss and eigenvalues over effective time t = learning rate x step.

    plot_run.py OUTDIR [-o FILE] [--format png,svg,pdf]
                [--matrix cross_correlation|covariance] [--modes N]

Reads OUTDIR/trajectory.h5; writes OUTDIR/figure.{png,svg,pdf} unless told otherwise.
Panels, all over the same time axis: the loss (batches in grey, probe set in black), the
leading eigenvalues on a linear and on a logarithmic axis. Dashed lines mark where the
step detector saw an eigenvalue cross half of its final value; where the run has a
prediction (/theory) it is drawn dotted.
"""
import argparse
import os
import sys

import h5py
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np


def read(f, path):
    return np.asarray(f[path]) if path in f else None


def parameter(f, key, default=None):
    value = f["/parameters"].attrs.get(key, default) if "/parameters" in f else default
    return value.decode() if isinstance(value, bytes) else value


def choose_matrix(f, wanted):
    have = [m for m in ("cross_correlation", "covariance") if f"/spectrum/{m}" in f]
    if not have:
        sys.exit("plot_run.py: the trajectory holds no spectrum")
    if wanted and wanted not in have:
        sys.exit(f"plot_run.py: no /spectrum/{wanted} here, only {', '.join(have)}")
    return wanted or have[0]


def mark_steps(axes, f, last):
    """Dashed verticals at the detected steps; returns their number."""
    times = read(f, "/steps/time_measured")
    if times is None:
        return 0
    times = times[np.isfinite(times) & (times > 0) & (times <= last)]
    for t in times:
        for a in axes:
            a.axvline(t, color="0.75", lw=0.7, ls=(0, (4, 3)), zorder=0)
    return len(times)


def mark_plateaus(a, f):
    """Light lines at d - k, where the unnormalised Barlow Twins loss rests (w = 1)."""
    values = f.get("/spectrum/cross_correlation/eigenvalues")
    is_theory = (parameter(f, "loss.name") == "barlow"
                 and parameter(f, "loss.barlow.normalize") == "none"
                 and float(parameter(f, "loss.barlow.offdiag", 0)) == 1)
    if values is None or not is_theory:
        return
    low, high = a.get_ylim()
    for level in range(values.shape[1] + 1):
        if low < level < high:
            a.axhline(level, color="0.88", lw=0.7, zorder=0)


def draw_loss(a, f):
    t, loss = read(f, "/loss/time"), read(f, "/loss/value")
    if loss is not None and len(loss):
        a.plot(t, loss, color="0.72", lw=0.8, label="batch")
    tp, probe = read(f, "/probe_loss/time"), read(f, "/probe_loss/value")
    if probe is not None and len(probe):
        a.plot(tp, probe, color="k", lw=1.4, marker=".", ms=3, label="probe set")
    if "/theory/loss" in f:
        a.plot(read(f, "/theory/time"), read(f, "/theory/loss"), color="C3", lw=1, ls=":",
               label="theory")
    a.set_ylabel("loss")
    seen = [x for x in (loss, probe) if x is not None and len(x)]
    seen = np.concatenate(seen or [[0, 1]])
    seen = seen[np.isfinite(seen)]
    low, high = (seen.min(), np.percentile(seen, 99.5)) if seen.size else (0, 1)
    room = 0.06 * (high - low) or 0.5
    a.set_ylim(max(0, low - room) if low >= 0 else low - room, high + 2 * room)
    mark_plateaus(a, f)
    a.legend(frameon=False, fontsize=8, loc="upper right")


def draw_eigenvalues(a, t, values, colors, log):
    floor = None
    if log:
        positive = values[values > 0]
        floor = max(positive.min(), values.max() * 1e-7) if positive.size else 1e-9
    for k in range(values.shape[1] - 1, -1, -1):
        y = np.where(values[:, k] > 0, values[:, k], np.nan) if log else values[:, k]
        a.plot(t, y, color=colors[k], lw=1.3, label=f"{k + 1}")
    if log:
        a.set_yscale("log")
        a.set_ylim(floor * 0.7, values.max() * 1.8)
    else:
        a.set_ylim(min(0, values.min()) - 0.02, max(1.05, values.max() * 1.05))
        a.axhline(1, color="0.85", lw=0.8, zorder=0)


def draw(f, matrix, modes):
    group = f[f"/spectrum/{matrix}"]
    t = np.asarray(group["time"])
    values = np.asarray(group["eigenvalues"])
    if len(t) == 0:
        sys.exit("plot_run.py: the trajectory holds no snapshot yet")
    values = values[:, : min(modes, values.shape[1])]
    colors = plt.cm.viridis(np.linspace(0, 0.92, values.shape[1]))
    fig, axes = plt.subplots(3, 1, figsize=(6.4, 7.2), sharex=True,
                             gridspec_kw={"hspace": 0.09, "height_ratios": [1, 1, 1]})
    draw_loss(axes[0], f)
    draw_eigenvalues(axes[1], t, values, colors, log=False)
    draw_eigenvalues(axes[2], t, values, colors, log=True)
    if "/theory/eigenvalues" in f:
        th, tt = read(f, "/theory/eigenvalues"), read(f, "/theory/time")
        for k in range(min(values.shape[1], th.shape[1])):
            for a in axes[1:]:
                a.plot(tt, th[:, k], color=colors[k], lw=0.9, ls=":")
    symbol = "C" if matrix == "cross_correlation" else r"\Sigma"
    axes[1].set_ylabel(rf"eigenvalues $\lambda_k({symbol})$")
    axes[2].set_ylabel(rf"$\lambda_k({symbol})$, log")
    axes[2].set_xlabel(r"effective time  $t$ = learning rate $\times$ step")
    last = t[-1] if t[-1] > 0 else 1.0
    axes[2].set_xlim(0, last)
    mark_steps(axes, f, last)
    bar = fig.colorbar(plt.cm.ScalarMappable(
        plt.matplotlib.colors.BoundaryNorm(np.arange(values.shape[1] + 1) + 0.5,
                                           values.shape[1]),
        plt.matplotlib.colors.ListedColormap(colors)),
        ax=axes[1:], pad=0.02, fraction=0.045)
    count = values.shape[1]
    bar.set_ticks(range(1, count + 1, max(1, count // 10)))
    bar.set_label("mode k", fontsize=9)
    bar.ax.minorticks_off()
    box = axes[1].get_position()
    top = axes[0].get_position()
    axes[0].set_position([top.x0, top.y0, box.width, top.height])
    axes[0].set_title(title(f), fontsize=10, loc="left")
    for a in axes:
        a.spines[["top", "right"]].set_visible(False)
        a.tick_params(labelsize=8)
    return fig


def title(f):
    what = [parameter(f, k) for k in ("encoder.name", "loss.name", "data.name")]
    what = [w for w in what if w]
    text = ", ".join(what)
    pairs = parameter(f, "batch.pairs")
    return f"{text}, {pairs} pairs" if pairs else text


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("outdir")
    p.add_argument("-o", "--output", help="path without ending (default OUTDIR/figure)")
    p.add_argument("--format", default="png,svg,pdf")
    p.add_argument("--matrix", choices=["cross_correlation", "covariance"])
    p.add_argument("--modes", type=int, default=12, help="leading eigenvalues drawn")
    a = p.parse_args()
    path = os.path.join(a.outdir, "trajectory.h5")
    try:
        f = h5py.File(path, "r")
    except OSError as e:
        sys.exit(f"plot_run.py: cannot open {path}: {e}")
    with f:
        fig = draw(f, choose_matrix(f, a.matrix), max(1, a.modes))
    base = a.output or os.path.join(a.outdir, "figure")
    for kind in a.format.split(","):
        out = f"{base}.{kind.strip()}"
        fig.savefig(out, dpi=160, bbox_inches="tight")
        print(out)


if __name__ == "__main__":
    main()
