#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Write parity.safetensors, the numbers that ref_torch.c compares with.

Needs PyTorch and torchvision (Debian: python3-torch python3-torchvision). Weights and
images are not stored: both sides draw them from the counter-based generator (Philox
4x32-10 of rng.h), which is repeated here in numpy.

The reference is computed in double precision. A ReLU or max-pool whose input lies
within rounding of its kink may go either way in single precision, and one that does
changes gradients by a per cent: at torchvision's initial values PyTorch's own float32
gradients are 1e-2 (relative norm of a tensor) from its float64 ones. So the cases with
a tolerance of 1e-4 have gains in [0.75, 1) and biases in +-[2.25, 2.75), where inputs
near 0 are rare, and images for which all of them keep the distance from 0 that is
printed here. The case `initial` has the initial values and a wide tolerance.

Per tensor the file holds its norm and 8 projections on random signs: their root mean
square difference over the norm estimates the relative norm of the difference. Of the
smallest net it holds every entry.

Tensors, per case K and form F (none, batch):
  K.z [2 pairs, D]   embeddings, first views then second
  K.loss.F [1]       Barlow loss
  K.norm.F [n], K.projection.F [n, 8]   gradients, trainable tensors in the model's order
  K.state_norm [m], K.state_projection [m, 8]   running averages after that forward
  K.steps [5]        losses of 5 SGD steps (form batch), not for `initial`
  K.gradient [N]     whole gradient of form none, flat
Usage: gen_parity.py [OUT.safetensors]
"""
import json
import pathlib
import struct
import sys

import numpy as np
import torch
import torchvision
from torchvision.models.resnet import Bottleneck

SEED, PAIRS, SIDE, WIDTHS = 20230713, 8, 48, (24, 16)
STREAM_INIT, STREAM_TEST = 1, 6
INDEX_BN, INDEX_SIGNS = 10_000, 20_000
CASES = {
    "sixteenth": dict(images=6, base=4, initial=False, whole=True),
    "quarter": dict(images=6, base=16, initial=False, whole=False),
    "full": dict(images=5, base=64, initial=False, whole=False),
    "initial": dict(images=5, base=64, initial=True, whole=False),
}
SGD = dict(lr=2e-5, momentum=0.9, weight_decay=1e-3)
OFFDIAG = {"none": 1.0, "batch": 0.0051}


def philox(index, stream, blocks):
    """u32 [blocks, 4]: the sequence of (SEED, stream, index, 0)."""
    mask = np.uint64(0xFFFFFFFF)
    c = [np.arange(blocks, dtype=np.uint64)]
    rest = (index & 0xFFFFFFFF, index >> 32, stream << 24)
    c += [np.full(blocks, v, np.uint64) for v in rest]
    k = [SEED & 0xFFFFFFFF, SEED >> 32]
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        high = np.uint64(32)
        c = [(b >> high) ^ c[1] ^ np.uint64(k[0]), b & mask,
             (a >> high) ^ c[3] ^ np.uint64(k[1]), a & mask]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return np.stack(c, axis=1)


def uniform(index, stream, n):
    """n uniform numbers in [0, 1), 53 bits of two words each."""
    words = philox(index, stream, (n + 1) // 2).reshape(-1, 2)[:n]
    return ((words[:, 0] << np.uint64(32) | words[:, 1]) >> np.uint64(11)) * 2.0**-53


def normal(index, stream, n):
    """n standard normal numbers, Box-Muller."""
    u = uniform(index, stream, 2 * n).reshape(n, 2)
    return np.sqrt(-2 * np.log(1 - u[:, 0])) * np.cos(2 * np.pi * u[:, 1])


def signs(view, n):
    """[n, 8] of +-1: the low bits of one word per element."""
    words = philox(INDEX_SIGNS + view, STREAM_TEST, (n + 3) // 4).reshape(-1)[:n]
    bits = [words >> np.uint64(k) & np.uint64(1) for k in range(8)]
    return 1.0 - 2.0 * np.stack(bits, axis=1)


def batch_norm(name):
    parts = ("weight", "bias", "running_mean", "running_var")
    return [(f"{name}.{part}", "bn") for part in parts]


def order():
    """Names of a ResNet-50's tensors in the order in which the network is built."""
    names = [("conv1.weight", "conv")] + batch_norm("bn1")
    for stage, blocks in enumerate((3, 4, 6, 3), start=1):
        for i in range(blocks):
            at = f"layer{stage}.{i}"
            for k in (1, 2):
                names += [(f"{at}.conv{k}.weight", "conv")] + batch_norm(f"{at}.bn{k}")
            names += [(f"{at}.conv3.weight", "conv")]
            if i == 0:
                names += [(f"{at}.downsample.0.weight", "conv")]
                names += batch_norm(f"{at}.downsample.1")
            names += batch_norm(f"{at}.bn3")
    names += [("projector.0.weight", "linear")] + batch_norm("projector.0.bn")
    return names + [("projector.1.weight", "linear")]


