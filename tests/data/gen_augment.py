#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""gen_augment.py  Reference numbers of single augmentation steps at fixed parameters,
from Pillow and torchvision:  gen_augment.py > augment_reference.h

All images are planar [3, h, w] u8. Pillow serves for luma, solarisation and resizing;
torchvision in floating point for the others, because Pillow cuts off fractions, rounds
hue to 256 values and approaches the Gaussian by boxes.
"""
import numpy as np
import PIL
import torch
import torchvision
from PIL import Image, ImageOps
from torchvision.transforms import functional as tv

H, W = 10, 12


def picture():
    """Smooth colours, some noise, and pixels at the ends of the range and of grey."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0:H, 0:W]
    planes = [128 + 90 * np.sin(0.5 * x + 0.3 * y + c) + 20 * rng.normal(size=(H, W))
              for c in (0.0, 1.5, 3.2)]
    image = np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)
    image[0, 0], image[0, 1], image[0, 2] = 0, 255, 77
    image[1, 0], image[1, 1], image[1, 2] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    image[2, 0], image[2, 1] = (127, 128, 129), (128, 127, 128)
    return image


def planar(image):
    return np.asarray(image).transpose(2, 0, 1)


def floating(image, change):
    x = torch.from_numpy(planar(image).copy()).to(torch.float64) / 255
    return np.rint(255 * change(x).numpy()).astype(np.uint8)


def resized(image, box, size, kind):
    """In floating point: on u8 images Pillow rounds between the two directions."""
    planes = [np.asarray(Image.fromarray(p.astype(np.float32)).crop(box)
                         .resize(size, kind)) for p in planar(image)]
    return np.rint(np.clip(np.stack(planes), 0, 255)).astype(np.uint8)


def show(name, values):
    text = [str(int(v)) for v in values.ravel()]
    print(f'static const uint8_t {name}[{len(text)}] = {{')
    line = '   '
    for item in text:
        if len(line) + len(item) + 2 > 88:
            print(line)
            line = '   '
        line += f' {item},'
    print(line + '};')


def main():
    image = picture()
    pil = Image.fromarray(image)
    print('/* SPDX-License-Identifier: BSD-3-Clause */')
    print('/** @file augment_reference.h  Written by gen_augment.py with Pillow '
          f'{PIL.__version__} and\n *  torchvision {torchvision.__version__}. */')
    print('#ifndef ES_TESTS_AUGMENT_REFERENCE_H\n#define ES_TESTS_AUGMENT_REFERENCE_H\n')
    print(f'enum {{ REF_H = {H}, REF_W = {W} }};\n')
    print('/* clang-format off */')
    show('ref_image', planar(image))
    for name, change in (('brightness', tv.adjust_brightness),
                         ('contrast', tv.adjust_contrast),
                         ('saturation', tv.adjust_saturation)):
        for label, factor in (('low', 0.4), ('high', 1.7)):
            show(f'ref_{name}_{label}',
                 floating(image, lambda x, c=change, f=factor: c(x, f)))
    for label, turn in (('up', 0.08), ('down', -0.3)):
        show(f'ref_hue_{label}', floating(image, lambda x, t=turn: tv.adjust_hue(x, t)))
    show('ref_gray', planar(tv.rgb_to_grayscale(pil, 3)))
    show('ref_solarize', planar(ImageOps.solarize(pil, 128)))
    for label, kernel, sigma in (('small', 7, 0.7), ('large', 17, 2.0)):
        show(f'ref_blur_{label}',
             floating(image, lambda x, k=kernel, s=sigma: tv.gaussian_blur(x, k, s)))
    for label, size, box in (('down', (5, 4), (1, 2, 12, 9)),
                             ('up', (14, 9), (3, 1, 8, 6))):
        for filt, kind in (('bilinear', Image.BILINEAR), ('bicubic', Image.BICUBIC)):
            show(f'ref_{filt}_{label}', resized(image, box, size, kind))
    print('/* clang-format on */\n\n#endif')


main()
