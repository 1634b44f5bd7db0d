# SPDX-License-Identifier: BSD-3-Clause
"""Our augmentations as torchvision's transforms, for the peers of this folder."""


def steps_of(tv, key, side, blur=None):
    """Transforms for augment.list, in its order, but for the normalisation. tv:
    torchvision.transforms or its v2; key: our parameters by name; blur: in place of
    torchvision's GaussianBlur (kernel 0.1 of the side, as SimCLR's), called with the
    smallest and largest sigma.
    """
    def number(name):
        return float(key[f"augment.{name}"])

    def numbers(name):
        return [float(v) for v in str(key[f"augment.{name}"]).split(",")]

    def crop():
        mode = tv.InterpolationMode(key["augment.crop.interpolation"])
        return tv.RandomResizedCrop(side, (number("crop.scale_min"),
                                           number("crop.scale_max")),
                                    numbers("crop.ratio"), mode)

    def jitter():
        names = ("brightness", "contrast", "saturation", "hue")
        one = tv.ColorJitter(*[number(f"jitter.{k}") for k in names])
        return tv.RandomApply([one], number("jitter.p"))

    def blurred():
        low, high = number("blur.sigma_min"), number("blur.sigma_max")
        one = (blur(low, high) if blur is not None
               else tv.GaussianBlur(side // 10 // 2 * 2 + 1, (low, high)))
        return tv.RandomApply([one], number("blur.p"))

    make = {"crop": crop, "flip": lambda: tv.RandomHorizontalFlip(number("flip.p")),
            "jitter": jitter, "gray": lambda: tv.RandomGrayscale(number("gray.p")),
            "blur": blurred,
            "solarize": lambda: tv.RandomSolarize(number("solarize.threshold"),
                                                  number("solarize.p"))}
    return [make[name]() for name in names_of(key) if name in make]


def names_of(key):
    return [name.strip() for name in key["augment.list"].split(",")]


def normalisation(tv, key):
    """Normalize with our means and deviations, where augment.list has it."""
    if "normalize" not in names_of(key):
        return []
    preset = str(key["augment.normalize.preset"])
    if preset != "lists":
        raise ValueError(f"augment.normalize.preset: got '{preset}', expected lists")
    return [tv.Normalize(*[[float(v) for v in
                            str(key[f"augment.normalize.{name}"]).split(",")]
                           for name in ("mean", "std")])]
