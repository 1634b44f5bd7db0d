# SPDX-License-Identifier: BSD-3-Clause
"""The cloud of embeddings as a point turns into a line, a sheet and beyond.

Part of plot_run.py (--pca, --movie). A sample has one colour throughout: that of its
class where the run stores /embedding/label, else, or asked for, the hue of its
direction, seen from the centre, on the first two axes at the end.
"""
import logging
import re
import shutil
import subprocess

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import animation
from matplotlib.lines import Line2D

import eigenstep
import script

HEIGHT = 3.0  # of a row of clouds, inches
NAMED = 20  # classes that colours can tell apart; beyond, neighbours look alike
UNLABELLED = (0.6, 0.6, 0.6, 1)


def hues(share):
    return plt.cm.hsv(np.asarray(share)) * [0.88, 0.88, 0.88, 1]  # darker, on white


def palette(count):
    """A colour a class."""
    if count > NAMED:
        return hues(np.arange(count) / count)
    return (plt.cm.tab10 if count <= 10 else plt.cm.tab20)(np.arange(count))


def colors_of(run, last, wanted=None):
    """wanted: "hue", "class", or None for classes where there are labels."""
    classes = None if wanted == "hue" else run.classes()
    if classes is not None:
        label, names = classes
        return np.vstack([palette(len(names)), UNLABELLED])[label]  # -1 is the last
    if wanted == "class":
        script.give_up(f"the run in '{run.folder}' holds no labels (/embedding/label); "
                     "--colour hue does without")
    return hues(np.arctan2(last[:, 1], last[:, 0]) / (2 * np.pi) % 1)


