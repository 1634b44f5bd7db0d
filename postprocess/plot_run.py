#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Figures of runs over effective time t = learning rate x step, side by side.

    plot_run.py OUTDIR... [-o FILE] [--format png,svg,pdf] [--modes N] [--partial]
                [--matrix cross_correlation|covariance|unit_covariance]
    plot_run.py --pca OUTDIR... [-o FILE] [--colour hue|class]
                                                   the cloud of embeddings growing
    plot_run.py --movie FILE.gif|.mp4 OUTDIR...    the same, moving, over the eigenvalues
    plot_run.py OUTDIR...      of folders of `eigenstep spectrum`: their eigenvalues

One column a run, at most four side by side, three rows: the loss (batches in grey, probe
set in black), the leading eigenvalues on a linear and on a logarithmic axis, of the
matrix in which the modes of the loss rise unless --matrix names one; with spectrum.of =
embedding, features a fourth, the eigenvalues of the encoder's output. Thin verticals: the
eigenvalue crossed half of its own final value, of modes that are learned: above half of
what modes of the loss settle at (/steps); dotted: it did so before, but fell again.
Dashed: the prediction (/theory), where there is one. Triangles at the bottom: the
forecast made while the eigenvalue was small; hollow: of a mode that is not learned. Of
several runs, those that failed or hold no snapshot yet are left out with a note.
After Figures 1 and 3 of Simon et al., ICML 2023.

Several runs of one loss share their ranges of y, unless one dwarfs the others.

Writes OUTDIR/figure.{png,svg,pdf} (--pca: OUTDIR/pca); of several runs figure.* and pca.*
in the current folder, or what -o says.
"""
import argparse
import os
import textwrap

import packages  # first: it names what is missing
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D

import eigenstep
import plot_pca
import script

DASHES = (0, (3, 2))
WIDEST = 4  # runs side by side
LABEL_T = r"effective time  $t$ = learning rate $\times$ step"


def colors_of(count):
    return plt.cm.viridis(np.linspace(0, 0.92, count))


def shown(times, last):
    """Is any of them within the run?"""
    return bool(np.any((times > 0) & (times <= last)))


def mark_steps(axes, run, colors, last):
    """Verticals where steps were measured, triangles where they were forecast."""
    measured, forecast = run.steps(), run.steps("time_forecast")
    first = unstable(run)
    for k in range(min(len(measured), len(colors))):
        if np.isfinite(measured[k]) and 0 < measured[k] <= last:
            for a in axes:
                a.axvline(measured[k], color=colors[k], lw=0.8, alpha=0.55, zorder=0)
        if k < len(first) and 0 < first[k] <= last:
            for a in axes:
                a.axvline(first[k], color=colors[k], lw=1, ls=":", zorder=0)
        if k < len(forecast) and np.isfinite(forecast[k]) and 0 < forecast[k] <= last:
            came = np.isfinite(measured[k])
            axes[1].plot(forecast[k], 0, marker="^", ms=6, mec="w" if came else colors[k],
                         mew=0.6 if came else 1, color=colors[k] if came else "w",
                         transform=axes[1].get_xaxis_transform(), clip_on=False,
                         zorder=5)


def unstable(run):
    """Times of first crossings after which the mode fell, NaN for the other modes."""
    first, notes = run.steps("time_first"), run.notes()
    return np.where([n in ("unstable", "fell again") for n in notes], first, np.nan)


def mark_plateaus(a, run):
    """Light lines at d - k, where the unnormalised Barlow Twins loss rests (w = 1)."""
    values = run.series("/spectrum/cross_correlation", "eigenvalues")
    is_theory = (run.loss == "barlow" and run.parameter("loss.barlow.normalize") == "none"
                 and run.number("loss.barlow.offdiag", 0) == 1)
    if values is None or not is_theory:
        return
    low, high = a.get_ylim()
    for level in range(values[1].shape[1] + 1):
        if low < level < high:
            a.axhline(level, color="0.9", lw=0.7, zorder=0)


def collapsed_loss(run, group):
    """NT-Xent of N pairs at one point: larger for more views, as the probe set has."""
    if run.loss != "simclr":
        return 0.0
    pairs = run.number("batch.pairs" if group == "/loss" else "spectrum.probe")
    if group == "/probe_loss" and "/embedding/pca" in run.f:
        pairs = run.f["/embedding/pca"].shape[1]  # less than asked for, in whole batches
    doubled = run.parameter("loss.simclr.doubled") == "true"
    return (2 if doubled else 1) * np.log(2 * pairs - 1)


def draw_loss(a, run):
    seen = []
    light, dark = {"color": "0.75", "lw": 0.8}, {"color": "k", "lw": 1.4}
    for group, style in (("/loss", dark if run.model else light), ("/probe_loss", dark)):
        found = run.series(group)
        if found:
            t, loss = found[0], found[1] - collapsed_loss(run, group)
            a.plot(t, loss, **style)
            seen.append(loss)
    theory = run.series("/theory", "loss")
    if theory:
        a.plot(*theory, color="C3", lw=1.1, ls=DASHES)
    seen = np.concatenate(seen or [[0, 1]])
    seen = seen[np.isfinite(seen)]
    low, high = (seen.min(), np.percentile(seen, 99.5)) if seen.size else (0, 1)
    room = 0.06 * (high - low) or 0.5
    a.set_ylim(max(0, low - room) if low >= 0 else low - room, high + 2 * room)
    mark_plateaus(a, run)


def draw_features(a, run, modes, last):
    """Eigenvalues of the encoder's output; verticals as above: steps of the embedding."""
    found = run.features(modes)
    if found is None:
        a.set_axis_off()
        return
    t, values = found
    colors = colors_of(values.shape[1])
    for k in range(values.shape[1] - 1, -1, -1):
        a.plot(t, np.where(values[:, k] > 0, values[:, k], np.nan), color=colors[k],
               lw=1.4)
    a.set_yscale("log")
    a.set_xlim(0, last)
    a.set_ylabel("eigenvalues, features")
    a.set_xlabel(LABEL_T, fontsize=9)


