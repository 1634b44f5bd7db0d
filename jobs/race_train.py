#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A training from files to trajectory: `eigenstep train` and peer_train.py in turns.

    race_train.py RUN.ini [section.key=value ...] [--rounds N] [--ranks N]
                  [--workers N] [--python PYTHON] [--program PATH] [--launch COMMAND]

Both do the recipe of RUN.ini, whose steps, data and snapshots should be given; what
PyTorch's training does not know of a recipe ends the race. PYTHON has PyTorch 2,
torchvision, NumPy and h5py. Each round runs ours on --ranks ranks of one thread, then
PyTorch on as many threads with --workers data loaders. The first round, of two steps,
is not in the medians: it is what a start and an end take. Times are of whole processes;
on a shared machine compare the processor times. Memory is the largest sum over the
processes of a run, as resident sizes and with shared pages counted once (sampled each
half second). Energy is that of the processors (RAPL), with all that ran beside it, where
it can be read.
"""
import argparse
import glob
import os
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
COLUMNS = ("seconds", "CPU seconds", "views/s", "views/CPU s", "RSS MB", "PSS MB",
           "J/view")


def give_up(sentence):
    sys.exit(f"race_train.py: {sentence}")


def joules():
    """Of all processor packages since some time, or None."""
    try:
        return sum(int(open(f"{d}/energy_uj", encoding="ascii").read()) * 1e-6
                   for d in glob.glob("/sys/class/powercap/intel-rapl:?")) or None
    except OSError:
        return None


def family(root):
    """root and all processes below it."""
    children = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="utf-8", errors="replace") as f:
                parent = int(f.read().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(path.split("/")[2]))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def memory(root):
    """Resident and proportional size of a family, in MB."""
    sums = [0, 0]
    for pid in family(root):
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
                text = f.read()
        except OSError:
            continue
        for i, name in enumerate(("Rss", "Pss")):
            found = re.search(rf"^{name}: +(\d+) kB", text, re.M)
            sums[i] += int(found[1]) if found else 0
    return [s / 1e3 for s in sums]


def measure(command, folder, log):
    """COLUMNS of one run of the recipe that is, in the end, in this folder."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    energy, begun, peak = joules(), time.monotonic(), [0, 0]
    with open(log, "wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
        while True:
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            peak = [max(pair) for pair in zip(peak, memory(process.pid))]
            time.sleep(0.5)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        with open(log, encoding="utf-8", errors="replace") as f:
            give_up(f"{shlex.join(command)} ended with {process.returncode}: "
                    f"{f.read()[-2000:].strip()}")
    wall, views = time.monotonic() - begun, views_of(folder)
    spent = None if energy is None else (joules() - energy) / views
    if spent is not None and spent < 0:  # a counter began again at 0
        spent = None
    cpu = used.ru_utime + used.ru_stime
    return [wall, cpu, views / wall, views / cpu, *peak, spent]


def one_round(o, work, number, more=()):
    """COLUMNS of both, ours first: it writes the run.ini that PyTorch's reads."""
    out = f"{work}/{number}"
    launch = shlex.split(o.launch.replace("{P}", str(o.ranks)))
    ours = [*launch, o.program, "train", *o.arguments, *more, f"output.dir={out}"]
    theirs = [o.python, f"{HERE}/peer_train.py", f"{out}/run.ini", f"{work}/peer.h5",
              f"--workers={o.workers}", f"--threads={o.ranks}"]
    return {"eigenstep": measure(ours, out, f"{work}/log"),
            "PyTorch": measure(theirs, out, f"{work}/log")}


def views_of(folder):
    with open(f"{folder}/run.ini", encoding="utf-8") as f:
        text = f.read()
    pairs, steps = (int(re.search(rf"^{name} = (\d+)", text, re.M)[1])
                    for name in ("pairs", "steps"))
    return 2 * pairs * steps


def show(name, row):
    print(f"{name:22s}", *(f"{'-' if v is None else format(v, '.4g'):>12s}" for v in row),
          flush=True)


def main():
    cores = len(os.sched_getaffinity(0))
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("arguments", nargs="+", help="RUN.ini [section.key=value ...]")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--ranks", type=int, default=cores)
    p.add_argument("--workers", type=int, default=cores)
    p.add_argument("--python", default="python3")
    p.add_argument("--program", default=f"{HERE}/../build/eigenstep")
    p.add_argument("--launch", default="mpirun --oversubscribe --bind-to none -n {P}")
    o = p.parse_intermixed_args()
    with tempfile.TemporaryDirectory() as work:
        print(f"{'':22s}", *(f"{c:>12s}" for c in COLUMNS))
        for name, row in one_round(o, work, 0, ["run.steps=2"]).items():
            show(f"{name}, two steps", row)
        rounds = []
        for number in range(1, o.rounds + 1):
            rounds.append(one_round(o, work, number))
            for name, row in rounds[-1].items():
                show(name, row)
    pairs = [list(zip(one["eigenstep"], one["PyTorch"])) for one in rounds]
    show("median of the ratios",
         [None if None in column[0] else statistics.median(a / b for a, b in column)
          for column in zip(*pairs)])


if __name__ == "__main__":
    main()
