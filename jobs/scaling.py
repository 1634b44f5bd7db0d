#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A scaling study: `eigenstep bench` on several numbers of ranks, into one table.

    scaling.py [GRID.txt] [-o BASE] [--launch COMMAND] [--program PATH]
    scaling.py --check OLD.csv NEW.csv

GRID.txt (jobs/scaling/strong.txt, weak.txt) has a line a measurement, '#' comments:

    NAME BENCH RANKS key=value ...      strong step 1,2,4,8 batch.pairs=256

In a value {expression of P}, the number of ranks, is computed: batch.pairs={16*P} keeps
the pairs of a rank, bench.eig.n={int(2048*P**(1/3))} its n^3. COMMAND starts the program,
with {P} for the ranks (srun -n {P} under Slurm, else mpirun -n {P}). Five repetitions,
or bench.repeats, after two that are not counted. BENCH is step, eig, io or allreduce.

BASE.csv and BASE.h5 (scaling): a row a measurement, with nodes, ranks, problem, median,
minimum and maximum in seconds, the rate (views or MB a second), speed-up and efficiency
of rate (eig: GFLOP/s) against the smallest number of ranks of the same name, GFLOP/s and
percent of the backend's matrix product, seconds of each phase: mean and maximum over the
ranks and the slowest rank, resident memory, threads a rank, process grid and blocks of an
eigenproblem, the tolerances --below and --above, date and machine. It is written after
each measurement. BASE-model.txt is what `eigenstep check` expects of the first training
steps on up to --model-ranks ranks, with the rate of one rank (of the smallest number of
them) and the network between nodes (allreduce on one rank a node, short and long) as they
were measured. postprocess/scaling.py draws BASE.h5 with it.

--check compares medians of rows that both files have: NEW may be `above` percent slower,
and `below` percent faster (then the reference is out of date), as the row of OLD says;
otherwise exit status 1.
"""
import argparse
import csv
import datetime
import math
import os
import re
import statistics
import subprocess
import sys

PHASES = ("forward", "backward", "loss", "all-reduce", "optimiser")
HEAD = ("name", "bench", "nodes", "ranks", "threads", "grid", "nb", "problem", "median",
        "min", "max", "rate", "speedup", "efficiency", "gflops", "percent_of_peak",
        "parameters", "memory", "below", "above", "date", "machine")
COLUMNS = HEAD + tuple(f"{p}_{of}" for p in PHASES for of in ("mean", "max", "rank"))
TEXTS = ("name", "bench", "grid", "problem", "date", "machine")
UNITS = {"median": "s", "min": "s", "max": "s", "gflops": "1e9/s", "memory": "byte",
         "percent_of_peak": "%", "below": "%", "above": "%"}


def give_up(sentence):
    sys.exit(f"scaling.py: {sentence}")


def fill(text, ranks):
    """{expression of P} computed."""
    def compute(m):
        if not re.fullmatch(r"[\dP+*/(). int-]+", m[1]):
            give_up(f"got '{{{m[1]}}}', expected numbers, P, + - * / ** and int()")
        return str(eval(m[1], {"__builtins__": {}}, {"P": ranks, "int": int}))
    return re.sub(r"{([^}]*)}", compute, text)


def read_grid(path):
    """(name, bench, ranks, words) of each measurement."""
    try:
        with open(path, encoding="utf-8") as f:
            lines = [line.split("#")[0].split() for line in f]
    except OSError as e:
        give_up(f"cannot read '{path}': {e}")
    for words in filter(None, lines):
        if len(words) < 3 or not re.fullmatch(r"\d+(,\d+)*", words[2]):
            give_up(f"'{path}': got '{' '.join(words)}', expected NAME BENCH RANKS "
                    "key=value ...")
        for ranks in map(int, words[2].split(",")):
            yield words[0], words[1], ranks, [fill(w, ranks) for w in words[3:]]


def parse_step(out, row):
    line = re.search(r"^step" + 5 * r" +([\d.]+)", out, re.M)
    if not line:
        return False
    low, middle, high, rate, gflops = map(float, line.groups())
    row.update(min=low / 1e3, median=middle / 1e3, max=high / 1e3, rate=rate,
               gflops=gflops)
    for name in PHASES:
        m = re.search(rf"^{name} +([\d.]+) +([\d.]+) +(\d+)", out, re.M)
        if m:
            row.update({f"{name}_mean": float(m[1]) / 1e3,
                        f"{name}_max": float(m[2]) / 1e3, f"{name}_rank": int(m[3])})
    for key, pattern, unit in (("percent_of_peak", r"step reaches ([\d.]+) %", 1),
                               ("parameters", r"^parameters (\d+)", 1),
                               ("memory", r"peak resident ([\d.]+) MB", 1e6)):
        m = re.search(pattern, out, re.M)
        row[key] = float(m[1]) * unit if m else None
    return True


def parse_rows(out, row, first, columns):
    """A table's line that begins with `first`: milliseconds, then named columns."""
    m = re.search(rf"^{first} +(.*)$", out, re.M)
    words = m[1].split() if m else []
    if len(words) < 3 + len(columns):
        return False
    skip = 1 if row["bench"] == "eig" else 0
    low, middle, high = (float(w) / 1e3 for w in words[skip:skip + 3])
    row.update(min=low, median=middle, max=high)
    row.update(zip(columns, map(float, words[skip + 3:])))
    return True


