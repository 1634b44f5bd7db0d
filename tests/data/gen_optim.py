#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Ten steps of each optimiser by PyTorch, in double:  gen_optim.py > optim_reference.h

On six tensors whose gradient is a formula, the same in par_optim.c, and on a small
network with a Barlow Twins loss, whose weights and inputs are drawn as in gen_parity.py.
SGD and AdamW are torch.optim's; LARS and Muon are written down here from their formulas.
"""
import numpy as np
import torch
from gen_parity import STREAM_INIT, STREAM_TEST, barlow, normal, uniform

STEPS = 10
SHAPES = [(3, 4), (4,), (2, 3), (2, 2, 2, 2), (5,), (1, 7)]
# name, keys of [optim], keys of [optim.NAME]
CASES = [
    ("sgd", {"momentum": 0.9, "weight_decay": 0.01}, {}),
    ("sgd", {"momentum": 0.9, "weight_decay": 0.01, "nesterov": True, "lr_1d": 0.3}, {}),
    ("adamw", {"weight_decay": 0.1}, {}),
    ("adamw", {"weight_decay": 0.1, "lr_1d": 0.5},
     {"beta1": 0.8, "beta2": 0.95, "eps": 1e-3, "decay_1d": False}),
    ("adamw", {"weight_decay": 0.1}, {"decay_1d": False}),
    ("lars", {"momentum": 0.9, "weight_decay": 0.02, "lr_1d": 0.24}, {"eta": 0.05}),
    ("lars", {"momentum": 0.9, "weight_decay": 0.02},
     {"eta": 0.05, "buffer": "step", "exclude_1d": False}),
    ("lars", {"momentum": 0.9, "weight_decay": 0.02, "nesterov": True},
     {"eta": 0.02, "clip": True, "denominator": "parts"}),
    ("muon", {"momentum": 0.95, "nesterov": True, "weight_decay": 0.1, "lr_1d": 0.5}, {}),
    ("muon", {"momentum": 0.9}, {"scale": "rms", "iterations": 3, "vector": "sgd"}),
    ("muon", {"weight_decay": 0.1}, {"scale": "none", "beta2": 0.9, "eps": 1e-3}),
]
NET_CASES = [
    ("sgd", {"lr": 0.02, "momentum": 0.9, "weight_decay": 1e-3}, {}),
    ("lars", {"lr": 0.5, "momentum": 0.9, "weight_decay": 1e-3, "lr_1d": 0.05},
     {"eta": 0.02}),
    ("adamw", {"lr": 0.005, "weight_decay": 0.1}, {}),
    ("muon", {"lr": 0.02, "momentum": 0.95, "nesterov": True, "weight_decay": 0.1,
              "lr_1d": 0.1}, {}),
]
PAIRS, INPUT, HIDDEN, WIDTHS = 12, 48, 16, (12, 6)


class Lars(torch.optim.Optimizer):
    """eta, exclude_1d, buffer, clip, denominator as in optim_lars.c."""

    def __init__(self, groups, **options):
        super().__init__(groups, options)

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                self.update(p, group, self.state[p])

    @staticmethod
    def update(p, o, state):
        g, q, lr = p.grad, 1.0, o["lr"]
        if p.ndim > 1 or not o["exclude_1d"]:
            decayed = g + o["weight_decay"] * p
            norm = decayed.norm() if o["denominator"] == "sum" else \
                g.norm() + o["weight_decay"] * p.norm()
            if p.norm() > 0 and norm > 0:
                q = o["eta"] * p.norm() / norm
            g = decayed
            if o["clip"]:
                q = min(q / lr, 1)
        step = q * g if o["buffer"] == "gradient" else lr * q * g
        state["m"] = o["momentum"] * state.get("m", 0) + step
        move = step + o["momentum"] * state["m"] if o["nesterov"] else state["m"]
        p -= lr * move if o["buffer"] == "gradient" else move


class Muon(torch.optim.Optimizer):
    """Matrices only; iterations, scale as in optim_muon.c."""

    def __init__(self, groups, **options):
        super().__init__(groups, options)

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                self.update(p, group, self.state[p])

    @staticmethod
    def orthogonal(x, iterations):
        tall = x.shape[0] > x.shape[1]
        x = x.T if tall else x
        x = x / (x.norm() + 1e-7)
        for _ in range(iterations):
            s = x @ x.T
            x = 3.4445 * x + (-4.7750 * s + 2.0315 * s @ s) @ x
        return x.T if tall else x

    def update(self, p, o, state):
        beta = o["momentum"]
        state["m"] = beta * state.get("m", 0) + (1 - beta) * p.grad
        u = (1 - beta) * p.grad + beta * state["m"] if o["nesterov"] else state["m"]
        u = self.orthogonal(u.reshape(len(u), -1), o["iterations"])
        rows, cols = u.shape
        u = u * {"original": max(1, rows / cols) ** 0.5,
                 "rms": 0.2 * max(rows, cols) ** 0.5, "none": 1}[o["scale"]]
        p *= 1 - o["lr"] * o["weight_decay"]
        p -= o["lr"] * u.reshape(p.shape)


class Both(torch.optim.Optimizer):
    """Two optimisers as one."""

    def __init__(self, *parts):
        super().__init__([g for p in parts for g in p.param_groups], {})
        self.parts = parts
        self.param_groups = [g for p in parts for g in p.param_groups]

    def step(self):
        for p in self.parts:
            p.step()


def muon(groups, common, own):
    options = {"momentum": 0, "nesterov": False, "weight_decay": 0, "lr": 1.0, **common}
    matrices = Muon(groups[:1], iterations=own.get("iterations", 5),
                    scale=own.get("scale", "original"), **options)
    if own.get("vector") == "sgd":
        options["weight_decay"] = 0
        return Both(matrices, torch.optim.SGD(groups[1:], **options))
    betas = 0.9, own.get("beta2", 0.95)
    return Both(matrices, torch.optim.AdamW(groups[1:], lr=options["lr"], betas=betas,
                                            eps=own.get("eps", 1e-8), weight_decay=0))


def optimiser(name, par, own, tensors):
    """The optimiser of a case, with 1-D tensors in a group of their own."""
    groups = [{"params": [p for p in tensors if p.ndim > 1], "factor": 1.0},
              {"params": [p for p in tensors if p.ndim == 1],
               "factor": par.get("lr_1d", 1.0)}]
    common = {k: v for k, v in par.items() if k != "lr_1d"}
    common.setdefault("lr", 1.0)
    if name == "sgd":
        return torch.optim.SGD(groups, **common)
    if name == "muon":
        return muon(groups, common, own)
    if name == "adamw":
        if not own.get("decay_1d", True):
            groups[1]["weight_decay"] = 0.0
        betas = own.get("beta1", 0.9), own.get("beta2", 0.999)
        return torch.optim.AdamW(groups, betas=betas, eps=own.get("eps", 1e-8), **common)
    options = {"nesterov": False, "eta": 0.001, "exclude_1d": True, "clip": False,
               "buffer": "gradient", "denominator": "sum"}
    return Lars(groups, **{**options, **common, **own})


def step(optim, lr):
    for group in optim.param_groups:
        group["lr"] = lr * group["factor"]
    optim.step()


def field(k, count, frequency, phase):
    i = torch.arange(count, dtype=torch.float64)
    return torch.sin(phase + frequency * i + 1.3 * k)


def ten_steps(name, par, own):
    """Final values of the six tensors; the third begins at zero."""
    tensors = []
    for k, shape in enumerate(SHAPES):
        p = field(k, int(np.prod(shape)), 0.5, 2.0) * (k != 2)
        tensors.append(p.reshape(shape).requires_grad_())
    optim = optimiser(name, par, own, tensors)
    for t in range(STEPS):
        for k, p in enumerate(tensors):
            g = 0.4**k * field(k, p.numel(), 0.7, 1 + 0.9 * t)
            p.grad = g.reshape(p.shape) + 0.5 * p.detach()
        step(optim, 0.1 / (1 + 0.2 * t))
    return torch.cat([p.detach().reshape(-1) for p in tensors])


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = torch.nn.Linear(INPUT, HIDDEN)
        self.first = torch.nn.Linear(HIDDEN, WIDTHS[0], bias=False)
        self.bn = torch.nn.BatchNorm1d(WIDTHS[0])
        self.last = torch.nn.Linear(WIDTHS[0], WIDTHS[1], bias=False)

    def forward(self, x):
        return self.last(torch.relu(self.bn(self.first(torch.relu(self.encoder(x))))))

    def fill(self):
        """As es_params_init: tensor k of the model from stream k; running averages are
        tensors too."""
        for k, fan, p in [(0, INPUT, self.encoder.weight), (1, INPUT, self.encoder.bias),
                          (2, HIDDEN, self.first.weight),
                          (7, WIDTHS[0], self.last.weight)]:
            x = (2.0 * uniform(k, STREAM_INIT, p.numel()) - 1.0) / np.sqrt(fan)
            p.data.copy_(torch.from_numpy(x.astype(np.float32)).reshape(p.shape))


def views():
    x = np.stack([normal(i, STREAM_TEST, INPUT) for i in range(2 * PAIRS)])
    x = torch.from_numpy(x.astype(np.float32)).double()
    return x[:PAIRS], x[:PAIRS] + 0.5 * x[PAIRS:]


def train(name, par, own):
    """Losses of ten steps, each before its update, and the norm of the last gradient."""
    net = Net().double().train()
    net.fill()
    optim = optimiser(name, par, own, list(net.parameters()))
    losses = []
    for _ in range(STEPS):
        optim.zero_grad()
        loss = barlow("batch", *(net(x) for x in views()))
        loss.backward()
        losses.append(loss.item())
        step(optim, par["lr"])
    return losses, torch.cat([p.grad.reshape(-1) for p in net.parameters()]).norm().item()


def settings(values):
    text = {k: str(v).lower() if isinstance(v, bool) else v for k, v in values.items()}
    text = [f'"{k}={v}"' for k, v in text.items()] or ["NULL"]
    rows = [", ".join(text[i:i + 3]) for i in range(0, len(text), 3)]
    return ",\n      ".join(rows)


def numbers(values):
    rows = [f"{v:.9e}" for v in values]
    return ",\n      ".join(", ".join(rows[i:i + 4]) for i in range(0, len(rows), 4))


def main():
    print(f"""\
