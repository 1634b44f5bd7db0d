#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Training steps on several numbers of ranks beside the cost model.

    scaling.py INPUT... [--model CHECK.txt] [-o FILE] [--format png,svg,pdf] [options]

INPUT: STUDY.h5 of jobs/scaling.py, whose eigenproblems and output are drawn as well
(study.py); what `eigenstep bench step` printed; a run's folder. CHECK.txt: the model, as

    eigenstep check RUN.ini --ranks N check.network=NAME > CHECK.txt

prints it (src/run/step_model.c says what it assumes); STUDY-model.txt, which
jobs/scaling.py leaves beside its table, is taken where nothing is given. Weak: the pairs
of a rank are fixed. Strong: all pairs are fixed. Efficiency is against one full node.
"""
import argparse
import os
import re
from collections import namedtuple

import packages  # first: it names what is missing
import matplotlib.pyplot as plt
import numpy as np

import eigenstep
import script
import study

PARTS = ("compute", "BN", "gradient", "loss", "waiting")

Point = namedtuple("Point", "name kind ranks pairs step low high")
Line = namedtuple("Line", "nodes ranks pairs step parts rate efficiency")
Model = namedtuple("Model", "title network latency node tables")


def read_text(path):
    try:
        with open(path, encoding="utf-8") as f:
            return f.read()
    except (OSError, UnicodeDecodeError) as e:
        script.give_up(f"cannot read '{path}': {e}")


def read_log(path, of):
    text = read_text(path)
    head = re.search(r"^(\w+) (\w+) (\d+)x\d+, (\d+) pairs, (\d+) ranks? x", text, re.M)
    step = re.search(r"^step +([\d.]+) +([\d.]+) +([\d.]+)", text, re.M)
    if not (head and step):
        script.give_up(f"'{path}' is not what 'eigenstep bench step' prints")
    low, middle, high = (float(v) / 1e3 for v in step.groups())
    return Point(os.path.basename(path), (head[1], head[2], int(head[3])), int(head[5]),
                 int(head[4]), low if of == "min" else middle, low, high)


def read_run(folder, of):
    run = eigenstep.open_run(folder)
    rate = run.series("/timing", "images_per_second")
    if rate is None or not run.parameter("batch.pairs"):
        script.give_up(f"the run in '{folder}' holds no /timing of a training")
    pairs = int(run.parameter("batch.pairs"))
    seconds = 2 * pairs / rate[1]
    kind = (run.parameter("encoder.name"), run.loss,
            int(run.parameter("augment.crop.size") or 0))
    middle = seconds.min() if of == "min" else float(np.median(seconds))
    return Point(run.name, kind, int(run.attributes("/environment").get("ranks", 1)),
                 pairs, middle, seconds.min(), seconds.max())


def points_of(rows):
    """The training steps of a study."""
    for row in (r for r in rows if r.bench == "step"):
        if "batch.pairs" not in row.words:
            script.give_up(f"row '{row.name}' of the study names no batch.pairs; write "
                           "it in the study's line")
        kind = (row.words.get("encoder.name", "resnet50"),
                row.words.get("loss.name", "barlow"),
                int(row.words.get("augment.crop.size", 0)))
        yield Point(row.name, kind, row.ranks, int(row.words["batch.pairs"]), row.step,
                    row.low, row.high)


def read_model(path):
    """What `eigenstep check --ranks N check.network=NAME` printed."""
    text = read_text(path)
    title = re.search(r"^step +modelled for .*", text, re.M)
    network = re.search(r"^network +(.*): ([\d.e+-]+) us a message", text, re.M)
    node = re.search(r"ranks, (\d+) a node", text)
    tables = {}
    for kind in ("strong", "weak"):
        part = re.search(rf"^{kind} .*\n nodes .*\n((?: *\d+ +\d+ .*\n)+)", text, re.M)
        if part:
            tables[kind] = [line_of(row.split()) for row in part[1].splitlines()]
    if not (title and network and node and len(tables) == 2):
        script.give_up(f"'{path}' is not what 'eigenstep check RUN.ini --ranks N "
                       "check.network=NAME' prints")
    return Model(" ".join(title[0].split()), network[1], 1e-6 * float(network[2]),
                 int(node[1]), tables)


def line_of(words):
    x = list(map(float, words))
    return Line(int(x[0]), int(x[1]), x[2], x[3], dict(zip(PARTS, x[4:9])), x[10], x[11])


def modelled(model, point):
    """Milliseconds of the model's line that has the point's ranks and pairs; or None."""
    for line in (line for table in model.tables.values() for line in table):
        same = abs(line.pairs * line.ranks - point.pairs) < 1e-3 * point.pairs
        if line.ranks == point.ranks and same:
            return line.step
    return None


def print_measured(points, model, of):
    print(f"{'what':<28} {'ranks':>6} {'pairs/rank':>10} {'min ms':>9} {of + ' ms':>9} "
          f"{'max ms':>9} {'img/s':>10} {'model ms':>9} {'ratio':>6}")
    for p in points:
        there = modelled(model, p) if model else None
        beside = (f"{there:>9.1f} {1e3 * p.step / there:>6.2f}" if there
                  else f"{'-':>9} {'-':>6}")
        print(f"{p.name:<28.28} {p.ranks:>6} {p.pairs / p.ranks:>10.4g} "
              f"{1e3 * p.low:>9.1f} {1e3 * p.step:>9.1f} {1e3 * p.high:>9.1f} "
              f"{2 * p.pairs / p.step:>10.5g} {beside}")


def draw_steps(axes, points, model):
    """Milliseconds over ranks, with the pairs of a rank that the model is for."""
    shown = points
    if model:
        weak = model.tables["weak"]
        x = [line.ranks for line in weak]
        axes.plot(x, [line.step for line in weak], color="k", lw=2, label="step")
        for i, part in enumerate(PARTS):
            y = np.array([line.parts[part] for line in weak])
            axes.plot(x, np.where(y > 0, y, np.nan), color=f"C{i}", lw=1.2, label=part)
        shown = [p for p in points if abs(p.pairs / p.ranks - weak[0].pairs) < 1e-6]
        axes.set_title(f"{weak[0].pairs:g} pairs a rank", fontsize=10, loc="left")
        top = 1.5 * max(line.step for line in weak)
        axes.set_ylim(max(axes.get_ylim()[0], 1e-6 * top), top)
    if shown:
        y = np.array([(p.step, p.step - p.low, p.high - p.step) for p in shown]).T * 1e3
        axes.errorbar([p.ranks for p in shown], y[0], yerr=y[1:], fmt="o", color="k",
                      mfc="w", ms=6, capsize=3, lw=1, label="measured", zorder=5)
    axes.set(xscale="log", yscale="log", xlabel="ranks", ylabel="milliseconds a step")


def draw_efficiency(axes, points, model):
    if model is None:
        base = min(points, key=lambda p: p.ranks)
        one = base.pairs / base.step / base.ranks
        axes.plot([p.ranks for p in points],
                  [100 * p.pairs / p.step / p.ranks / one for p in points], "o",
                  color="k", mfc="w")
        axes.set(xlabel="ranks", ylabel=f"efficiency against {base.ranks} ranks, %")
        return
    for kind, colour, mark in (("weak", "C0", "o-"), ("strong", "C3", "s-")):
        full = min(model.node, model.tables[kind][-1].ranks)
        lines = [x for x in model.tables[kind] if x.ranks >= full]
        size = (f"{lines[0].pairs:g} pairs a rank" if kind == "weak" else
                f"{lines[0].pairs * lines[0].ranks:.0f} pairs")
        axes.plot([x.nodes for x in lines], [x.efficiency for x in lines], mark, ms=4,
                  color=colour, label=f"{kind}, {size}")
    axes.set(ylim=(0, 105), xlabel=f"nodes of {model.node} rank{'s' * (model.node > 1)}",
             ylabel="efficiency against one node, %")
    axes.set_title(f"model, {script.plain(model.network)}", fontsize=10, loc="left")


def draw(points, rows, model, network):
    others = any(r.bench in ("eig", "io") for r in rows)
    fig, axes = plt.subplots(1 + others, 2, figsize=(10, 4.2 * (1 + others)),
                             layout="constrained", squeeze=False)
    left, right = axes[0]
    if others:
        study.draw_others(axes[1], rows, network)
    draw_steps(left, points, model)
    draw_efficiency(right, points, model)
    for a in axes.flat:
        a.set_xscale("log", base=2)
        a.xaxis.set_major_formatter(lambda v, _: f"{v:.0f}")
        a.spines[["top", "right"]].set_visible(False)
        a.grid(color="0.92", lw=0.6)
    if left.get_legend_handles_labels()[0]:
        left.legend(fontsize=8, frameon=False, ncol=4, loc="upper left",
                    bbox_to_anchor=(0.0, -0.16))
    if model:
        right.legend(fontsize=8, frameon=False, loc="lower left")
    return fig


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("input", nargs="+", help="studies, logs of bench, runs of train")
    p.add_argument("--model", help="what 'eigenstep check RUN.ini --ranks N "
                   "check.network=NAME' printed")
    p.add_argument("-o", "--output", default="scaling", help="path without ending")
    p.add_argument("--format", default="png,svg,pdf")
    p.add_argument("--of", choices=["median", "min"], default="median", help="which step "
                   "of a measurement counts (min: on a machine that others use)")
    o = p.parse_args()
    beside = [re.sub(r"\.h5$", "-model.txt", i) for i in o.input if i.endswith(".h5")]
    o.model = o.model or next(filter(os.path.exists, beside), None)
    return o


def main():
    o = options()
    points, rows = [], []
    for i in o.input:
        if i.endswith(".h5"):
            rows += study.read(i, o.of)[0]
        else:
            points.append((read_run if os.path.isdir(i) else read_log)(i, o.of))
    points = list(points_of(rows)) + points
    if not points:
        script.give_up("got no training step to draw")
    kinds = {p.kind for p in points}
    if len(kinds) > 1:
        script.give_up(f"got different problems: {sorted(kinds)}, expected one encoder, "
                       "loss and size")
    model = read_model(o.model) if o.model else None
    encoder, loss, size = points[0].kind
    print(f"{encoder}, {loss}, {size}x{size}; "
          + (f"model: {model.title}; network {model.network}" if model else "no model"))
    print_measured(points, model, o.of)
    latency = model.latency if model else study.latency(rows)
    study.print_others(rows, latency)
    script.save(draw(points, rows, model, latency), o.output, o.format)


if __name__ == "__main__":
    script.main(main)
