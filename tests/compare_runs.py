#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compare trajectories with the first one: losses 1e-5 relative, spectra 1e-6 of the top,
norms of the gradient 1e-5.

    compare_runs.py [--limit X] FOLDER FOLDER...       X: of all three, in their place

The tolerances: sums over ranks change the order of f32 additions (about 1e-7 each), and
ten steps of training amplify that by about ten.
"""
import argparse
import sys

import h5py
import numpy as np


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("--limit", type=float)
    p.add_argument("dirs", nargs="+")
    o = p.parse_args()
    dirs, bad = o.dirs, 0
    near, of_top = (1e-5, 1e-6) if o.limit is None else (o.limit, o.limit)
    with h5py.File(f"{dirs[0]}/trajectory.h5", "r") as a:
        for d in dirs[1:]:
            with h5py.File(f"{d}/trajectory.h5", "r") as b:
                la, lb = a["/loss/value"][:10], b["/loss/value"][:10]
                if len(la) != 10:
                    print(f"got {len(la)} losses, expected 10")
                    bad += 1
                loss = np.max(np.abs(lb / la - 1))
                ga, gb = a["/gradient/norm"][:10], b["/gradient/norm"][:10]
                norm = np.max(np.abs(gb / ga - 1)) if len(ga) == 10 else np.nan
                if not np.array_equal(a["/loss/step"], b["/loss/step"]):
                    print(f"{d}: other steps")
                    bad += 1
                worst = 0
                for m in ("covariance", "cross_correlation"):
                    ea = a[f"/spectrum/{m}/eigenvalues"][:]
                    eb = b[f"/spectrum/{m}/eigenvalues"][:]
                    top = np.abs(ea).max(axis=1, keepdims=True)
                    worst = max(worst, np.max(np.abs(ea - eb) / top))
                print(f"{d}: losses {loss:.1e} (limit {near:g}), spectra {worst:.1e} "
                      f"(limit {of_top:g}), gradients {norm:.1e} (limit {near:g})")
                # `not <=` so that a NaN fails
                bad += not (loss <= near) or not (worst <= of_top) or not (norm <= near)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