def parse(out, row):
    """What the benchmark printed into the row. @return was its result there?"""
    for key, pattern, kind in (("threads", r"ranks? x (\d+) threads", int),
                               ("grid", r"ranks? as (\d+ x \d+)", str),
                               ("nb", r"blocks of (\d+)", int)):
        m = re.search(pattern, out)
        row[key] = kind(m[1]) if m else None
    if row["bench"] == "step":
        return parse_step(out, row)
    if row["bench"] == "eig":
        return parse_rows(out, row, "syevd", ("gflops",))
    return parse_rows(out, row, "HDF5" if row["bench"] == "io" else "sum", ("rate",))


def measure(o, name, bench, ranks, words):
    """One row, or None where the program failed."""
    given = [w for w in words if w.startswith("bench.repeats=")]
    more = [] if given else ["bench.repeats=5"]
    quiet = {"step": ["bench.step.data=false", "bench.step.snapshots=0"],
             "eig": ["bench.eig.solvers=syevd"], "io": [], "allreduce": []}
    if bench not in quiet:
        give_up(f"got the benchmark '{bench}', expected one of {', '.join(quiet)}")
    command = o.launch.replace("{P}", str(ranks)).split() + [
        o.program, "bench", bench, "bench.warmup=2", *more, *quiet[bench], *words]
    done = subprocess.run(command, capture_output=True, text=True)
    row = dict.fromkeys(COLUMNS)
    row.update(name=name, bench=bench, ranks=ranks, problem=" ".join(words),
               nodes=-(-ranks // o.node), below=o.below, above=o.above,
               date=datetime.date.today().isoformat(), machine=o.machine)
    if done.returncode != 0 or not parse(done.stdout, row):
        reason = re.search(r"error: (.*)", done.stderr)
        why = reason[1] if reason else f"exit status {done.returncode}"
        print(f"{name} on {ranks} ranks: {why}", file=sys.stderr)
        return None
    return row


def compare_ranks(rows):
    """Speed-up and efficiency against the smallest number of ranks of the same name."""
    for row in [r for r in rows if r["bench"] != "allreduce"]:
        alike = [r for r in rows if r["name"] == row["name"]]
        base = min(alike, key=lambda r: r["ranks"])
        of = "rate" if base["rate"] else "gflops"  # the work may differ: rates compare
        row["speedup"] = row[of] / base[of] if base[of] else None
        if base[of]:
            row["efficiency"] = row["speedup"] * base["ranks"] / row["ranks"]


def write(base, rows):
    with open(f"{base}.csv.new", "w", newline="", encoding="utf-8") as f:
        table = csv.DictWriter(f, COLUMNS)
        table.writeheader()
        table.writerows(rows)
    os.replace(f"{base}.csv.new", f"{base}.csv")
    try:
        import h5py
        import numpy as np
    except ImportError:
        return
    with h5py.File(f"{base}.h5.new", "w") as f:
        for key in COLUMNS:
            values = [r[key] for r in rows]
            if key in TEXTS:
                d = f.create_dataset(key, data=[(v or "").encode() for v in values])
            else:
                numbers = [np.nan if v is None else v for v in values]
                d = f.create_dataset(key, data=np.array(numbers, float))
            seconds = key.endswith(("_mean", "_max"))
            d.attrs["units"] = "s" if seconds else UNITS.get(key, "1")
            d.attrs["description"] = f"{key.replace('_', ' ')} of each measurement"
    os.replace(f"{base}.h5.new", f"{base}.h5")


def network(rows):
    """Parameters of check for the network between nodes, from sums of one rank a node: a
    short one takes log2 N latencies, a large one 2 log2 N and 2 (N - 1) / N of its bytes
    through each link.
    """
    sums = [(r["nodes"], r["min"],
             float(re.search(r"bytes=(\d+)", r["problem"] + " bytes=4194304")[1]))
            for r in rows if r["bench"] == "allreduce" and r["nodes"] == r["ranks"] > 1]
    short = [t / math.log2(n) for n, t, size in sums if size <= 1 << 10]
    alpha = statistics.median(short) if short else 0
    long = [2 * (n - 1) / n * size / (t - 2 * math.log2(n) * alpha) for n, t, size in sums
            if size >= 1 << 20 and t > 2 * math.log2(n) * alpha]
    if not (short and long):
        return []
    return [f"check.latency={1e6 * alpha:.6g}",
            f"check.bandwidth={1e-9 * statistics.median(long):.6g}"]


def write_model(o, rows):
    """What `eigenstep check` expects of the first training steps, beside the table."""
    steps = [r for r in rows if r["bench"] == "step" and "batch.pairs=" in r["problem"]]
    if not steps:
        return
    base = min((r for r in steps if r["name"] == steps[0]["name"]),
               key=lambda r: r["ranks"])
    network_words = network(rows) or [f"check.network={o.network}"]
    pairs = int(re.search(r"batch.pairs=(\d+)", base["problem"])[1]) // base["ranks"]
    in_step = base["forward_mean"] + base["backward_mean"]
    rate = base["gflops"] * base["median"] / in_step / base["ranks"]
    size = pairs * o.model_ranks
    command = [o.program, "check", "-", "--ranks", str(o.model_ranks),
               f"check.node={o.node}", f"check.rate={rate:.6g}", *network_words,
               *base["problem"].split(), f"batch.pairs={size}", f"spectrum.probe={size}",
               f"data.count={3 * size}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        print(f"no model: {done.stderr.strip()}", file=sys.stderr)
        return
    with open(f"{o.output}-model.txt", "w", encoding="utf-8") as f:
        f.write(done.stdout)


def read_table(path):
    try:
        with open(path, newline="", encoding="utf-8") as f:
            return {(r["name"], r["ranks"], r["problem"]):
                    [float(r[k]) for k in ("median", "below", "above")]
                    for r in csv.DictReader(f)}
    except (OSError, KeyError, ValueError) as e:
        give_up(f"cannot read '{path}': {e}")


def check(o):
    old, new = map(read_table, o.check)
    common = sorted(old.keys() & new.keys())
    if not common:
        give_up("the two files have no measurement in common")
    bad = 0
    for key in common:
        was, below, above = old[key]
        change = 100 * (new[key][0] / was - 1)
        wrong = not -below <= change <= above
        bad += wrong
        print(f"{key[0]:<16} {key[1]:>6} ranks {1e3 * was:>10.2f} ms "
              f"{1e3 * new[key][0]:>10.2f} ms {change:>+7.1f} % "
              f"(-{below:g} to +{above:g}){'  OUT' if wrong else ''}")
    print(f"{len(common)} measurements, {bad} out of their tolerance")
    sys.exit(1 if bad else 0)


def this_machine(o):
    """Processor, cores, memory, MPI and BLAS of this node, and how ranks are started."""
    facts = {}
    for path, key in (("/proc/cpuinfo", "model name"), ("/proc/meminfo", "MemTotal")):
        with open(path, encoding="utf-8") as f:
            facts[key] = next((ln.split(":")[1].strip() for ln in f
                               if ln.startswith(key)), "unknown")
    memory = int(re.sub(r"\D", "", facts["MemTotal"]) or 0) / 2**20
    version = subprocess.run([o.program, "--version"], capture_output=True, text=True)
    libraries = re.findall(r"^(?:mpi|blas) +(.*)", version.stdout, re.M)
    return "; ".join([f"{os.cpu_count()} cores of {facts['model name']}",
                      f"{memory:.0f} GiB", *libraries, o.launch])


def options():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("grid", nargs="?", help="what to measure (jobs/scaling/strong.txt)")
    p.add_argument("-o", "--output", default="scaling", help="path without ending")
    p.add_argument("--launch", default="srun -n {P} --cpu-bind=cores"
                   if "SLURM_JOB_ID" in os.environ else "mpirun -n {P}")
    p.add_argument("--program", default=os.environ.get("EIGENSTEP", "eigenstep"))
    p.add_argument("--node", type=int, default=int(os.environ.get(
        "SLURM_NTASKS_PER_NODE", os.cpu_count())), help="ranks of a node")
    p.add_argument("--machine", help="what it is (processor, memory, MPI and BLAS of "
                   "this node): name the network")
    p.add_argument("--model-ranks", type=int, default=1024)
    p.add_argument("--network", default="hdr200", help="of the model, where it was not "
                   "measured ('eigenstep params check': check.network)")
    p.add_argument("--check", nargs=2, metavar=("OLD.csv", "NEW.csv"))
    p.add_argument("--below", type=float, default=10, help="tolerance, percent faster")
    p.add_argument("--above", type=float, default=30, help="tolerance, percent slower")
    return p.parse_args()


def main():
    o = options()
    if o.check:
        check(o)
    grid = o.grid or os.path.join(os.path.dirname(os.path.abspath(__file__)), "scaling",
                                  "strong.txt")
    o.machine = o.machine or this_machine(o)
    rows = []
    print(f"{'name':<16} {'ranks':>6} {'min ms':>9} {'median ms':>9} {'max ms':>9} "
          f"{'speed-up':>8} {'efficiency':>10}")
    for name, bench, ranks, words in read_grid(grid):
        row = measure(o, name, bench, ranks, words)
        if row is None:
            continue
        rows.append(row)
        compare_ranks(rows)
        write(o.output, rows)
        times = " ".join(f"{1e3 * row[k]:>9.2f}" for k in ("min", "median", "max"))
        print(f"{name:<16} {ranks:>6} {times} {row['speedup'] or 0:>8.2f} "
              f"{100 * (row['efficiency'] or 0):>8.1f} %", flush=True)
    if not rows:
        give_up("nothing could be measured")
    write_model(o, rows)


if __name__ == "__main__":
    main()
