#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Eigenpairs of one matrix by our solvers, NumPy's and SciPy's, in turns.

    peer_eig.py [-n N] [-k K] [--decay A] [--shapes LIST] [--rounds N]
                [--ours NAMES] [--peers NAMES] [--program PATH] [--launch COMMAND]

The matrix is that of `eigenstep bench eig`: eigenvalues i^-decay, dense by three random
reflections. Names of ours are those of bench.eig.solvers; of the peers eigh and eigvalsh
(NumPy, all), subset (scipy.linalg.eigh), eigsh (ARPACK) and lobpcg (SciPy, the K
largest; from a random block of K, to a residual of --tol of the largest eigenvalue).
Ours runs in each of --shapes, as 2x1,1x2 for 2 ranks of a thread and a rank of 2 threads,
the peers on as many threads as the first has in all. Seconds are those of the solution;
CPU seconds those of all threads, of ours with making the matrix.
The time of ours includes the check of its residual, 2 n^2 k operations. Residuals: |A v -
lambda v| / lambda_1, the largest. Needs NumPy, and SciPy for its solvers.
"""
import argparse
import itertools
import os
import re
import resource
import shlex
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def matrix(np, n, decay):
    """A of `bench eig`, from other random numbers."""
    random = np.random.default_rng(4)
    a = np.diag(np.arange(1.0, n + 1) ** -decay)
    for _ in range(3):
        u = random.standard_normal(n)
        u /= np.linalg.norm(u)
        p = a @ u
        p -= (u @ p) * u
        a -= 2 * (np.outer(u, p) + np.outer(p, u))
    return a


def scipy_solvers(np, o):
    import scipy.linalg
    import scipy.sparse.linalg
    random = np.random.default_rng(5)
    ends = [o.n - o.k, o.n - 1]

    def lobpcg(a):
        start = random.standard_normal((o.n, o.k))
        return scipy.sparse.linalg.lobpcg(a, start, tol=o.tol, maxiter=1000)

    return {"subset": lambda a: scipy.linalg.eigh(a, subset_by_index=ends),
            "eigsh": lambda a: scipy.sparse.linalg.eigsh(a, o.k, which="LA", tol=o.tol),
            "lobpcg": lobpcg}


def peer_solvers(np, o):
    """By name, those that are asked for: values and vectors (or None) of a matrix."""
    solvers = {"eigh": np.linalg.eigh,
               "eigvalsh": lambda a: (np.linalg.eigvalsh(a), None)}
    names = o.peers.split(",")
    if not set(names) <= set(solvers):
        solvers.update(scipy_solvers(np, o))
    for name in names:
        if name not in solvers:
            sys.exit(f"peer_eig.py: --peers: got '{name}', expected some of "
                     f"{', '.join(solvers)}")
    return {name: solvers[name] for name in names}


def measure_peer(np, solve, a):
    """Seconds, CPU seconds, residual."""
    wall, cpu = time.perf_counter(), time.process_time()
    values, vectors = solve(a)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if vectors is None:
        return wall, cpu, None
    off = a @ vectors - vectors * values
    return wall, cpu, np.linalg.norm(off, axis=0).max() / values.max()


def measure_ours(o, name, shape):
    ranks, threads = shape
    command = [*shlex.split(o.launch.replace("{P}", str(ranks))), o.program, "bench",
               "eig", f"bench.eig.n={o.n}", f"bench.eig.top={o.k}", "bench.warmup=0",
               f"bench.eig.decay={o.decay}", f"bench.eig.solvers={name}",
               "bench.repeats=1"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={
        **os.environ, "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads)})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    row = re.search(rf"^{name} .*$", done.stdout, re.M)
    if done.returncode != 0 or row is None:
        sys.exit(f"peer_eig.py: {shlex.join(command)}: {done.stderr.strip()}")
    word = row[0].split()
    cpu = sum(getattr(after, f) - getattr(before, f) for f in ("ru_utime", "ru_stime"))
    return float(word[2]) / 1e3, cpu, None if name == "values" else float(word[6])


def shapes(text):
    """[(ranks, threads)] of 2x1,1x2."""
    pairs = [tuple(int(x) for x in word.split("x")) for word in text.split(",")]
    if any(len(pair) != 2 or min(pair) < 1 for pair in pairs):
        raise ValueError(text)
    return pairs


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("-n", type=int, default=1024)
    p.add_argument("-k", type=int, default=64)
    p.add_argument("--decay", type=float, default=1.0)
    p.add_argument("--tol", type=float, default=1e-10)
    p.add_argument("--shapes", type=shapes, default=[(len(os.sched_getaffinity(0)), 1)])
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--ours", default="syevd,values,syevr,subspace")
    p.add_argument("--peers", default="eigh,eigvalsh,subset,eigsh,lobpcg")
    p.add_argument("--program", default=f"{HERE}/../build/eigenstep")
    p.add_argument("--launch", default="mpirun --oversubscribe --bind-to none -n {P}")
    o = p.parse_args()
    threads = o.shapes[0][0] * o.shapes[0][1]
    for name in ("OPENBLAS", "OMP", "MKL"):  # before NumPy is loaded, which reads it
        os.environ[f"{name}_NUM_THREADS"] = str(threads)
    import numpy as np
    solvers, a = peer_solvers(np, o), matrix(np, o.n, o.decay)
    times = {}
    for _ in range(o.rounds):
        for name, shape in itertools.product(o.ours.split(","), o.shapes):
            row = f"ours {name} {shape[0]}x{shape[1]}"
            times.setdefault(row, []).append(measure_ours(o, name, shape))
        for name, solve in solvers.items():
            times.setdefault(name, []).append(measure_peer(np, solve, a))
    print(f"n = {o.n}, k = {o.k}, peers on {threads} threads, medians of {o.rounds}")
    print(f"{'solver':18s} {'seconds':>10s} {'CPU s':>10s} {'residual':>10s}")
    for name, rows in times.items():
        wall, cpu = (statistics.median(column) for column in list(zip(*rows))[:2])
        worst = max((r[2] for r in rows if r[2] is not None), default=None)
        print(f"{name:18s} {wall:10.3f} {cpu:10.3f} "
              f"{'-' if worst is None else format(worst, '10.1e'):>10s}")


if __name__ == "__main__":
    main()
