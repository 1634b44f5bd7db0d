# SPDX-License-Identifier: BSD-3-Clause
"""The table of jobs/scaling.py for scaling.py: its rows, and eigenproblems and output
drawn with what is expected of them.

  eigenproblem   operations / (P x the rate of a rank of the smallest P), and for each
                 column COLUMN latencies, times the dimensions of the process grid that
                 are above 1 and log2 of the ranks: pdsyevd of n = 64 to 256, 1.25 ms a
                 message, took 2.7 to 3.4 n ms on two hosts, 12 to 17 n on four
  output         all ranks write one file: the rate of the disk, that of the smallest P,
                 and FILE latencies between nodes to open and close it (35 to 73 measured)
"""
from collections import namedtuple
from math import ceil, log2

import h5py
import numpy as np

import eigenstep
import script

COLUMN, FILE = 2.5, 50
SMALL, LARGE = 1 << 10, 4 << 20  # bytes of a sum that is latency; of one by default
INSIDE = 5e-7  # seconds of a message inside a node

Row = namedtuple("Row", "name bench nodes ranks words step low high rate gflops")


def read(path, of):
    """The rows of a study; `of`: "median" or "min", which of its times counts."""
    try:
        with h5py.File(path, "r") as f:
            table = {k: d[:] for k, d in f.items()}
    except OSError as e:
        script.give_up(f"cannot read '{path}': {eigenstep.reason(path, e)}")
    if not {"bench", "problem", "median"} <= table.keys():
        script.give_up(f"'{path}' is not what jobs/scaling.py wrote")
    rows = []
    for i, bench in enumerate(table["bench"]):
        words = dict(w.split("=", 1) for w in table["problem"][i].decode().split())
        rows.append(Row(table["name"][i].decode(), bench.decode(), int(table["nodes"][i]),
                        int(table["ranks"][i]), words, *(float(table[k][i]) for k in
                        (of, "min", "max", "rate", "gflops"))))
    return rows, table


def latency(rows):
    """Seconds of a message between nodes, as short sums of one rank a node took; 0: none
    was measured.
    """
    took = [r.step / log2(r.nodes) for r in rows
            if r.bench == "allreduce" and r.nodes == r.ranks > 1
            and int(r.words.get("bench.allreduce.bytes", LARGE)) <= SMALL]
    return float(np.median(took)) if took else 0.0


def order(row):
    """n of an eigenproblem."""
    return int(row.words.get("bench.eig.n", 1024))


def waits(row, alpha):
    """Seconds of an eigenproblem in messages, on the row's nodes."""
    dimensions = 1 if row.ranks < 4 else 2
    return COLUMN * order(row) * dimensions * (
        log2(ceil(row.ranks / row.nodes)) * INSIDE + log2(row.nodes) * alpha)


def solve_time(base, row, alpha):
    """Seconds that the model expects of `row`, from the row of fewest ranks."""
    work = max(base.step - waits(base, alpha), 0.1 * base.step)
    work *= (order(row) / order(base))**3 * base.ranks / row.ranks
    return work + waits(row, alpha)


def series_of(rows, bench):
    """{name: rows by ranks} of a benchmark."""
    found = {}
    for row in sorted((r for r in rows if r.bench == bench), key=lambda r: r.ranks):
        found.setdefault(row.name, []).append(row)
    return found


def print_others(rows, alpha):
    """Eigenproblems and output beside their model."""
    for bench, title in (("eig", "eigenproblem"), ("io", "output")):
        for name, line in series_of(rows, bench).items():
            print(f"\n{title} '{name}'\n{'ranks':>6} {'n':>8} {'min ms':>9} "
                  f"{'time ms':>9} {'max ms':>9} {'model ms':>9} {'ratio':>6} "
                  f"{'rate':>14}")
            for row in line:
                there = expected(line[0], row, alpha)
                size = order(row) if bench == "eig" else "-"
                rate = (f"{row.gflops:.1f} GFLOP/s" if bench == "eig"
                        else f"{row.rate:.1f} MB/s")
                print(f"{row.ranks:>6} {size:>8} {1e3 * row.low:>9.1f} "
                      f"{1e3 * row.step:>9.1f} {1e3 * row.high:>9.1f} "
                      f"{1e3 * there:>9.1f} {row.step / there:>6.2f} {rate:>14}")


def expected(base, row, alpha):
    if row.bench == "eig":
        return solve_time(base, row, alpha)
    return base.step * megabytes(row) / megabytes(base) + FILE * alpha * (row.nodes > 1)


def megabytes(row):
    return row.rate * row.step


def draw_others(axes, rows, alpha):
    """Two panels: eigenproblems and output, measured with their spread, and the model."""
    for a, bench, title in zip(axes, ("eig", "io"), ("eigenproblem", "output, one file")):
        for i, (name, line) in enumerate(series_of(rows, bench).items()):
            ranks = [r.ranks for r in line]
            y = 1e3 * np.array([(r.step, max(r.step - r.low, 0), r.high - r.step)
                                for r in line]).T
            sizes = {order(r) for r in line} if bench == "eig" else set()
            what = (f"n = {min(sizes)} to {max(sizes)}" if len(sizes) > 1 else
                    f"n = {sizes.pop()}" if sizes else f"{megabytes(line[0]):.0f} MB")
            a.errorbar(ranks, y[0], yerr=y[1:], fmt="o", color=f"C{i}", mfc="w", ms=6,
                       capsize=3, lw=1, label=f"{script.plain(name)}, {what}")
            a.plot(ranks, [1e3 * expected(line[0], r, alpha) for r in line],
                   color=f"C{i}", lw=1.2)
        a.set(xlabel="ranks", ylabel="milliseconds", yscale="log")
        a.set_xscale("log", base=2)
        a.set_title(title + " (line: model)", fontsize=10, loc="left")
        a.legend(fontsize=8, frameon=False)
