#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Views a second and core: ours beside torchvision's, in turns, on the same images.

    peer_augment.py EIGENSTEP [--rounds N] [RUN.ini] [section.key=value ...]

The images are records of the run's data set (default: generated ones of 96 x 96), the
list and its parameters those of the run, for both. torchvision gets them decoded, as
Pillow images in memory, and one thread; its blur is run twice, as torchvision's
GaussianBlur (kernel 0.1 of the side, as SimCLR's) and as Pillow's filter (official Barlow
Twins). Ours is `bench augment` without reading. All times are processor times of one
thread, since machines are shared.
"""
import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np
import torch
from PIL import Image, ImageFilter
from torchvision import transforms as tv

from peer_steps import normalisation, steps_of

RECORDS = 128
DEFAULTS = ("data.name=deadleaves", "data.size=96",
            "augment.list=crop,flip,jitter,gray,blur,normalize")


class PillowBlur:
    def __init__(self, low, high):
        self.low, self.high = low, high

    def __call__(self, image):
        sigma = self.low + (self.high - self.low) * torch.rand(1).item()
        return image.filter(ImageFilter.GaussianBlur(sigma))


def records(program, arguments):
    """Images of the run, and its parameters."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/views.h5"
        subprocess.run([program, "views", *arguments, f"views.file={file}",
                        f"views.count={RECORDS}", "views.normalized=true"],
                       check=True, stdout=subprocess.DEVNULL)
        with h5py.File(file, "r") as f:
            if "image" not in f:
                sys.exit("peer_augment.py: the records are no images of one size")
            key = {k: v.decode() if isinstance(v, bytes) else v
                   for k, v in f["/parameters"].attrs.items()}
            images = [Image.fromarray(np.ascontiguousarray(x.transpose(1, 2, 0)))
                      for x in f["/image"][:]]
            return images, key, f["/view1"].shape[-1]


def ours(program, arguments):
    fixed = ("bench.augment.steps=0", f"batch.pairs={RECORDS}",
             f"spectrum.probe={RECORDS}")
    done = subprocess.run([program, "bench", "augment", *arguments, *fixed],
                          check=True, stdout=subprocess.PIPE, text=True)
    return float(re.search(r"; ([0-9.]+) without reading", done.stdout).group(1))


def theirs(steps, images):
    begun = time.process_time()
    for image in images:
        steps(image)
        steps(image)
    return 2 * len(images) / (time.process_time() - begun)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("program")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("arguments", nargs="*",
                   help="[RUN.ini] [section.key=value ...]")
    o = p.parse_intermixed_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    given = o.arguments
    file = [given.pop(0)] if given and "=" not in given[0] else ["-"]
    arguments = file + (list(DEFAULTS) if file == ["-"] else []) + given
    images, key, side = records(o.program, arguments)
    print(f"{key['data.name']}, views {side} x {side}: {key['augment.list']}")
    peers = {name: tv.Compose([*steps_of(tv, key, side, blur), tv.ToTensor(),
                               *normalisation(tv, key)])
             for name, blur in (("torchvision", None),
                                ("torchvision, Pillow's blur", PillowBlur))}
    rate = {name: [] for name in ("ours", *peers)}
    for steps in peers.values():
        theirs(steps, images[:16])
    for _ in range(o.rounds):
        rate["ours"].append(ours(o.program, arguments))
        for name, steps in peers.items():
            rate[name].append(theirs(steps, images))
    print(f"{'views/s a core':28s} {'min':>9s} {'median':>9s} {'max':>9s} {'ours':>9s}")
    for name, r in rate.items():
        ratio = statistics.median(a / b for a, b in zip(rate["ours"], r))
        print(f"{name:28s} {min(r):9.0f} {statistics.median(r):9.0f} "
              f"{max(r):9.0f} {ratio:8.1f}x")


main()
