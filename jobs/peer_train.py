#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The training of a run.ini in plain PyTorch: what a user would otherwise write.

    peer_train.py RUN.ini OUT.h5 [--workers N] [--threads N]

RUN.ini is that of an output folder, which holds every parameter. From the files of
cifar10 or stl10 by a DataLoader with worker processes and torchvision's transforms (v2
where it has them), through torchvision's ResNet in channels-last (autocast to bf16 where
backend.precision is), a linear last layer and Barlow Twins without normalisation, to
gradient descent; and every spectrum.every steps the loss and the covariance's eigenvalues
of the embeddings of spectrum.probe held-out pairs, with the statistics of their batches.
OUT.h5: /loss of each step, /step and /eigenvalues of the snapshots. A recipe that this
does not know is refused. Prints the seconds from the first step to the last snapshot.
--workers and --threads: by default as many as there are cores.
"""
import argparse
import configparser
import os
import sys
import time

import h5py
import numpy as np
import torch
import torchvision
from torch.utils.data import DataLoader, Dataset

from peer_steps import normalisation, steps_of

try:
    from torchvision.transforms import v2 as tv
except ImportError:  # before torchvision 0.15
    from torchvision import transforms as tv

# Bytes of an image's record, of the label before it, its side, whether planes are column
# by column; files of training and of the probe.
FORMATS = {"cifar10": (3072, 1, 32, False), "stl10": (27648, 0, 96, True)}
FILES = {"cifar10": ([f"data_batch_{i}.bin" for i in range(1, 6)], ["test_batch.bin"]),
         "stl10": (["train_X.bin"], ["test_X.bin"])}
# What this training does; anything else is another recipe.
FIXED = {"loss.name": "barlow", "loss.barlow.normalize": "none",
         "loss.barlow.symmetrize": "true", "loss.barlow.scale": "1", "optim.name": "sgd",
         "optim.lr_1d": "1", "optim.nesterov": "false", "sched.name": "constant",
         "sched.warmup": "0", "projector.bias": "false", "init.scale": "1",
         "init.last": "uniform", "encoder.base_width": "64", "encoder.weights": "",
         "augment.crop.mode": "resized"}


def give_up(sentence):
    sys.exit(f"peer_train.py: {sentence}")


def read_key(path):
    """Parameters of a run.ini by section.name."""
    ini = configparser.ConfigParser(interpolation=None)
    with open(path, encoding="utf-8") as f:
        ini.read_file(f)
    key = {f"{s}.{name}": value for s in ini.sections() for name, value in ini[s].items()}
    for name, expected in FIXED.items():
        if key[name] != expected:
            give_up(f"{name}: got '{key[name]}', expected '{expected}'")
    if key["data.name"] not in FORMATS or "," in key["projector.widths"]:
        give_up(f"got data.name = {key['data.name']}, projector.widths = "
                f"{key['projector.widths']}, expected {' or '.join(FORMATS)}, one layer")
    if not key["spectrum.every"].isdigit() or any(k.startswith("view2.") for k in key):
        give_up("expected spectrum.every = N and two views of one kind")
    return key


class Pairs(Dataset):
    """Two views of each image, read from the files as they are needed."""

    def __init__(self, key, names):
        size, label, side, self.turned = FORMATS[key["data.name"]]
        paths = [os.path.join(key["data.path"], name) for name in names]
        self.maps = [np.memmap(p, np.uint8, "r").reshape(-1, label + size)[:, label:]
                     for p in paths if os.path.exists(p)]
        if not self.maps:
            give_up(f"no {names[0]} in '{key['data.path']}'")
        self.first = np.cumsum([0] + [len(m) for m in self.maps])
        self.side = side
        steps = steps_of(tv, key, int(key["augment.crop.size"]) or side)
        to_float = tv.ConvertImageDtype(torch.float32)
        self.view = tv.Compose([*steps, to_float, *normalisation(tv, key)])

    def __len__(self):
        return int(self.first[-1])

    def __getitem__(self, i):
        part = int(np.searchsorted(self.first, i, "right")) - 1
        record = self.maps[part][i - self.first[part]].reshape(3, self.side, self.side)
        image = torch.from_numpy(record.transpose(0, 2, 1).copy() if self.turned
                                 else record.copy())
        return self.view(image), self.view(image)


def network(key):
    """torchvision's, as encoder, projector and init describe it."""
    net = torchvision.models.get_model(
        key["encoder.name"], weights=None,
        zero_init_residual=key["encoder.zero_init_residual"] == "true")
    if key["encoder.stem"] == "cifar":
        net.conv1 = torch.nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        torch.nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out",
                                      nonlinearity="relu")
        net.maxpool = torch.nn.Identity()
    width = net.fc.in_features
    net.fc = torch.nn.Linear(width, int(key["projector.widths"]), bias=False)
    scale = float(key["init.scale_last"]) / width ** 0.5
    torch.nn.init.uniform_(net.fc.weight, -scale, scale)
    return net.to(memory_format=torch.channels_last).train()


