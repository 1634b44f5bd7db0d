#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Contact sheet of what `eigenstep views` wrote: each image and its two views.

    contact_sheet.py FILE.h5 [-o FILE.png] [--count N] [--columns N]

One group a record: the image (where the file holds it), the first and the second view,
under the record's number and class; of more than N records N that are spread over the
file. Pixels are shown unsmoothed. Views written with views.normalized=true are stretched,
channel by channel, to the range they have.
"""
import argparse
import sys

import packages  # first: it names what is missing
import h5py
import matplotlib.pyplot as plt
import numpy as np

import eigenstep
import script

CELL = 0.95  # inches a picture


def parameter(f, key, default=""):
    value = f["/parameters"].attrs.get(key, default) if "/parameters" in f else default
    return value.decode() if isinstance(value, bytes) else value


def colours(x, stretch):
    """[n, c, h, w] -> [n, h, w, 3] in [0, 1]."""
    x = np.asarray(x, np.float64)
    if stretch:
        low = x.min(axis=(0, 2, 3), keepdims=True)
        x = (x - low) / np.maximum(x.max(axis=(0, 2, 3), keepdims=True) - low, 1e-12)
    return np.clip(x.transpose(0, 2, 3, 1), 0, 1)


def read(path, count):
    with h5py.File(path, "r") as f:
        if f["/view1"].ndim != 4 or f["/view1"].shape[1] != 3:
            sys.exit(f"contact_sheet.py: got /view1 of shape {f['/view1'].shape} in "
                     f"'{path}', expected images [n, 3, h, w]")
        have = len(f["/view1"])
        shown = np.unique(np.linspace(0, have - 1, min(count, have)).round().astype(int))
        stretch = parameter(f, "views.normalized") in ("true", 1, True)
        sets = [("image", f["/image"][shown] / 255.0)] if "/image" in f else []
        sets += [(f"view {k}", f[f"/view{k}"][shown]) for k in (1, 2)]
        pictures = [(name, colours(x, stretch and name != "image")) for name, x in sets]
        title = f"{parameter(f, 'data.name')}: {parameter(f, 'augment.list')}"
        if "/class_name" in f:
            names = [eigenstep.text(n) for n in f["/class_name"]]
        else:  # files before: an attribute, a blank between two names
            names = eigenstep.text(f["/label"].attrs.get("class_names", "")).split()
        labels = [names[k] if 0 <= k < len(names) else f"class {k}" if k >= 0 else ""
                  for k in f["/label"][shown]]
        return pictures, f["/id"][shown], labels, title


def draw(pictures, ids, labels, title, columns, out):
    n, kinds = len(ids), len(pictures)
    columns = min(columns, n)
    rows = -(-n // columns)
    gap, head, margin = 0.22, 0.22, 0.15  # inches
    group = kinds * CELL + gap
    width = columns * group - gap + 2 * margin
    top = 0.55
    height = rows * (CELL + head) + top + margin
    figure = plt.figure(figsize=(width, height))
    for i in range(n):
        x = margin + (i % columns) * group
        y = height - top - (i // columns) * (CELL + head) - CELL - 0.02
        for k, (name, x_all) in enumerate(pictures):
            a = figure.add_axes([(x + k * CELL) / width, y / height, 0.97 * CELL / width,
                                 0.97 * CELL / height])
            a.imshow(x_all[i], interpolation="nearest")
            a.set_axis_off()
            if i < columns:
                figure.text((x + (k + 0.485) * CELL) / width, (height - 0.36) / height,
                            name, ha="center", va="center", fontsize=8, color="0.35")
        figure.text(x / width, (y + CELL + 0.02) / height, f"{ids[i]}  {labels[i]}",
                    fontsize=7, va="bottom")
    figure.text(margin / width, (height - 0.14) / height, title, fontsize=9, va="center")
    figure.savefig(out, dpi=150)
    plt.close(figure)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("file", help="written by eigenstep views")
    p.add_argument("-o", "--output", help="default: FILE with .png for .h5")
    p.add_argument("--count", type=int, default=24, help="records shown (24)")
    p.add_argument("--columns", type=int, default=4, help="records side by side (4)")
    o = p.parse_args()
    if o.count < 1 or o.columns < 1:
        sys.exit("contact_sheet.py: got --count or --columns below 1")
    out = o.output or o.file.removesuffix(".h5") + ".png"
    try:
        pictures = read(o.file, o.count)
    except (OSError, KeyError) as e:
        sys.exit(f"contact_sheet.py: cannot read '{o.file}' as written by eigenstep "
                 f"views: {eigenstep.reason(o.file, e)}")
    draw(*pictures, o.columns, out)
    script.say(out)


main()