/* SPDX-License-Identifier: BSD-3-Clause */
/** @file optim_reference.h  Written by gen_optim.py: ten steps of optimisers. */
#ifndef ES_TESTS_OPTIM_REFERENCE_H
#define ES_TESTS_OPTIM_REFERENCE_H

#include <stddef.h>

enum {{ OPTIM_STEPS = {STEPS}, OPTIM_COUNT = {sum(int(np.prod(s)) for s in SHAPES)} }};

/* clang-format off */
/** Final values of the tensors of par_optim.c. */
static const struct {{
  const char *name, *set[6], *own[6]; /**< keys of [optim] and [optim.NAME] */
  double value[OPTIM_COUNT];
}} optim_references[] = {{""")
    for name, par, own in CASES:
        print(f'    {{"{name}", {{{settings(par)}}},\n     {{{settings(own)}}},\n     '
              f"{{{numbers(ten_steps(name, par, own).tolist())}}}}},")
    print("""};

/** Losses of the network of par_optim.c before each step, last norm of the gradient. */
static const struct {
  const char *name, *set[6], *own[6];
  double loss[OPTIM_STEPS], norm;
} optim_net_references[] = {""")
    for name, par, own in NET_CASES:
        losses, norm = train(name, par, own)
        print(f'    {{"{name}", {{{settings(par)}}},\n     {{{settings(own)}}},\n     '
              f"{{{numbers(losses)}}}, {norm:.9e}}},")
    print("};\n/* clang-format on */\n\n#endif")


if __name__ == "__main__":
    main()
