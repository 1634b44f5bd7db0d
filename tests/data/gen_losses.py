#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Losses and gradients by PyTorch, in double:  gen_losses.py > loss_reference.h

The embeddings are a formula, the same in unit_loss.c; of each gradient three projections
on other formulas are stored. The larger batch has more rows than NT-Xent makes at a time.
"""
import torch
import torch.nn.functional as F

CASES = [
    ("barlow", {}),
    ("barlow", {"normalize": "batch", "symmetrize": "false", "offdiag": "0.0051"}),
    ("vicreg", {}),
    ("vicreg", {"hinge_half": "false", "inv": "5", "cov": "2"}),
    ("simclr", {}),
    ("simclr", {"temperature": "0.1", "doubled": "true"}),
    ("simclr", {"normalize": "false", "temperature": "0.7"}),
]
DIM = 4


def field(n, a, b, c):
    i = torch.arange(n, dtype=torch.float64)[:, None]
    j = torch.arange(DIM, dtype=torch.float64)[None, :]
    return torch.sin(a + b * i + c * j + 0.37 * i * (j + 1))


def views(n):
    width = 0.4 + 0.5 * torch.arange(DIM, dtype=torch.float64)
    first = width * field(n, 1, 0.7, 1.3) + 0.2
    return first, 0.8 * first + 0.3 * width * field(n, 2, 0.9, 0.5)


def barlow(z1, z2, normalize="none", symmetrize="true", offdiag="1"):
    if normalize == "batch":
        z1, z2 = (F.batch_norm(z, None, None, training=True) for z in (z1, z2))
    c = z1.T @ z2 / len(z1)
    if symmetrize == "true":
        c = (c + c.T) / 2
    on = torch.diagonal(c)
    return ((on - 1) ** 2).sum() + float(offdiag) * ((c**2).sum() - (on**2).sum())


def vicreg(z1, z2, inv="25", var="25", cov="1", hinge_half="true"):
    value = float(inv) * F.mse_loss(z1, z2)
    for z in (z1, z2):
        hinge = F.relu(1 - torch.sqrt(z.var(dim=0) + 1e-4)).mean()
        value = value + float(var) * hinge * (0.5 if hinge_half == "true" else 1)
        c = torch.cov(z.T)
        off = (c**2).sum() - (torch.diagonal(c) ** 2).sum()
        value = value + float(cov) * off / DIM
    return value


def simclr(z1, z2, temperature="0.5", normalize="true", doubled="false"):
    n = len(z1)
    z = torch.cat([z1, z2])
    if normalize == "true":
        z = F.normalize(z)
    itself = torch.eye(2 * n, dtype=torch.bool)
    s = (z @ z.T / float(temperature)).masked_fill(itself, -torch.inf)
    partner = torch.cat([torch.arange(n) + n, torch.arange(n)])
    return F.cross_entropy(s, partner) * (2 if doubled == "true" else 1)


HEAD = """/* SPDX-License-Identifier: BSD-3-Clause */
/** @file loss_reference.h  Written by gen_losses.py: pairs, loss, L, projections of dz1
 *  and of dz2. */
#ifndef ES_TESTS_LOSS_REFERENCE_H
#define ES_TESTS_LOSS_REFERENCE_H

#include "../loss_cases.h"

typedef struct loss_reference {
  int n;
  loss_case k;
  double value, dz[2][3];
} loss_reference;
"""


def numbers(z, n):
    return ",\n       ".join(
        f"{(z.grad * field(n, k, 1.1 * k, 0.6)).sum():.16e}" for k in range(3)
    )


def main():
    print(HEAD)
    print(f"enum {{ REFERENCE_DIM = {DIM} }};\n")
    print("/* clang-format off */")
    print("static const loss_reference loss_references[] = {")
    for n in (6, 150):
        for name, keys in CASES:
            z = [v.detach().requires_grad_() for v in views(n)]
            value = globals()[name](*z, **keys)
            value.backward()
            sets = ", ".join(f'"{k}={v}"' for k, v in keys.items()) or "NULL"
            print(f'    {{{n}, {{"{name}", {{{sets}}}}},')
            print(f"     {value.item():.16e},")
            print(f"     {{{{{numbers(z[0], n)}}},")
            print(f"      {{{numbers(z[1], n)}}}}}}},")
    print("};\n/* clang-format on */\n\n#endif")


if __name__ == "__main__":
    main()