def natural(name):
    """Sorting key: "class 2" before "class 10"."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def named(run, wanted):
    """(name, colour) of the classes present; empty where there is nothing to name."""
    classes = None if wanted == "hue" else run.classes()
    if classes is None or len(classes[1]) > NAMED:
        return []
    label, names = classes
    present = set(label.tolist())
    shown = [(script.plain(n.replace("_", " ")), tuple(c))
             for k, (n, c) in enumerate(zip(names, palette(len(names)))) if k in present]
    shown.sort(key=lambda entry: natural(entry[0]))
    return shown + [("unlabelled", UNLABELLED)] * (-1 in present)


class Legend:
    """Names of the classes in rows below a figure so many inches wide."""

    def __init__(self, entries, width):
        self.entries = entries
        widths = [0.42 + 0.075 * len(name) for name, _ in entries] or [1]
        fit = len(widths) if sum(widths) < width else max(1, int(width / max(widths)))
        rows = -(-len(entries) // fit)
        self.columns = -(-len(entries) // max(1, rows))
        self.height = 0.2 * rows + 0.1 * bool(entries)

    def draw(self, fig, x=0.5):
        if self.entries:
            dots = [Line2D([], [], ls="", marker="o", ms=4.5, color=color)
                    for _, color in self.entries]
            fig.legend(dots, [name for name, _ in self.entries], ncol=self.columns,
                       loc="lower center", bbox_to_anchor=(x, 0), frameon=False,
                       fontsize=8, handletextpad=0, columnspacing=1.2, borderaxespad=0.3)


def limit_of(x):
    """Half of the cube's side: one at all moments, so that a point looks like one. At the
    widest of them all but one sample in 200 lie within.
    """
    return np.percentile(np.abs(x).max(axis=2), 99.5, axis=1).max() * 1.05 or 1.0


def choose_moments(run, t, count):
    """Start, midway between steps, end; evenly spaced where no step was seen."""
    steps = np.sort(run.steps()[np.isfinite(run.steps())])
    steps = steps[(steps > t[0]) & (steps < t[-1])]
    if len(steps) == 0 or count < 3:
        wanted = np.linspace(t[0], t[-1], count)
    else:
        ends = steps if len(steps) > 1 else np.append(steps, t[-1])
        wanted = np.concatenate([[t[0]], (ends[:-1] + ends[1:]) / 2, [t[-1]]])
        wanted = np.delete(wanted, range(count - 1, len(wanted) - 1))  # the first ones
    return sorted({int(np.argmin(np.abs(t - w))) for w in wanted})


def bare(a, limit):
    a.set(xlim=(-limit, limit), ylim=(-limit, limit), zlim=(-limit, limit))
    a.set_box_aspect((1, 1, 1), zoom=1.02)
    a.view_init(elev=24, azim=-58)
    for axis, name in ((a.xaxis, "1"), (a.yaxis, "2"), (a.zaxis, "3")):
        axis.set_ticklabels([])
        axis.set_pane_color((0.97, 0.97, 0.97, 1))
        axis.line.set_color("0.6")
        axis._axinfo["grid"].update(color="0.87", linewidth=0.6)
        axis._axinfo["tick"].update(inward_factor=0, outward_factor=0)
        axis.set_label_text(name, fontsize=8, color="0.4")
        axis.labelpad = -15


def caption(run, time):
    k = run.learned(time)
    count = "no mode" if k == 0 else "1 mode" if k == 1 else f"{k} modes"
    return f"t = {time:.3g}\n{count} learned"


def draw(all_runs, count, wanted=None):
    """A row a run, a column a moment."""
    rows = []
    for run in all_runs:
        t, x = run.points()
        rows.append((run, t, x, choose_moments(run, t, count)))
    columns = max(len(r[3]) for r in rows)
    names = [named(run, wanted) for run in all_runs] + [[]]
    legends = [Legend(own if own != after else [], 2.5 * columns)
               for own, after in zip(names, names[1:])]
    heights = [HEIGHT + legend.height for legend in legends]
    fig = plt.figure(figsize=(2.5 * columns, sum(heights)))
    strips = fig.subfigures(len(rows), 1, squeeze=False, height_ratios=heights)[:, 0]
    for strip, legend, (run, t, x, moments) in zip(strips, legends, rows):
        low, unit = np.array([legend.height, HEIGHT]) / (legend.height + HEIGHT)
        legend.draw(strip)
        strip.suptitle(script.plain(f"{run.title}, {run.subtitle}"), x=0.02,
                       y=low + 0.975 * unit, ha="left", fontsize=10)
        limit, color = limit_of(x), colors_of(run, x[-1], wanted)
        for i, at in enumerate(moments):
            a = strip.add_axes([(i - 0.02) / columns, low, 1 / columns, 0.8 * unit],
                               projection="3d")
            a.scatter(*x[at].T, c=color, s=7, lw=0, alpha=0.85, depthshade=False)
            bare(a, limit)
            strip.text((i + 0.5) / columns, low + 0.87 * unit, caption(run, t[at]),
                       ha="center", va="top", fontsize=8.5, color="0.25")
    return fig


def writer_for(path):
    if path.endswith(".gif"):
        return animation.PillowWriter(fps=12)
    if not path.endswith(".mp4"):
        script.give_up(f"got --movie '{path}', expected a name that ends in .gif or .mp4")
    if shutil.which("ffmpeg") is None:
        script.give_up(f"'{path}' needs the program ffmpeg, which is not installed; "
                     "a name that ends in .gif does without")
    return animation.FFMpegWriter(fps=12, bitrate=2400)


def movie(all_runs, path, frames, wanted=None):
    """Above the cloud, below the eigenvalues up to that moment; a column a run."""
    writer = writer_for(path)
    n = len(all_runs)
    legends = [Legend(named(run, wanted), 4.2) for run in all_runs]
    foot = max(legend.height for legend in legends)
    fig = plt.figure(figsize=(4.2 * n, 5.6 + foot))
    low, unit = np.array([foot, 5.6]) / (foot + 5.6)
    parts, longest = [], 1
    for i, run in enumerate(all_runs):
        t, x = run.points()
        times, values = run.spectrum(run.matrix(), 12)
        above = fig.add_axes([(i + 0.06) / n, low + 0.36 * unit, 0.88 / n, 0.54 * unit],
                             projection="3d")
        below = fig.add_axes([(i + 0.18) / n, low + 0.1 * unit, 0.76 / n, 0.24 * unit])
        legends[i].draw(fig, (i + 0.5) / n)
        cloud = above.scatter(*x[0].T, c=colors_of(run, x[-1], wanted), s=9, lw=0,
                              alpha=0.85, depthshade=False)
        bare(above, limit_of(x))
        shades = plt.cm.viridis(np.linspace(0, 0.92, values.shape[1]))
        for k in range(values.shape[1] - 1, -1, -1):
            below.plot(times, values[:, k], color=shades[k], lw=1.2)
        below.set(xlim=(0, times[-1] or 1), xlabel="effective time t")
        below.set_ylabel(rf"$\lambda_k({eigenstep.SYMBOLS[run.matrix()]})$")
        below.spines[["top", "right"]].set_visible(False)
        below.tick_params(labelsize=8)
        cursor = below.axvline(0, color="k", lw=0.9, clip_on=False)
        fig.text((i + 0.5) / n, low + 0.965 * unit, run.title, ha="center", fontsize=11)
        said = fig.text((i + 0.5) / n, low + 0.935 * unit, "", ha="center", va="top",
                        fontsize=9, color="0.3")
        parts.append((run, t, x, above, cloud, cursor, said))
        longest = max(longest, len(t))
    frames = min(frames, longest)

    def show(frame):
        for run, t, x, above, cloud, cursor, said in parts:
            at = round(frame / max(1, frames - 1) * (len(t) - 1))
            cloud._offsets3d = tuple(x[at].T)
            above.view_init(elev=24, azim=-58 + 40 * frame / frames)
            cursor.set_xdata([t[at], t[at]])
            said.set_text(caption(run, t[at]))

    try:
        logging.getLogger("matplotlib.animation").setLevel(logging.ERROR)
        moving = animation.FuncAnimation(fig, show, frames=frames)
        moving.save(path, writer=writer, dpi=90)
    except OSError as e:
        script.give_up(f"cannot write '{path}': {e}")
    except subprocess.CalledProcessError as e:
        said = eigenstep.text(e.stderr or b"").strip().splitlines()
        script.give_up(f"cannot write '{path}': ffmpeg ended with {e.returncode}"
                     + (f", {said[-1]}" if said else ""))
    plt.close(fig)
    script.say(path)
