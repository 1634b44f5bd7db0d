#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compare trajectories with the first one: losses 1e-5 relative, spectra 1e-6 of the top,
norms of the gradient 1e-5.

The tolerances: sums over ranks change the order of f32 additions (about 1e-7 each), and
ten steps of training amplify that by about ten.
"""
import sys

import h5py
import numpy as np


def main(dirs):
    bad = 0
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
                print(f"{d}: losses {loss:.1e} (limit 1e-5), spectra {worst:.1e} "
                      f"(limit 1e-6), gradients {norm:.1e} (limit 1e-5)")
                # `not <=` so that a NaN fails
                bad += not (loss <= 1e-5) or not (worst <= 1e-6) or not (norm <= 1e-5)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