class Training:
    def __init__(self, key, workers):
        self.key = key
        torch.manual_seed(int(key["run.seed"]))
        self.net = network(key)
        self.optimiser = torch.optim.SGD(
            self.net.parameters(), lr=float(key["optim.lr"]),
            momentum=float(key["optim.momentum"]),
            weight_decay=float(key["optim.weight_decay"]))
        data, held_out = (Pairs(key, names) for names in FILES[key["data.name"]])
        pairs, probe = int(key["batch.pairs"]), int(key["spectrum.probe"])
        self.loader = DataLoader(data, pairs, shuffle=True, drop_last=True,
                                 num_workers=workers, persistent_workers=workers > 0)
        first = DataLoader(torch.utils.data.Subset(held_out, range(probe)), pairs,
                           num_workers=workers)
        self.probe = [tuple(v.clone() for v in views) for views in first]
        self.losses, self.steps, self.spectra = [], [], []

    def embed(self, views, precision):
        x = torch.cat(views).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            z = self.net(x)
        return z.float().chunk(2)

    def loss(self, za, zb):
        key = self.key
        if key["loss.barlow.center"] == "true":
            za, zb = za - za.mean(0), zb - zb.mean(0)
        c = (za.T @ zb + zb.T @ za) / (2 * len(za))
        diagonal = torch.eye(len(c), dtype=torch.bool)
        off = c[~diagonal].square().sum()
        return (c.diagonal() - 1).square().sum() + float(key["loss.barlow.offdiag"]) * off

    def step(self, views):
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.loss(*self.embed(views, self.key["backend.precision"]))
        loss.backward()
        self.optimiser.step()
        self.losses.append(loss.item())

    @torch.no_grad()
    def snapshot(self):
        parts = [self.embed(v, self.key["spectrum.precision"]) for v in self.probe]
        za, zb = (torch.cat(view).double() for view in zip(*parts))
        z = torch.cat([za, zb])
        self.steps.append(len(self.losses))
        self.spectra.append(torch.linalg.eigvalsh(torch.cov(z.T)).flip(0).numpy())
        print(f"step {len(self.losses)}: probe loss {self.loss(za, zb):.4f}, largest "
              f"eigenvalue {self.spectra[-1][0]:.4g}", flush=True)

    def batches(self):
        while True:
            yield from self.loader

    def run(self):
        last, every = int(self.key["run.steps"]), int(self.key["spectrum.every"])
        for step, views in zip(range(last), self.batches()):
            if step % every == 0:
                self.snapshot()
            self.step(views)
        self.snapshot()

    def write(self, path):
        with h5py.File(path, "w") as f:
            f["loss"], f["step"] = self.losses, self.steps
            f["eigenvalues"] = np.array(self.spectra)


def main():
    cores = len(os.sched_getaffinity(0))
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("ini")
    p.add_argument("out")
    p.add_argument("--workers", type=int, default=cores)
    p.add_argument("--threads", type=int, default=cores)
    o = p.parse_args()
    torch.set_num_threads(o.threads)
    training = Training(read_key(o.ini), o.workers)
    begun = time.perf_counter()
    training.run()
    print(f"torch {torch.__version__}: {time.perf_counter() - begun:.2f} s")
    training.write(o.out)


if __name__ == "__main__":
    main()