class Encoder(torchvision.models.ResNet):
    """torchvision's ResNet-50 with `base` channels in its first stage, no classifier."""

    def __init__(self, base):
        super().__init__(Bottleneck, [1, 1, 1, 1], num_classes=1)
        self.inplanes = base
        self.conv1 = torch.nn.Conv2d(3, base, 7, 2, 3, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(base)
        self.layer1 = self._make_layer(Bottleneck, base, 3)
        self.layer2 = self._make_layer(Bottleneck, 2 * base, 4, stride=2)
        self.layer3 = self._make_layer(Bottleneck, 4 * base, 6, stride=2)
        self.layer4 = self._make_layer(Bottleneck, 8 * base, 3, stride=2)
        self.fc = torch.nn.Identity()


class Model(torch.nn.Module):
    def __init__(self, base):
        super().__init__()
        self.encoder = Encoder(base)
        hidden, out = WIDTHS
        self.linear0 = torch.nn.Linear(32 * base, hidden, bias=False)
        self.bn = torch.nn.BatchNorm1d(hidden)
        self.relu = torch.nn.ReLU()
        self.linear1 = torch.nn.Linear(hidden, out, bias=False)

    def forward(self, x):
        return self.linear1(self.relu(self.bn(self.linear0(self.encoder(x)))))

    def tensors(self):
        """{name in our order: tensor}."""
        renamed = {}
        for name, value in list(self.named_parameters()) + list(self.named_buffers()):
            for old, new in (("encoder.", ""), ("linear0.", "projector.0."),
                             ("bn.", "projector.0.bn."), ("linear1.", "projector.1.")):
                if name.startswith(old):
                    renamed[new + name[len(old):]] = value
                    break
        renamed = {name: value for name, value in renamed.items()
                   if not name.endswith("num_batches_tracked")}
        names = [name for name, _ in order()]
        assert sorted(names) == sorted(renamed), set(names) ^ set(renamed)
        return {name: renamed[name] for name in names}


def trained(name):
    return "running_" not in name


def initial_value(view, name, kind, shape, initial):
    n = int(np.prod(shape))
    if kind == "conv":
        x = np.sqrt(2.0 / (shape[0] * shape[2] * shape[3])) * normal(view, STREAM_INIT, n)
    elif kind == "linear":
        x = (2.0 * uniform(view, STREAM_INIT, n) - 1.0) / np.sqrt(shape[1])
    elif initial or not trained(name):
        x = np.full(n, 1.0 if name.endswith(("weight", "running_var")) else 0.0)
    else:
        x = uniform(INDEX_BN + view, STREAM_TEST, n)
        signed = 2.0 * x - 1.0
        bias = 0.5 * signed + np.where(signed < 0, -2.25, 2.25)
        x = 0.75 + 0.25 * x if name.endswith("weight") else bias
    return torch.from_numpy(x.astype(np.float32)).reshape(shape)


def fill(model, initial):
    with torch.no_grad():
        tensors = model.tensors()
        for view, (name, kind) in enumerate(order()):
            shape = tuple(tensors[name].shape)
            tensors[name].copy_(initial_value(view, name, kind, shape, initial))


def barlow(form, za, zb):
    if form == "batch":
        za, zb = ((z - z.mean(0)) / torch.sqrt(z.var(0, unbiased=False) + 1e-5)
                  for z in (za, zb))
    c = za.T @ zb / len(za)
    if form == "none":
        c = (c + c.T) / 2
    on = torch.eye(len(c), dtype=c.dtype)
    return (((c - on) ** 2) * (on + OFFDIAG[form] * (1 - on))).sum()


def summary(tensors):
    """Norms and projections of {view index: array}."""
    flat = {i: t.detach().numpy().reshape(-1) for i, t in tensors.items()}
    norms = [np.linalg.norm(x) for x in flat.values()]
    return np.array(norms), np.array([x @ signs(i, x.size) for i, x in flat.items()])


def steps(model, views):
    """Losses of SGD steps, each before its update."""
    optim = torch.optim.SGD(model.parameters(), **SGD)
    losses = []
    for _ in range(5):
        optim.zero_grad()
        loss = barlow("batch", *(model(x) for x in views))
        loss.backward()
        optim.step()
        losses.append(loss.item())
    return np.array(losses)


def kinks(model):
    """A list that gets, per ReLU of a forward, the least distance of an input from 0."""
    distances = []
    for module in model.modules():
        if isinstance(module, torch.nn.ReLU):
            module.register_forward_pre_hook(
                lambda _, inputs: distances.append(inputs[0].detach().abs().min().item()))
    return distances


def case(images, base, initial, whole):
    views = normal(images, STREAM_TEST, 2 * PAIRS * 3 * SIDE * SIDE).astype(np.float32)
    views = torch.from_numpy(views).double().reshape(2, PAIRS, 3, SIDE, SIDE)
    model = Model(base).double().train()
    fill(model, initial)
    out = {}
    distances = kinks(model)
    z = [model(x) for x in views]
    print(f"inputs of ReLUs are {min(distances):.1e} or more from 0")
    out["z"] = torch.cat(z).detach().numpy()
    tensors = model.tensors()
    state = {i: t for i, (name, t) in enumerate(tensors.items()) if not trained(name)}
    out["state_norm"], out["state_projection"] = summary(state)
    for form in OFFDIAG:
        loss = barlow(form, *z)
        model.zero_grad()
        loss.backward(retain_graph=True)
        grads = {i: t.grad for i, (name, t) in enumerate(tensors.items())
                 if trained(name)}
        out[f"loss.{form}"] = np.array([loss.item()])
        out[f"norm.{form}"], out[f"projection.{form}"] = summary(grads)
        if whole and form == "none":
            flat = [g.numpy().reshape(-1) for g in grads.values()]
            out["gradient"] = np.concatenate(flat)
    if not initial:
        fill(model, initial)
        out["steps"] = steps(model, views)
    return out


def save(path, tensors):
    """The safetensors format: length of the JSON header, header, data."""
    header = {"__metadata__": {
        "description": "PyTorch reference of ref_torch.c, written by gen_parity.py",
        "torch": torch.__version__, "torchvision": torchvision.__version__}}
    data = b""
    for name, value in tensors.items():
        raw = np.ascontiguousarray(value, dtype="<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(value.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    here = pathlib.Path(__file__).resolve().parent
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here / "parity.safetensors"
    tensors = {}
    for name, options in CASES.items():
        for key, value in case(**options).items():
            tensors[f"{name}.{key}"] = value
        print(name, "losses", tensors[f"{name}.loss.none"], tensors[f"{name}.loss.batch"],
              "steps", tensors.get(f"{name}.steps"))
    save(path, tensors)
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
