# SPDX-License-Identifier: BSD-3-Clause
"""Read Eigenstep's output folders from Python: one file, to be copied anywhere.

    import eigenstep
    run = eigenstep.open_run("out-first")
    run.eigenvalues()                    # xarray.DataArray [time, mode], lambda_k(t)
    run.eigenvalues(of="features")       # of the encoder's output (spectrum.of)
    run.dataset("/metrics/rankme")       # xarray.Dataset of any group with a time axis
    run.step_table()                     # xarray.Dataset, one row a mode
    run.parameter("optim.lr")            # effective parameter, as text

Needs h5py and NumPy; what returns xarray objects needs xarray too. A run that cannot be
read raises `Unreadable` with one sentence. A run that is still writing is read as it
stands: every series is cut to the rows that all of its data sets have. The scripts beside
this file are built on it.
"""
import io
import os
import time

import h5py
import numpy as np

TITLES = {"barlow": "Barlow Twins", "vicreg": "VICReg", "simclr": "SimCLR",
          "spectral": "spectral contrastive", "wmse": "W-MSE", "corinfomax": "CorInfoMax",
          "barlow_logdet": "log-det Barlow Twins", "lejepa": "LeJEPA",
          "directpred": "DirectPred", "isoloss": "IsoLoss"}
# In files that do not name the followed matrix: that of a loss, best first.
MATRICES = {"vicreg": ("covariance", "cross_correlation"),
            "simclr": ("unit_covariance", "covariance", "cross_correlation")}
OTHERS = ("cross_correlation", "covariance", "unit_covariance")
SYMBOLS = {"cross_correlation": "C", "covariance": r"\Sigma",
           "unit_covariance": r"\Sigma_{z/|z|}"}


# What /steps/state says.
FROM_START = "from the start"
NOTES = ("", "unstable", FROM_START, "fell again", "not reached", "irregular",
         "never rose", "stopped before learned")

LEARNED = ("A mode is learned once its eigenvalue exceeds half of what modes of the "
           "loss settle at (1 with Barlow Twins) and stays above 0.8 of this half. "
           "Measured: where it crossed half of its own final value. Forecast: "
           "extrapolated from its exponential growth, while training. Predicted: from "
           "what was known before the first step.")


class Unreadable(Exception):
    """Why a folder cannot be read, in one sentence."""


def text(value):
    """An HDF5 attribute as text, whatever its type and encoding."""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, np.ndarray):
        return ".".join(text(v) for v in value.ravel())
    return str(value)


