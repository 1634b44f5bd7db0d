#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Write tangent.safetensors, the tangent kernels that ref_tangent.c compares with.

Needs PyTorch and torchvision, as gen_parity.py, whose generator and ResNet-50 it takes.
Weights and images are drawn on both sides: tensor v of the model is
size x (normal numbers of index 1000 + v), with 1 added to gains of batch norm; size is
sqrt(2 / fan_in) for matrices and 0.25 for gains and biases. Double precision.

Batch norm is held constant at the statistics of the images: per view while they are
taken, mean and variance over both views together.

Tensors, per case K, for one combination u of the outputs:
  K.z [N, D]      outputs, first views then second
  K.theta [N, N]  <grad u.f(x_i), grad u.f(x_j)> over all parameters, by autograd
  K.share [L]     share of each layer in the trace of theta
Usage: gen_tangent.py [OUT.safetensors]
"""
import pathlib
import sys

import numpy as np
import torch

import gen_parity
from gen_parity import normal, save

N, D, SIDE, MLP = 8, 6, 32, (9, 7)
INDEX_IMAGES, INDEX_TENSORS = 1, 1000
U = (0.5, -0.5, 0.1, 0.3, -0.2, 0.4)
gen_parity.SEED = 3


class Resnet(torch.nn.Module):
    """A quarter-width ResNet-50 with one linear layer."""
    name, shape = "quarter50", (3, SIDE, SIDE)

    def __init__(self):
        super().__init__()
        self.encoder = gen_parity.Encoder(16)
        self.last = torch.nn.Linear(512, D)

    def forward(self, x):
        return self.last(self.encoder(x))

    def tensors(self):
        """(tensor, layer) in the order in which our network declares them."""
        known = dict(self.encoder.named_parameters())
        names = [name for name, _ in gen_parity.order() if name in known]
        pairs = [(known[name], name.rsplit(".", 1)[0]) for name in names]
        return pairs + [(p, "last") for p in self.last.parameters()]


class Mlp(torch.nn.Module):
    """Two hidden layers, then one with batch norm, then the last."""
    name, shape = "mlp", (3, 4, 4)

    def __init__(self):
        super().__init__()
        widths = (3 * 4 * 4, *MLP, 8, D)
        self.linear = torch.nn.ModuleList(
            torch.nn.Linear(a, b) for a, b in zip(widths, widths[1:]))
        self.bn = torch.nn.BatchNorm1d(8)

    def forward(self, x):
        x = x.flatten(1)
        for layer in self.linear[:2]:
            x = torch.relu(layer(x))
        return self.linear[3](torch.relu(self.bn(self.linear[2](x))))

    def tensors(self):
        order = [*self.linear[:3], self.bn, self.linear[3]]
        return [(p, id(layer)) for layer in order for p in layer.parameters()]


def fill(model):
    """Values of the trained tensors. Running averages lie between them in our order."""
    index = 0
    with torch.no_grad():
        for tensor, _ in model.tensors():
            size = 0.25
            if tensor.ndim > 1:
                size = np.sqrt(2.0 / np.prod(tensor.shape[1:]))
            x = size * normal(INDEX_TENSORS + index, gen_parity.STREAM_TEST,
                              tensor.numel())
            gain = tensor.ndim == 1 and bool((tensor == 1).all())
            x = (x + 1.0 if gain else x).astype(np.float32)
            tensor.copy_(torch.from_numpy(x).reshape(tensor.shape))
            index += 1


def hold_batch_norm(model, x):
    """Constant statistics: those of x, passed view by view, over both views."""
    seen = {}
    kinds = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)
    norms = [m for m in model.modules() if isinstance(m, kinds)]
    hooks = [m.register_forward_pre_hook(
        lambda m, inputs: seen.setdefault(m, []).append(inputs[0].detach()))
        for m in norms]
    model.train()
    with torch.no_grad():
        for view in x.chunk(2):
            model(view)
    for hook in hooks:
        hook.remove()
    for m in norms:
        rows = torch.cat(seen[m]).transpose(0, 1).flatten(1)
        m.running_mean.copy_(rows.mean(1))
        m.running_var.copy_(rows.var(1, unbiased=False))
    model.eval()


def case(model):
    model = model.double()
    fill(model)
    count = N * int(np.prod(model.shape))
    x = normal(INDEX_IMAGES, gen_parity.STREAM_TEST, count).astype(np.float32)
    x = torch.from_numpy(x).double().reshape(N, *model.shape)
    hold_batch_norm(model, x)
    z = model(x)
    u = torch.from_numpy(np.array(U, np.float32)).double()
    tensors = model.tensors()
    layers = list(dict.fromkeys(layer for _, layer in tensors))
    theta = np.zeros((N, N))
    trace = np.zeros(len(layers))
    rows = [torch.autograd.grad(z[i] @ u, [t for t, _ in tensors], retain_graph=True)
            for i in range(N)]
    for k, (_, layer) in enumerate(tensors):
        g = torch.stack([row[k].flatten() for row in rows]).numpy()
        theta += g @ g.T
        trace[layers.index(layer)] += (g * g).sum()
    return {"z": z.detach().numpy(), "theta": theta, "share": trace / trace.sum()}


def main():
    here = pathlib.Path(__file__).resolve().parent
    name = sys.argv[1] if len(sys.argv) > 1 else here / "tangent.safetensors"
    path = pathlib.Path(name)
    tensors = {}
    for model in (Resnet(), Mlp()):
        for key, value in case(model).items():
            tensors[f"{model.name}.{key}"] = value
    save(path, tensors)
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
