# SPDX-License-Identifier: BSD-3-Clause
"""Imported first by every drawing script: the packages that they need, or one sentence
that says how to get those that this Python lacks; matplotlib draws without a display.
"""
import importlib
import os
import sys

NEEDED = ("h5py", "matplotlib", "numpy")


def is_missing(name):
    try:
        importlib.import_module(name)
    except ImportError:
        return True
    return False


missing = [name for name in NEEDED if is_missing(name)]
if missing:
    debian = " ".join(f"python3-{name}" for name in missing)
    sys.exit(f"{os.path.basename(sys.argv[0])}: {sys.executable} has no "
             f"{' and no '.join(missing)}; start the script with /usr/bin/python3 after "
             f"'apt-get install {debian}', or 'pip install {' '.join(missing)}'")
importlib.import_module("matplotlib").use("Agg")