def until_settled(values, mode):
    """A predicted curve as far as it rises, but for the first mode: many on one another
    would be a solid line."""
    there = np.flatnonzero(values > 0.99 * np.nanmax(values))
    if mode == 0 or len(there) == 0:
        return values
    return np.where(np.arange(len(values)) <= there[0], values, np.nan)


def draw_eigenvalues(a, run, t, values, log):
    colors = colors_of(values.shape[1])
    floor = 1e-9
    if log and np.any(values > 0):
        floor = max(values[values > 0].min(), np.nanmax(values) * 1e-7)
    theory = run.series("/theory", "eigenvalues")
    for k in range(values.shape[1] - 1, -1, -1):
        y = np.where(values[:, k] > 0, values[:, k], np.nan) if log else values[:, k]
        a.plot(t, y, color=colors[k], lw=1.4)
        if theory and k < theory[1].shape[1]:
            a.plot(theory[0], until_settled(theory[1][:, k], k), color=colors[k],
                   lw=0.9, ls=DASHES, alpha=0.8)
    top = np.nanmax(values)
    if log:
        a.set_yscale("log")
        a.set_ylim(floor * 0.7, (top if top > 0 else 1) * 1.8)
    else:
        a.set_ylim(min(0, np.nanmin(values)), top * 1.07 if top > 0 else 1)
    return colors


