#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a training step would take on 1 to 1024 nodes: a model, with measured points.

    scaling.py STUDY.h5|LOG|OUTDIR... [-o FILE] [--format png,svg,pdf] [options]

STUDY.h5: from jobs/scaling.py; its sums between nodes replace --alpha and --beta, its
eigenproblems and output are drawn as well (study.py). LOG: what `eigenstep bench step`
printed. Steps of one rank are where the model starts from. OUTDIR: a run of `train`, a
further point. Measured: forward, backward, loss and update of one rank. Modelled, for N
nodes of R ranks, P = N R:

  compute   forward + backward, proportional to the pairs of a rank (a line through the
            one-rank logs where they differ in pairs)
  BN        a blocking sum a layer, forward and backward: log2 of the ranks in latencies,
            plus the sums through the network
  gradient  inside a node every rank adds its slice of all R arrays (R + 1 passes through
            memory); across nodes buckets are reduced, 2 (N-1)/N of the bytes through the
            node's link and 2 log2 N latencies a bucket. Backward hides a share of it, the
            last bucket never
  loss      one rank's loss, plus the sum of its d x d matrices (SimCLR: embeddings)
  update    its slice of the parameters on each rank of a node, at best the memory's speed
  waiting   at each sum for the slowest of P ranks: spread x sqrt(2 ln P) of the compute