def first_line(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.readline().strip()
    except OSError:
        return f"no {os.path.basename(path)}"


def reason(path, error):
    """Why a file could not be read, in a few words."""
    if not os.path.exists(path):
        return "there is no such file"
    if isinstance(error, KeyError):
        return "it lacks what is drawn here"
    if not os.access(path, os.R_OK):
        return "it may not be read"
    return "it is no whole HDF5 file"


def open_file(path, live):
    """The trajectory as h5py.File. That of a running program is copied to memory first
    and read again while a copy was taken in the middle of a write.
    """
    attempts = 10 if live else 1
    for attempt in range(attempts):
        try:
            if not live:
                return h5py.File(path, "r")
            with open(path, "rb") as f:
                return h5py.File(io.BytesIO(f.read()), "r")
        except (OSError, RuntimeError) as e:
            if attempt + 1 == attempts:
                raise Unreadable(f"cannot open '{path}': {reason(path, e)}") from e
            time.sleep(0.3)
    return None


class Run:
    """One output folder. With `partial` a failed run is taken as far as it got."""

    def __init__(self, folder, partial=False):
        self.folder = folder.rstrip("/") or "/"
        self.name = os.path.basename(os.path.abspath(folder))
        self.path = os.path.join(folder, "trajectory.h5")
        if not os.path.isdir(folder):
            raise Unreadable(f"no folder '{folder}'")
        self.status = first_line(os.path.join(self.folder, "STATUS"))
        if self.status.startswith("FAILED") and not partial:
            raise Unreadable(f"the run in '{folder}' {self.status}; --partial takes what "
                             "it left")
        self.f = open_file(self.path, self.status.startswith("RUNNING"))

    def get(self, path):
        """A data set as an array, or None."""
        try:
            return np.asarray(self.f[path]) if path in self.f else None
        except (OSError, RuntimeError) as e:
            raise Unreadable(f"cannot read '{path}' of '{self.path}': "
                             f"{reason(self.path, e)}") from e

    def attributes(self, path):
        return {k: text(v) for k, v in self.f[path].attrs.items()
                if k != "description"} if path in self.f else {}

    def parameter(self, key, default=""):
        return text(self.f["/parameters"].attrs.get(key, default)
                    if "/parameters" in self.f else default)

    def number(self, key, default=np.nan):
        """A parameter as a number; default where it is missing or none."""
        try:
            return float(self.parameter(key))
        except ValueError:
            return default

    def rows(self, group):
        """Rows that all time-dependent data sets of a group have."""
        if group not in self.f:
            return 0
        sets = [v for v in self.f[group].values() if isinstance(v, h5py.Dataset)]
        growing = [v.shape[0] for v in sets if v.maxshape and v.maxshape[0] is None]
        return min(growing, default=0)

    def series(self, group, field="value"):
        """(time, values), or None where nothing was recorded."""
        t, y = self.get(f"{group}/time"), self.get(f"{group}/{field}")
        if t is None or y is None:
            return None
        n = min(len(t), len(y), self.rows(group) or len(t))
        return (t[:n], y[:n]) if n > 0 else None

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
        followed = ()  # named by the run itself: "/spectrum/covariance"
        if "/spectrum" in self.f and "followed" in self.f["/spectrum"].attrs:
            followed = (text(self.f["/spectrum"].attrs["followed"]).rsplit("/", 1)[-1],)
        order = followed + MATRICES.get(self.loss, ()) + OTHERS
        have = [m for m in order if f"/spectrum/{m}" in self.f]
        if not have:
            raise Unreadable(f"the run in '{self.folder}' holds no spectrum")
        if wanted and wanted not in have:
            raise Unreadable(f"no /spectrum/{wanted} in '{self.folder}', only "
                             + ", ".join(dict.fromkeys(have)))
        return wanted or have[0]

    def spectrum(self, matrix, modes=None):
        """(time, eigenvalues [T, modes])."""
        found = self.series(f"/spectrum/{matrix}", "eigenvalues")
        if found is None:
            raise Unreadable(f"the run in '{self.folder}' holds no snapshot yet")
        return found[0], found[1][:, :modes]

    def features(self, modes=None):
        """(time, eigenvalues [T, modes]) of the encoder's output, or None without."""
        matrix = self.features_matrix()
        found = matrix and self.series(f"/features/spectrum/{matrix}", "eigenvalues")
        return found and (found[0], found[1][:, :modes])

    def features_matrix(self):
        """That in which the features' modes are followed, or None."""
        group = self.f.get("/features/spectrum")
        return group and text(group.attrs["followed"]).rsplit("/", 1)[-1]

    def steps(self, field="time_measured"):
        """A column of /steps, NaN where a mode has none; empty where the run has not."""
        found = self.get(f"/steps/{field}")
        if found is None and not self.model:  # the names of forecasts before
            found = self.get(f"/steps/{field.replace('forecast', 'predicted')}")
        return np.array([]) if found is None else found

    def learned(self, time=np.inf):
        """Number of modes learned by then, with those that were from the start."""
        return self.notes().count(FROM_START) + int(np.sum(self.steps() <= time))

    def forecasts(self):
        """(time, mode, its forecast time, half the width of the 68 % interval, NaN where
        there is none) of the next transition at each snapshot.
        """
        said = self.series("/forecast", "time_forecast") or self.series(
            "/forecast", "time_predicted")
        mode = self.series("/forecast", "mode")
        error = self.series("/forecast", "time_error") or said and (0, np.nan * said[1])
        return said and mode and (said[0], mode[1].astype(int), said[1], error[1])

    def notes(self):
        """Of each mode: why it has no transition, or "unstable"; "" for most."""
        state = self.steps("state")
        return [NOTES[int(s)] if 0 <= s < len(NOTES) else "" for s in state]

    def verdict(self):
        """For how many modes the prediction from the start held, and the first that it
        missed, in a sentence; "" where nothing was predicted of a mode that was learned.
        """
        ratio = self.steps("log_ratio_start")
        known = np.flatnonzero(np.isfinite(ratio))  # learned and predicted
        if len(known) == 0:
            return ""
        missed = known[abs(ratio[known]) > np.log(1.25)]  # the factor that /score has
        start = "The prediction from the start held (within a factor of 1.25) for"
        if len(known) == 1 and len(missed) == 0:
            return f"{start} the only mode that was learned and predicted."
        if len(missed) == 0:
            return f"{start} all {len(known)} modes that were learned and predicted."
        k = missed[0]
        how = "earlier" if ratio[k] < 0 else "later"
        return (f"{start} {len(known) - len(missed)} of {len(known)} modes that were "
                f"learned and predicted; the first that it missed, mode {k + 1}, came "
                f"{np.exp(abs(ratio[k])):.2g} times {how}.")

    def limits(self):
        """What the prediction from the start leaves open or is known to miss, in
        sentences; "" where nothing is."""
        said = self.texts("/theory/limits") or []
        return "".join(f" {s[:1].upper()}{s[1:]}." for s in said)

    def classes(self):
        """(label of each probe sample, names of the classes), or None without labels."""
        label = self.get("/embedding/label")
        if label is None or not np.any(label >= 0):
            return None
        names = self.texts("/embedding/class_name")
        if names is None:  # files before: an attribute, a blank between two names
            stored = self.f["/embedding/label"].attrs.get("class_names", "")
            names = ([text(v) for v in stored.ravel()] if isinstance(stored, np.ndarray)
                     else [n for n in text(stored).split(" ") if n])
        names += [str(k) for k in range(len(names), int(label.max()) + 1)]
        return label, names

    def texts(self, path):
        """A data set of texts as a list, or None."""
        stored = self.get(path)
        return None if stored is None else [text(v) for v in stored.ravel()]

    def files(self):
        """The file of each probe sample, below the folder of the data, or None where the
        data are not files."""
        return self.texts("/embedding/file")

    def points(self):
        """(time, [T, n, 3]) probe embeddings, each snapshot rotated or reflected (not
        scaled) onto the next one: the axes are the last snapshot's principal directions.
        """
        found = self.series("/embedding", "pca")
        if found is None or found[1].shape[2] < 3:
            raise Unreadable(f"the run in '{self.folder}' holds no /embedding/pca of "
                             "three directions")
        x = np.nan_to_num(found[1].astype(float))
        for i in range(len(x) - 2, -1, -1):
            u, _, v = np.linalg.svd(x[i].T @ x[i + 1])
            x[i] = x[i] @ (u @ v)
        return found[0], x

    # ---- as xarray objects
    def dataset(self, group):
        """A group with a time axis as xarray.Dataset: coordinates time and step, units
        and description of each variable in its attributes.
        """
        import xarray
        n = self.rows(group)
        if n == 0 or f"{group}/time" not in self.f:
            raise Unreadable(f"the run in '{self.folder}' holds no series '{group}'")
        variables = {}
        for name, item in self.f[group].items():
            if not isinstance(item, h5py.Dataset) or item.shape[:1] < (n,):
                continue
            if name in ("time", "step") or item.maxshape[0] is not None:
                continue
            axes = ["time"] + [self.axis(item, i) for i in range(1, item.ndim)]
            variables[name] = (axes, item[:n], self.described(item))
        time_axis = self.f[f"{group}/time"]
        coordinates = {"time": ("time", time_axis[:n], self.described(time_axis)),
                       "step": ("time", self.f[f"{group}/step"][:n])}
        return xarray.Dataset(variables, coordinates,
                              {"run": self.folder, "group": group})

    @staticmethod
    def axis(item, i):
        names = item.dims[i].keys()
        return names[0] if names else f"axis{i}"

    @staticmethod
    def described(item):
        return {k: text(item.attrs[k]) for k in ("units", "description")
                if k in item.attrs}

    def eigenvalues(self, matrix=None, of="embedding"):
        """lambda_k(t) of the followed matrix, or of the one named: xarray.DataArray
        [time, mode], mode counted from 1; of "embedding" or "features".
        """
        group = f"/spectrum/{self.matrix(matrix)}"
        if of == "features":
            group = f"/features/spectrum/{matrix or self.features_matrix()}"
        values = self.dataset(group)["eigenvalues"]
        values = values.rename({values.dims[1]: "mode"})
        return values.assign_coords(mode=np.arange(1, values.sizes["mode"] + 1))

    def step_table(self):
        """/steps as xarray.Dataset over mode."""
        import xarray
        if "/steps" not in self.f or "mode" not in self.f["/steps"]:
            raise Unreadable(f"the run in '{self.folder}' holds no /steps yet")
        mode = self.f["/steps/mode"][:].astype(int)
        columns = dict(self.f["/steps"])
        for kind in ("step", "time"):  # two names of one column
            if f"{kind}_forecast" in columns:
                columns.pop(f"{kind}_predicted", None)
        return xarray.Dataset({n: ("mode", v[:], self.described(v))
                               for n, v in columns.items()
                               if n != "mode" and v.shape == mode.shape},
                              {"mode": mode})


def open_run(folder, partial=False):
    """Open an output folder. partial: also that of a failed run, as far as it got."""
    return Run(folder, partial)