def draw(runs, wanted=None, modes=12):
    """The figure; one column a run, bands of at most WIDEST columns."""
    n = len(runs)
    columns = n if n <= WIDEST else -(-n // -(-n // WIDEST))  # bands of equal length
    bands = -(-n // columns)
    width = 6.4 if n == 1 else 1 + 4.1 * columns
    rows = 4 if any(run.features(1) for run in runs) else 3
    fig, grid = plt.subplots(rows * bands, columns, figsize=(width, 2.4 * rows * bands),
                             squeeze=False, layout="constrained")
    titles, names = script.described(runs), script.labels_of(runs)
    below = [textwrap.wrap(varied or run.subtitle, 54 if n > 1 else 90, max_lines=2,
                           placeholder=" ...") for run, varied in zip(runs, titles)]
    room = "\n" * max(map(len, below))
    drawn, most = dict.fromkeys(("theory", "steps", "unstable", "forecast",
                                 "missed"), False), 1
    for i, run in enumerate(runs):
        band, at = divmod(i, columns)
        column = grid[rows * band:rows * band + rows, at]
        most = max(most, draw_column(column, run, run.matrix(wanted), modes, drawn))
        title = f"{script.plain(names[i])}: {run.title}" if n > 1 else run.title
        column[0].set_title(title + room, loc="left",
                            fontsize=11 if len(title) < 36 else 8)
        text = column[0].text(0, 1.03, script.plain_lines(below[i]), fontsize=8.5,
                              transform=column[0].transAxes, color="0.4", va="bottom")
        text.set_in_layout(False)  # a long one would squeeze the axes
    for i in range(n, bands * columns):
        band, at = divmod(i, columns)
        for a in grid[rows * band:rows * band + rows, at]:
            a.set_axis_off()
    share_limits(runs, wanted, [grid[i::rows].ravel()[:n] for i in range(rows)])
    for a in grid.flat:
        script.plain_numbers(a)
        a.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(5))
        a.xaxis.set_major_formatter("{x:g}")
        a.spines[["top", "right"]].set_visible(False)
        a.tick_params(labelsize=8)
    legend(fig, all(run.model for run in runs), drawn)
    mode_bar(fig, grid[1:rows, -1] if bands == 1 else grid[:rows, -1], most)
    return fig


def draw_still(runs):
    """Eigenvalues of files, from `eigenstep spectrum`, over their number; a spectrum that
    falls as a power law is straight."""
    fig, a = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
    names, i = script.labels_of(runs), 0
    for run, name in zip(runs, names):
        for matrix in eigenstep.OTHERS[1::-1]:
            if f"/spectrum/{matrix}" not in run.f:
                continue
            values = run.spectrum(matrix)[1][-1]
            positive = values > 1e-15 * abs(values).max()  # below: round-off
            k = np.arange(1, len(values) + 1)
            label = f"{script.plain(name)}: {matrix.replace('_', '-')}"
            a.plot(k[positive], values[positive], marker="o", ms=3, lw=1.2, label=label,
                   **script.style(i))
            i += 1
    a.set(xscale="log", yscale="log", xlabel="number k, largest first",
          ylabel=r"eigenvalue $\lambda_k$")
    a.xaxis.set_major_formatter("{x:g}")
    a.spines[["top", "right"]].set_visible(False)
    a.legend(fontsize=8, frameon=False)
    return fig


def share_limits(runs, wanted, rows):
    """One range of y a row for runs of one loss, unless one of them dwarfs the others."""
    if len({(run.loss, run.model, run.matrix(wanted)) for run in runs}) > 1:
        return
    for row in rows:
        drawn = [a for a in row if a.axison]
        if not drawn:
            continue
        low, high = np.array([a.get_ylim() for a in drawn]).T
        log = drawn[0].get_yscale() == "log"
        if log or (high - low).max() < 20 * (high - low).min():
            for a in drawn:
                a.set_ylim(low.min(), high.max())


def draw_column(column, run, matrix, modes, drawn):
    """One run on three axes; returns how many eigenvalues are drawn."""
    t, values = run.spectrum(matrix, modes)
    last = t[-1] if t[-1] > 0 else 1.0
    draw_loss(column[0], run)
    for a, log in ((column[1], False), (column[2], True)):
        colors = draw_eigenvalues(a, run, t, values, log)
    for a in column[:3]:
        a.set_xlim(0, last)
    below = len(column) > 3 and run.features(1) is not None
    for a in column[:3 if below else 2]:
        a.tick_params(labelbottom=False)
    if len(column) > 3:
        draw_features(column[3], run, values.shape[1], last)
    mark_steps(column[:4 if below else 3], run, colors, last)
    symbol = eigenstep.SYMBOLS[matrix]
    column[0].set_ylabel(r"loss $-$ ln(2N $-$ 1)" if run.loss == "simclr" else "loss")
    column[1].set_ylabel(rf"eigenvalues $\lambda_k({symbol})$")
    column[2].set_ylabel(rf"$\lambda_k({symbol})$, log")
    if not below:
        column[2].set_xlabel(LABEL_T, fontsize=9)
    drawn["theory"] |= run.series("/theory", "eigenvalues") is not None
    drawn["steps"] |= shown(run.steps(), last)
    drawn["unstable"] |= shown(unstable(run), last)
    forecast = run.steps("time_forecast")[:values.shape[1]]
    came = np.isfinite(run.steps()[:values.shape[1]])
    drawn["forecast"] |= shown(forecast[came] if len(forecast) else forecast, last)
    drawn["missed"] |= shown(forecast[~came] if len(forecast) else forecast, last)
    return values.shape[1]


def legend(fig, models, drawn):
    green = plt.cm.viridis(0.45)
    entries = [(Line2D([], [], color="0.75", lw=1), "loss of the batch"),
               (Line2D([], [], color="k", lw=1.4), "loss of the probe set")]
    if models:
        entries = [(Line2D([], [], color="k", lw=1.4), "loss")]
    if drawn["theory"]:
        entries.append((Line2D([], [], color="C3", lw=1.1, ls=DASHES), "predicted"))
    if drawn["steps"]:
        entries.append((Line2D([], [], color=green, lw=1, alpha=0.6), "mode learned"))
    if drawn["unstable"]:
        entries.append((Line2D([], [], color=green, lw=1, ls=":"), "rose, then fell"))
    if drawn["forecast"]:
        entries.append((Line2D([], [], color=green, marker="^", ls="", ms=6),
                        "forecast"))
    if drawn["missed"]:
        entries.append((Line2D([], [], color="w", mec=green, marker="^", ls="", ms=6),
                        "forecast, not learned"))
    handles, labels = zip(*entries)
    wide = fig.get_size_inches()[0] > 8
    fig.legend(handles, labels, frameon=False, fontsize=8.5,
               ncol=len(entries) if wide else 3, loc="upper center",
               bbox_to_anchor=(0.5, 0))  # below the axes: saving makes room


def mode_bar(fig, axes, count):
    bar = fig.colorbar(plt.cm.ScalarMappable(
        matplotlib.colors.BoundaryNorm(np.arange(count + 1) + 0.5, count),
        matplotlib.colors.ListedColormap(colors_of(count))),
        ax=list(axes), pad=0.02, fraction=0.045, aspect=40)
    bar.set_ticks(range(1, count + 1, max(1, count // 10)))
    bar.set_label("mode k", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.ax.minorticks_off()


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("outdir", nargs="+")
    p.add_argument("-o", "--output", help="path without ending")
    p.add_argument("--format", default="png,svg,pdf")
    p.add_argument("--matrix", choices=eigenstep.OTHERS)
    p.add_argument("--modes", type=int, default=12, help="leading eigenvalues drawn")
    p.add_argument("--pca", action="store_true",
                   help="the embeddings on three principal directions, at a few moments")
    p.add_argument("--moments", type=int, default=5, help="of --pca")
    p.add_argument("--movie", metavar="FILE", help="animation, .gif or .mp4")
    p.add_argument("--colour", choices=("hue", "class"),
                   help="of a sample in --pca, --movie: of its direction at the end, or "
                   "of its class (default: class where the run stores labels)")
    p.add_argument("--frames", type=int, default=60, help="at most, of --movie")
    p.add_argument("--partial", action="store_true", help="take failed runs too")
    a = p.parse_args()
    if min(a.modes, a.moments, a.frames) < 1:
        script.give_up("got --modes, --moments or --frames below 1")
    runs = script.open_all(a.outdir, a.partial)
    still = [run.get("/loss/value") is None for run in runs]
    if all(still) and (a.movie or a.pca):
        script.give_up(f"{runs[0].path}: got the spectrum of a file, expected a run: "
                       "nothing is over time there; without --movie and --pca its "
                       "eigenvalues are drawn")
    if a.movie:
        plot_pca.movie(runs, a.movie, a.frames, a.colour)
        return
    if all(still):
        fig = draw_still(runs)
    elif a.pca:
        fig = plot_pca.draw(runs, a.moments, a.colour)
    else:
        fig = draw(runs, a.matrix, a.modes)
    folder = a.outdir[0] if len(a.outdir) == 1 else "."
    base = a.output or os.path.join(folder, "pca" if a.pca else "figure")
    script.save(fig, base, a.format)


if __name__ == "__main__":
    script.main(main)
