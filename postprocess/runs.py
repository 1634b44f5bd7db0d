# SPDX-License-Identifier: BSD-3-Clause
"""Reading of output folders, shared by the scripts beside this file.

A run that cannot be read ends the script with one sentence and exit code 1.
"""
import os
import sys

import h5py
import numpy as np

TITLES = {"barlow": "Barlow Twins", "vicreg": "VICReg", "simclr": "SimCLR",
          "spectral": "spectral contrastive", "wmse": "W-MSE", "corinfomax": "CorInfoMax",
          "barlow_logdet": "Barlow Twins, log-det"}
# Where a loss lets its modes rise, best first; the detector watches the same ones.
MATRICES = {"vicreg": ("covariance", "cross_correlation"),
            "simclr": ("unit_covariance", "covariance", "cross_correlation")}
OTHERS = ("cross_correlation", "covariance", "unit_covariance")
SYMBOLS = {"cross_correlation": "C", "covariance": r"\Sigma",
           "unit_covariance": r"\Sigma_{z/|z|}"}


def give_up(sentence):
    sys.exit(f"{os.path.basename(sys.argv[0])}: {sentence}")


def text(value):
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, np.ndarray):
        return ".".join(str(v) for v in value.ravel())
    return str(value)


class Run:
    """One output folder. With `partial` a failed run is taken as far as it got."""

    def __init__(self, folder, partial=False):
        self.folder = folder.rstrip("/") or "/"
        self.name = os.path.basename(os.path.abspath(folder))
        if not os.path.isdir(folder):
            give_up(f"no folder '{folder}'")
        self.status = self.line("STATUS")
        if self.status.startswith("FAILED") and not partial:
            give_up(f"the run in '{folder}' {self.status}; --partial takes what it left")
        path = os.path.join(folder, "trajectory.h5")
        try:
            self.f = h5py.File(path, "r")
        except OSError as e:
            give_up(f"cannot open '{path}': {e}")

    def line(self, name):
        try:
            with open(os.path.join(self.folder, name), encoding="utf-8") as f:
                return f.readline().strip()
        except OSError:
            return f"no {name}"

    def get(self, path):
        return np.asarray(self.f[path]) if path in self.f else None

    def attributes(self, path):
        return {k: text(v) for k, v in self.f[path].attrs.items()
                if k != "description"} if path in self.f else {}

    def parameter(self, key, default=""):
        return text(self.f["/parameters"].attrs.get(key, default)
                    if "/parameters" in self.f else default)

    def series(self, group, field="value"):
        """(time, values), or None where nothing was recorded."""
        t, y = self.get(f"{group}/time"), self.get(f"{group}/{field}")
        return (t, y) if y is not None and len(y) else None

    @property
    def loss(self):
        return self.parameter("loss.name") or "run"

    @property
    def model(self):
        """linear, kernel: written by these commands; else empty."""
        if "/embeddings/train" not in self.f:
            return ""
        norm = "rkhs_norm" in self.f["/embeddings/train"].attrs
        return "kernel" if norm else "linear"

    @property
    def title(self):
        if self.model:
            kind = self.parameter("kernel.name")
            return "Linear model" if self.model == "linear" else f"Kernel {kind}"
        return TITLES.get(self.loss, self.loss)

    @property
    def subtitle(self):
        keys, pairs = ("encoder.name", "data.name"), self.parameter("batch.pairs")
        if self.model:
            keys, pairs = ("data.name",), self.parameter(f"{self.model}.sample")
        what = [self.parameter(k) for k in keys] + ([f"{pairs} pairs"] if pairs else [])
        return ", ".join(w for w in what if w)

    def matrix(self, wanted=None):
        order = MATRICES.get(self.loss, ()) + OTHERS
        have = [m for m in order if f"/spectrum/{m}" in self.f]
        if not have:
            give_up(f"the run in '{self.folder}' holds no spectrum")
        if wanted and wanted not in have:
            give_up(f"no /spectrum/{wanted} in '{self.folder}', only "
                    + ", ".join(dict.fromkeys(have)))
        return wanted or have[0]

    def spectrum(self, matrix, modes):
        found = self.series(f"/spectrum/{matrix}", "eigenvalues")
        if found is None:
            give_up(f"the run in '{self.folder}' holds no snapshot yet")
        return found[0], found[1][:, :modes]

    def steps(self, field="time_measured"):
        """Of each mode, NaN where there is none."""
        found = self.get(f"/steps/{field}")
        if self.model and field == "time_predicted":
            found = None  # the theory's, which is in /theory/tau
        return np.array([]) if found is None else found

    def classes(self):
        """(label of each probe sample, names of the classes), or None without labels."""
        label = self.get("/embedding/label")
        if label is None or not np.any(label >= 0):
            return None
        names = text(self.f["/embedding/label"].attrs.get("class_names", "")).split()
        return label, names or [str(k) for k in range(label.max() + 1)]

    def points(self):
        """(time, [T, n, 3]) probe embeddings, every moment turned (rotation or
        reflection, no scaling) onto the next one: the axes are the last moment's
        principal directions.
        """
        found = self.series("/embedding", "pca")
        if found is None or found[1].shape[2] < 3:
            give_up(f"the run in '{self.folder}' holds no /embedding/pca of three "
                    "directions")
        x = np.nan_to_num(found[1].astype(float))
        for i in range(len(x) - 2, -1, -1):
            u, _, v = np.linalg.svd(x[i].T @ x[i + 1])
            x[i] = x[i] @ (u @ v)
        return found[0], x


def open_all(folders, partial=False):
    return [Run(folder, partial) for folder in folders]


def save(fig, base, kinds):
    """Into base.KIND of each kind of a list like "png,svg"; prints the paths. An ending
    that base has already is not doubled."""
    stem, ending = os.path.splitext(base)
    if ending[1:] in [kind.strip() for kind in kinds.split(",")]:
        base = stem
    for kind in kinds.split(","):
        out = f"{base}.{kind.strip()}"
        try:
            fig.savefig(out, dpi=160, bbox_inches="tight")
        except (OSError, ValueError) as e:
            give_up(f"cannot write '{out}': {e}")
        print(out)
