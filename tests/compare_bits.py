#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Are two runs the same, byte for byte?

compare_bits.py A B [GROUP...]: all datasets of the trajectories and of the last
checkpoints, but for the timing, what is known of the machine, and the groups.
"""
import glob
import sys

import h5py

DIFFERENT_BY_NATURE = ("timing", "environment", "code")


def contents(path, without):
    found = {}

    def keep(name, item):
        known = name.split("/")[0] not in without
        if known and isinstance(item, h5py.Dataset):
            found[name] = (item.shape, item.dtype.str, item[()].tobytes())

    with h5py.File(path, "r") as f:
        f.visititems(keep)
    return found


def files(run):
    return [f"{run}/trajectory.h5"] + sorted(glob.glob(f"{run}/ckpt/step_*/state.h5"))


def main(a, b, *groups):
    bad = 0
    without = DIFFERENT_BY_NATURE + groups
    if len(files(a)) < 2 or len(files(a)) != len(files(b)):
        print(f"got {files(a)} and {files(b)}, expected as many, checkpoints too")
        return 1
    for one, other in zip(files(a), files(b)):
        x, y = contents(one, without), contents(other, without)
        differ = sorted(n for n in x.keys() | y.keys() if x.get(n) != y.get(n))
        print(f"{other}: {len(x)} datasets, {len(differ)} differ {differ[:5]}")
        bad += len(differ) + (len(x) == 0)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
