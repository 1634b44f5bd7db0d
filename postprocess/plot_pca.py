# SPDX-License-Identifier: BSD-3-Clause
"""The cloud of embeddings as a point turns into a line, a sheet and beyond.

Part of plot_run.py (--pca, --movie). A sample has one colour throughout: that of its
class where the run stores /embedding/label, else the hue of its direction, seen from
the centre, on the first two axes at the end.
"""
import shutil

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import animation

import runs


def colors_of(run, last):
    label = run.get("/embedding/label")
    if label is not None and len(label) == len(last):
        return plt.cm.tab10(label.astype(int) % 10)
    angle = np.arctan2(last[:, 1], last[:, 0]) / (2 * np.pi) % 1
    return plt.cm.hsv(angle) * [0.88, 0.88, 0.88, 1]  # darker, for a white ground


def limit_of(x):
    """Half of the cube's side: one at all moments, so that a point looks like one."""
    seen = np.abs(x[np.isfinite(x)])
    return (np.percentile(seen, 99.5) if seen.size else 0) * 1.05 or 1.0


def steps_by(run, time):
    steps = run.steps()
    return int(np.sum(np.isfinite(steps) & (steps <= time)))


def choose_moments(run, t, count):
    """Start, midway between steps, end; evenly spaced where no step was seen."""
    steps = np.sort(run.steps()[np.isfinite(run.steps())])
    steps = steps[(steps > t[0]) & (steps < t[-1])]
    if len(steps) == 0 or count < 3:
        wanted = np.linspace(t[0], t[-1], count)
    else:
        ends = np.append(steps, t[-1])
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
    k = steps_by(run, time)
    return f"t = {time:.3g}\n" + ("no step yet" if k == 0 else
                                  "after 1 step" if k == 1 else f"after {k} steps")


def draw(all_runs, count):
    """A row a run, a column a moment."""
    rows = []
    for run in all_runs:
        t, x = run.points()
        rows.append((run, t, x, choose_moments(run, t, count)))
    columns = max(len(r[3]) for r in rows)
    fig = plt.figure(figsize=(2.5 * columns, 3.2 * len(rows)))
    strips = fig.subfigures(len(rows), 1, squeeze=False)[:, 0]
    for strip, (run, t, x, moments) in zip(strips, rows):
        strip.suptitle(f"{run.title}, {run.subtitle}", x=0.02, y=0.975, ha="left",
                       fontsize=10)
        limit, color = limit_of(x), colors_of(run, x[-1])
        for i, at in enumerate(moments):
            a = strip.add_axes([(i - 0.02) / columns, 0.02, 1 / columns, 0.74],
                               projection="3d")
            a.scatter(*x[at].T, c=color, s=7, lw=0, alpha=0.85, depthshade=False)
            bare(a, limit)
            strip.text((i + 0.5) / columns, 0.88, caption(run, t[at]), ha="center",
                       va="top", fontsize=8.5, color="0.25")
    return fig


def writer_for(path):
    if path.endswith(".gif"):
        return animation.PillowWriter(fps=12)
    if not path.endswith(".mp4"):
        runs.give_up(f"got --movie '{path}', expected a name that ends in .gif or .mp4")
    if shutil.which("ffmpeg") is None:
        runs.give_up(f"'{path}' needs the program ffmpeg, which is not installed; "
                     "a name that ends in .gif does without")
    return animation.FFMpegWriter(fps=12, bitrate=2400)


def movie(all_runs, path, frames):
    """Above the cloud, below the eigenvalues up to that moment; a column a run."""
    writer = writer_for(path)
    n = len(all_runs)
    fig = plt.figure(figsize=(4.2 * n, 5.6))
    parts, longest = [], 1
    for i, run in enumerate(all_runs):
        t, x = run.points()
        times, values = run.spectrum(run.matrix(), 12)
        above = fig.add_axes([(i + 0.06) / n, 0.36, 0.88 / n, 0.54], projection="3d")
        below = fig.add_axes([(i + 0.14) / n, 0.1, 0.78 / n, 0.24])
        cloud = above.scatter(*x[0].T, c=colors_of(run, x[-1]), s=9, lw=0, alpha=0.85,
                              depthshade=False)
        bare(above, limit_of(x))
        shades = plt.cm.viridis(np.linspace(0, 0.92, values.shape[1]))
        for k in range(values.shape[1] - 1, -1, -1):
            below.plot(times, values[:, k], color=shades[k], lw=1.2)
        below.set(xlim=(0, times[-1] or 1), xlabel="effective time t")
        below.set_ylabel(rf"$\lambda_k({runs.SYMBOLS[run.matrix()]})$")
        below.spines[["top", "right"]].set_visible(False)
        below.tick_params(labelsize=8)
        cursor = below.axvline(0, color="k", lw=0.9)
        fig.text((i + 0.5) / n, 0.965, run.title, ha="center", fontsize=11)
        said = fig.text((i + 0.5) / n, 0.935, "", ha="center", va="top", fontsize=9,
                        color="0.3")
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
        moving = animation.FuncAnimation(fig, show, frames=frames)
        moving.save(path, writer=writer, dpi=90)
    except OSError as e:
        runs.give_up(f"cannot write '{path}': {e}")
    plt.close(fig)
    print(path)