Weak: the pairs of a rank are fixed. Strong: all pairs are fixed. Efficiency is against
one full node. Everything about the network is an assumption: give yours.
"""
import argparse
import os
import re
from collections import namedtuple
from math import ceil, log, log2, sqrt

import packages  # first: it names what is missing
import matplotlib.pyplot as plt
import numpy as np

import eigenstep
import script
import study

# BN layers and their channels in all, at full width; the projector's are left out
BN = {"resnet18": (20, 4800), "resnet34": (36, 8512), "resnet50": (53, 26560)}
BUCKET = 1 << 20  # gradient elements reduced together (src/train/gradient_reduction.c)
PARTS = ("compute", "BN", "gradient", "loss", "update", "waiting")

Point = namedtuple("Point", "name encoder loss size pairs ranks nodes step low high "
                            "phases parameters")


def read_log(path, of):
    try:
        with open(path, encoding="utf-8") as f:
            text = f.read()
    except (OSError, UnicodeDecodeError) as e:
        script.give_up(f"cannot read '{path}': {e}")
    head = re.search(r"^(\w+) (\w+) (\d+)x\d+, (\d+) pairs, (\d+) ranks x", text, re.M)
    step = re.search(r"^step +([\d.]+) +([\d.]+) +([\d.]+)", text, re.M)
    count = re.search(r"^parameters (\d+)", text, re.M)
    if not (head and step and count):
        script.give_up(f"'{path}' is not what 'eigenstep bench step' prints")
    found = re.findall(r"^(forward|backward|loss|optimiser) +([\d.]+)", text, re.M)
    phases = {k: float(v) / 1e3 for k, v in found}
    low, middle, high = (float(v) / 1e3 for v in step.groups())
    if of == "min":  # the phases are means; a step's parts keep their shares
        phases = {k: v * low / sum(phases.values()) for k, v in phases.items()}
    return Point(os.path.basename(path), head[1], head[2], int(head[3]), int(head[4]),
                 int(head[5]), 1, low if of == "min" else middle, low, high, phases,
                 int(count[1]))


def read_run(folder):
    run = eigenstep.open_run(folder)
    rate = run.series("/timing", "images_per_second")
    if rate is None or not run.parameter("batch.pairs"):
        script.give_up(f"the run in '{folder}' holds no /timing of a training")
    pairs, where = int(run.parameter("batch.pairs")), run.attributes("/environment")
    seconds = 2 * pairs / rate[1]
    return Point(run.name, run.parameter("encoder.name"), run.loss,
                 int(run.parameter("augment.crop.size") or 0), pairs,
                 int(where.get("ranks", 1)), int(where.get("nodes", 1)),
                 float(np.median(seconds)), seconds.min(), seconds.max(), {}, 0)


def read_study(path, of):
    """The training steps of what jobs/scaling.py wrote, and all of its rows."""
    rows, table = study.read(path, of)
    points = []
    for i, row in enumerate(rows):
        if row.bench != "step":
            continue
        if row.words.get("batch.pairs") is None:
            script.give_up(f"'{path}': row '{row.name}' names no batch.pairs, which the "
                           "model needs; write it in the study's line")
        phases = {k: table[f"{k}_mean"][i] for k in ("forward", "backward", "loss",
                                                     "optimiser")}
        if of == "min":
            phases = {k: v * row.low / sum(phases.values()) for k, v in phases.items()}
        points.append(Point(
            row.name, row.words.get("encoder.name", "resnet50"),
            row.words.get("loss.name", "barlow"),
            int(row.words.get("augment.crop.size", 0)), int(row.words["batch.pairs"]),
            row.ranks, row.nodes, row.step, row.low, row.high, phases,
            int(table["parameters"][i])))
    return points, rows


def read(path, of):
    """Points of training steps, rows of a study."""
    if path.endswith(".h5"):
        return read_study(path, of)
    return [read_run(path) if os.path.isdir(path) else read_log(path, of)], []


def line_through(points, phase, pairs):
    """Seconds of a phase at so many pairs, from the one-rank points."""
    x = np.array([p.pairs for p in points], float)
    y = np.array([p.phases[phase] for p in points])
    if len(set(x)) > 1:
        slope, start = np.polyfit(x, y, 1)
        if slope > 0 and start >= 0:
            return start + slope * pairs
    return pairs * float(np.mean(y / x))


def model(base, o, nodes, ranks_a_node, pairs):
    """Seconds of each part of a step; base: one-rank points; pairs: of one rank."""
    first, ranks = base[0], nodes * ranks_a_node
    forward, backward = (line_through(base, k, pairs) for k in ("forward", "backward"))
    hops = log2(ranks_a_node) * o.alpha_node + log2(nodes) * o.alpha
    through = 2 * (nodes - 1) / nodes / o.beta  # seconds a byte of a sum across nodes

    layers, channels = BN.get(first.encoder, (0, 0))
    bn = 0.0
    if o.sync_bn and ranks > 1:
        bn = 2 * (layers * hops + 8 * (4 * channels + 2 * layers) * through)

    size, buckets = 4 * first.parameters, ceil(first.parameters / BUCKET)
    add = (ranks_a_node + 1) * size / o.memory if ranks_a_node > 1 else 0.0
    across = size * through + 2 * log2(nodes) * o.alpha * buckets
    whole = add + across
    gradient = max(whole - o.overlap * backward * (1 - 1 / buckets), whole / buckets)

    matrix = 8 * o.dim**2  # summed: one matrix, or triangles of two
    if first.loss == "simclr":
        matrix = 16 * pairs * ranks * o.dim / 2  # gathered: half of what a sum sends
    loss = line_through(base, "loss", pairs)
    if ranks > 1:
        loss += hops + matrix * through

    update = np.mean([p.phases["optimiser"] for p in base])
    update = max(update / ranks_a_node, 4 * size / o.memory)
    waiting = o.spread * sqrt(2 * log(ranks)) * (forward + backward) if ranks > 1 else 0.0
    return dict(zip(PARTS, (forward + backward, bn, gradient, loss, update, waiting)))


def print_table(title, rows):
    print(f"\n{title}")
    print(f"{'nodes':>6} {'ranks':>6} {'pairs/rank':>10} {'step ms':>9} "
          + " ".join(f"{p:>9}" for p in PARTS) + f" {'img/s':>11} {'efficiency':>10}")
    for nodes, ranks, pairs, parts, efficiency in rows:
        step = sum(parts.values())
        print(f"{nodes:>6} {ranks:>6} {pairs:>10.4g} {1e3 * step:>9.1f} "
              + " ".join(f"{1e3 * parts[p]:>9.2f}" for p in PARTS)
              + f" {2 * pairs * ranks / step:>11.1f} {100 * efficiency:>8.1f} %")


def predict(base, o, pairs_of):
    """Rows over nodes; pairs_of(ranks): of one rank. Ends where a rank has none."""
    rows, first = [], None
    for nodes in [2**i for i in range(11)]:
        ranks = nodes * o.ranks
        pairs = pairs_of(ranks)
        if pairs < 1:
            break
        parts = model(base, o, nodes, o.ranks, pairs)
        rate = pairs / sum(parts.values())  # of one rank
        first = first or rate
        rows.append((nodes, ranks, pairs, parts, rate / first))
    return rows


def print_measured(points, base, o):
    print("\nmeasured beside the model")
    print(f"{'what':<28} {'ranks':>6} {'pairs/rank':>10} {'min ms':>9} {o.of + ' ms':>9} "
          f"{'max ms':>9} {'model ms':>9} {'ratio':>6}")
    for p in points:
        there = sum(model(base, o, p.nodes, max(1, p.ranks // p.nodes),
                          p.pairs / p.ranks).values())
        note = "  the model starts here" if p in base else ""
        print(f"{p.name:<28.28} {p.ranks:>6} {p.pairs / p.ranks:>10.4g} "
              f"{1e3 * p.low:>9.1f} {1e3 * p.step:>9.1f} {1e3 * p.high:>9.1f} "
              f"{1e3 * there:>9.1f} {p.step / there:>6.2f}{note}")


def draw(points, rows, base, o, weak, strong):
    others = any(r.bench in ("eig", "io") for r in rows)
    fig, axes = plt.subplots(1 + others, 2, figsize=(10, 4.2 * (1 + others)),
                             layout="constrained", squeeze=False)
    left, right = axes[0]
    if others:
        study.draw_others(axes[1], rows, o)
    inside = []  # one node filling up
    for ranks in [2**i for i in range(int(log2(o.ranks)) + 1)]:
        inside.append((1, ranks, o.pairs, model(base, o, 1, ranks, o.pairs), 0))
    rows = inside + [r for r in weak if r[1] > inside[-1][1]]
    x = [r[1] for r in rows]
    left.plot(x, [1e3 * sum(r[3].values()) for r in rows], color="k", lw=2, label="step")
    for i, part in enumerate(PARTS):
        y = np.array([1e3 * r[3][part] for r in rows])
        left.plot(x, np.where(y > 0, y, np.nan), color=f"C{i}", lw=1.2, label=part)
    mine = [p for p in points if p.pairs / p.ranks == o.pairs]
    if mine:
        y = np.array([(p.step, p.step - p.low, p.high - p.step) for p in mine]).T * 1e3
        left.errorbar([p.ranks for p in mine], y[0], yerr=y[1:], fmt="o", color="k",
                      mfc="w", ms=6, capsize=3, lw=1, label="measured", zorder=5)
    left.set(xscale="log", yscale="log", xlabel="ranks", ylabel="milliseconds a step")
    left.set_title(f"weak: {o.pairs:g} pairs a rank", fontsize=10, loc="left")
    top = left.get_ylim()[1]
    left.set_ylim(max(left.get_ylim()[0], 1e-6 * top), top * 1.5)
    right.plot([r[0] for r in weak], [100 * r[4] for r in weak], "o-", ms=4, color="C0",
               label=f"weak, {o.pairs:g} pairs a rank")
    right.plot([r[0] for r in strong], [100 * r[4] for r in strong], "s-", ms=4,
               color="C3", label=f"strong, {o.global_pairs} pairs")
    right.set(xscale="log", ylim=(0, 105),
              xlabel=f"nodes of {o.ranks} rank{'s' * (o.ranks > 1)}",
              ylabel="efficiency against one node, %")
    right.set_title("model", fontsize=10, loc="left")
    left.axvline(o.ranks, color="0.8", lw=0.9, zorder=0)
    left.text(o.ranks, 1, " one node", transform=left.get_xaxis_transform(), fontsize=8,
              color="0.5", va="top")
    for a in axes.flat:
        a.set_xscale("log", base=2)
        a.xaxis.set_major_formatter(lambda v, _: f"{v:.0f}")
        a.spines[["top", "right"]].set_visible(False)
        a.grid(color="0.92", lw=0.6)
    left.legend(fontsize=8, frameon=False, ncol=4, loc="upper left",
                bbox_to_anchor=(0.0, -0.16))
    right.legend(fontsize=8, frameon=False, loc="lower left")
    return fig


def positive(text):
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"got {text}, expected a number above 0")
    return value


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("input", nargs="+", help="studies, logs of bench, runs of train")
    p.add_argument("-o", "--output", default="scaling", help="path without ending")
    p.add_argument("--format", default="png,svg,pdf")
    p.add_argument("--ranks", type=int, default=64, help="a node (64: one a core)")
    p.add_argument("--pairs", type=positive, help="a rank, weak (that of the first log)")
    p.add_argument("--global-pairs", type=int, default=4096,
                   help="strong (4096: a large public batch)")
    p.add_argument("--dim", type=int, default=50, help="width of the embedding, d "
                   "(50: the default of bench step)")
    p.add_argument("--of", choices=["median", "min"], default="median", help="which step "
                   "of a log counts (min: on a machine that others use)")
    p.add_argument("--alpha", type=positive, help="seconds a message across nodes (as a "
                   "study measured, else 2e-6: order of current fabrics through MPI)")
    p.add_argument("--beta", type=positive, help="bytes/s through a node's link, one way "
                   "(as a study measured, else 25e9: 200 Gbit/s)")
    p.add_argument("--alpha-node", type=positive, default=5e-7, help="seconds a message "
                   "inside a node (5e-7: a few cache misses and MPI's own work)")
    p.add_argument("--memory", type=positive, default=1e11, help="bytes/s of a node's "
                   "memory (1e11: half of eight channels of DDR4)")
    p.add_argument("--overlap", type=float, default=0.7, help="share of backward behind "
                   "which the exchange hides (0.7: MPI moves on only inside its calls)")
    p.add_argument("--spread", type=float, default=0.01, help="relative deviation of a "
                   "rank's compute between two sums (0.01: a quiet node; an assumption)")
    p.add_argument("--no-sync-bn", dest="sync_bn", action="store_false",
                   help="batch.sync_bn = false")
    o = p.parse_args()
    if min(o.ranks, o.global_pairs, o.dim) < 1 or not 0 <= o.overlap <= 1 or o.spread < 0:
        script.give_up("got --ranks, --global-pairs or --dim below 1, --overlap outside "
                     "0 to 1, or --spread below 0")
    return o


def settle_network(o, rows):
    """--alpha and --beta; o.network says what was measured."""
    alpha, beta = study.network(rows)
    o.network = [k for k, given, found in (("alpha", o.alpha, alpha),
                                           ("beta", o.beta, beta)) if found and not given]
    o.alpha = o.alpha or alpha or 2e-6
    o.beta = o.beta or beta or 25e9


def main():
    o = options()
    found = [read(i, o.of) for i in o.input]
    points, rows = (sum((part[k] for part in found), []) for k in (0, 1))
    settle_network(o, rows)
    base = [p for p in points if p.ranks == 1 and p.phases]
    if not base:
        script.give_up("got no log of 'eigenstep bench step' on one rank: the model "
                       "starts from its phases")
    kinds = {(p.encoder, p.loss, p.size) for p in points}
    if len(kinds) > 1:
        script.give_up(f"got different problems: {sorted(kinds)}, expected one encoder, "
                       "loss and size")
    if base[0].encoder not in BN and o.sync_bn:
        script.give_up(f"the BN layers of '{base[0].encoder}' are not known here, "
                       f"expected one of {', '.join(BN)}, or --no-sync-bn")
    o.pairs = o.pairs or base[0].pairs
    first = base[0]
    print(f"{first.encoder}, {first.loss}, {first.size}x{first.size}, {first.parameters} "
          f"parameters, d = {o.dim}")
    print("measured: forward, backward, loss, update of one rank in "
          + ", ".join(p.name for p in base)
          + "".join(f"; {k} by sums between nodes" for k in o.network))
    print(f"assumed: {o.ranks} ranks a node; alpha {o.alpha:g} s, beta {o.beta:g} B/s "
          f"across nodes; {o.alpha_node:g} s, {o.memory:g} B/s inside;\n         overlap "
          f"{o.overlap:g}, spread {o.spread:g}, sync BN {'yes' if o.sync_bn else 'no'}; "
          "ranks of a full node compute as fast as one alone")
    print_measured(points, base, o)
    weak = predict(base, o, lambda ranks: o.pairs)
    strong = predict(base, o, lambda ranks: o.global_pairs / ranks)
    print_table(f"model, weak: {o.pairs:g} pairs a rank", weak)
    print_table(f"model, strong: {o.global_pairs} pairs in all, as long as a rank has "
                "one", strong)
    study.print_others(rows, o)
    script.save(draw(points, rows, base, o, weak, strong), o.output, o.format)


if __name__ == "__main__":
    script.main(main)
