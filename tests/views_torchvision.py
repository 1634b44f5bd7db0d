#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""views_torchvision.py  Our views beside torchvision's:  views_torchvision.py EMIT_VIEWS

Single steps at fixed parameters, in grey levels, after rounding ours: beside torchvision
on Pillow images (what the public recipes run) and on floating-point tensors. Then the
windows of 20,000 random resized crops: two-sample Kolmogorov-Smirnov distance of each
statistic.

Where the bound is for one of the two only, the other is another method: Pillow clamps to
[0, 255] between the two directions of resizing, as we do, and knows 256 hues; resized
tensors are clamped at the end. Blur is torchvision's Gaussian; Pillow's own filter, which
approaches it by boxes, is shown for comparison.
"""
import subprocess
import sys

import numpy as np
import torch
from PIL import Image, ImageFilter
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms import functional as tv

SIDE = 96
BILINEAR, BICUBIC = InterpolationMode.BILINEAR, InterpolationMode.BICUBIC
failures = 0


def picture():
    """Smooth colours with edges and noise; some of it at the ends of the range."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    noise = 12 * rng.normal(size=(3, SIDE, SIDE))
    planes = [128 + 110 * np.sin(0.11 * x + 0.07 * y * c + c) + n
              for n, c in zip(noise, (0.3, 1.5, 3.2))]
    image = np.stack(planes, -1)
    image[20:50, 30:70] = (250, 240, 20)
    image[60:80, 10:40] = (5, 90, 160)
    image[(x + y) % 37 == 0] = 0
    return np.clip(image, 0, 255).astype(np.uint8)


def ours(emit, image, *arguments):
    done = subprocess.run([emit, str(SIDE), str(SIDE), *map(str, arguments)],
                          input=image.tobytes(), stdout=subprocess.PIPE, check=True)
    return done.stdout


def our_image(emit, image, *arguments):
    planes = np.frombuffer(ours(emit, image, *arguments), np.float32).reshape(3, -1)
    side = int(round(planes.shape[1] ** 0.5))
    return np.rint(planes.reshape(3, side, side)).transpose(1, 2, 0)


def say(good, text):
    global failures
    failures += not good
    print(text if good else text + "   <-- FAIL")


def report(name, got, pillow, tensor, bound_pillow, bound_tensor):
    text = f"{name:32s}"
    good = True
    for kind, other, bound in (("Pillow", pillow, bound_pillow),
                               ("tensor", tensor, bound_tensor)):
        gap = np.abs(got - other)
        text += f"  {kind}: max {gap.max():4.0f} mean {gap.mean():7.4f}"
        text += f" (<= {bound})" if bound is not None else " (-)   "
        good &= bound is None or gap.max() <= bound
    say(good, text)


def compare(emit, name, arguments, change, bound_pillow=1, bound_tensor=1):
    image = picture()
    got = our_image(emit, image, *arguments)
    pil = Image.fromarray(image)
    by_pillow = np.asarray(change(pil), np.float64)
    x = torch.from_numpy(image.transpose(2, 0, 1).copy()).to(torch.float64) / 255
    by_tensor = np.rint(255 * change(x).clamp(0, 1).numpy().transpose(1, 2, 0))
    report(name, got, by_pillow, by_tensor, bound_pillow, bound_tensor)


def resized(box, size, mode):
    def change(image):
        more = {"antialias": True} if torch.is_tensor(image) else {}
        return tv.resized_crop(image, *box, [size, size], mode, **more)
    return change


def pixels(emit):
    for box, size in (((5, 9, 40, 53), 96), ((10, 3, 80, 90), 96), ((0, 0, 96, 96), 32),
                      ((30, 40, 27, 31), 224), ((7, 8, 85, 33), 48)):
        for label, mode in (("bilinear", BILINEAR), ("bicubic", BICUBIC)):
            compare(emit, f"{label} {box[2]}x{box[3]} -> {size}",
                    ("resize", label, *box, size), resized(box, size, mode),
                    bound_tensor=1 if mode == BILINEAR else None)
    compare(emit, "flip", ("flip",), tv.hflip, 0, 0)
    for f in (0.2, 0.6, 1.4, 1.8):
        for label, change in (("brightness", tv.adjust_brightness),
                              ("contrast", tv.adjust_contrast),
                              ("saturation", tv.adjust_saturation)):
            compare(emit, f"{label} {f}", (label, f), lambda i, c=change, v=f: c(i, v))
    for turn in (-0.4, -0.1, 0.05, 0.2, 0.5):
        compare(emit, f"hue {turn}", ("hue", turn), lambda i, t=turn: tv.adjust_hue(i, t),
                bound_pillow=None)
    compare(emit, "gray", ("gray",), lambda i: tv.rgb_to_grayscale(i, 3))
    compare(emit, "solarize 128", ("solarize",),
            lambda i: tv.solarize(i, 128 / 255 if torch.is_tensor(i) else 128), 0, 0)
    for sigma, kernel in ((0.1, 3), (0.5, 5), (1.0, 9), (2.0, 17)):
        compare(emit, f"blur sigma {sigma}",
                ("blur", f"sigma_min={sigma}", f"sigma_max={sigma}"),
                lambda i, k=kernel, s=sigma: tv.gaussian_blur(i, [k, k], [s, s]))
    for sigma in (0.5, 1.0, 2.0):
        image = picture()
        got = our_image(emit, image, "blur", f"sigma_min={sigma}", f"sigma_max={sigma}")
        boxes = Image.fromarray(image).filter(ImageFilter.GaussianBlur(sigma))
        gap = np.abs(got - np.asarray(boxes, np.float64))
        print(f"{'blur ' + str(sigma) + ', boxes of Pillow':32s}  max {gap.max():4.0f} "
              f"mean {gap.mean():7.4f}")


def distance(a, b):
    """Largest gap of the two empirical distribution functions."""
    both = np.concatenate((a, b))
    of = [np.searchsorted(np.sort(s), both, side="right") / len(s) for s in (a, b)]
    return np.abs(of[0] - of[1]).max()


def crops(emit, n=20000):
    # two samples of one distribution: above 1.95 sqrt(2 / n) in one of a thousand draws
    bound = 1.95 * (2 / n) ** 0.5
    for low, high in ((0.08, 1.0), (0.2, 1.0), (0.9, 1.0)):
        raw = ours(emit, picture(), "windows", n, low, high)
        mine = np.frombuffer(raw, np.int32).reshape(n, 4).astype(np.float64)
        torch.manual_seed(1)
        image = Image.fromarray(picture())
        other = np.array([RandomResizedCrop.get_params(image, (low, high), (3 / 4, 4 / 3))
                          for _ in range(n)], np.float64)
        text, worst = [], 0
        for name, statistic in (("area", lambda w: w[:, 2] * w[:, 3]),
                                ("ratio", lambda w: w[:, 3] / w[:, 2]),
                                ("y", lambda w: w[:, 0]), ("x", lambda w: w[:, 1]),
                                ("height", lambda w: w[:, 2]),
                                ("width", lambda w: w[:, 3])):
            gap = distance(statistic(mine), statistic(other))
            worst = max(worst, gap)
            text.append(f"{name} {gap:.4f}")
        say(worst <= bound, f"{n} crops, scale {low}-{high}, K-S distances: "
                            f"{', '.join(text)} (<= {bound:.4f})")


def main():
    pixels(sys.argv[1])
    crops(sys.argv[1])
    return 1 if failures else 0


sys.exit(main())
