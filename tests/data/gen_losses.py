#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Losses and gradients by PyTorch, in double:  gen_losses.py > loss_reference.h

The embeddings are a formula, the same in unit_loss.c; of each gradient three projections
on other formulas are stored. The larger batch has more rows than NT-Xent makes at a time.
"""
import math

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
    ("spectral", {}),
    ("spectral", {"mu": "0.5"}),
    ("wmse", {}),
    ("wmse", {"normalize": "false", "eps": "0.1"}),
    ("corinfomax", {}),
    ("corinfomax", {"normalize": "false", "inv": "3", "cov": "2", "eps": "0.1"}),
    ("barlow_logdet", {}),
    ("barlow_logdet", {"center": "true", "eps": "0.01"}),
    ("lejepa", {}),
    ("lejepa", {"weight": "0.5", "slices": "7", "knots": "9", "t_max": "2"}),
    ("directpred", {}),
    ("directpred", {"center": "true", "exponent": "1", "eps": "0.1"}),
    ("isoloss", {}),
    ("isoloss", {"center": "true", "exponent": "1"}),
]
DIM = 4
EYE = torch.eye(DIM, dtype=torch.float64)


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


def spectral(z1, z2, mu="0"):
    mu, n = float(mu), len(z1)
    if mu > 0:
        z1, z2 = (z / (z.norm(dim=1)[:, None] / mu**0.5).clamp(min=1) for z in (z1, z2))
    s = z1 @ z2.T
    same = torch.diagonal(s)
    apart = (s**2).sum() - (same**2).sum()
    return (-2 * same.mean() + apart / (n * (n - 1))) / (mu if mu > 0 else 1)


def wmse(z1, z2, normalize="true", eps="0"):
    white = []
    for z in (z1, z2):
        c = (1 - float(eps)) * torch.cov(z.T) + float(eps) * EYE
        factor = torch.linalg.cholesky(c)
        y = torch.linalg.solve_triangular(factor, (z - z.mean(0)).T, upper=False).T
        white.append(F.normalize(y) if normalize == "true" else y)
    return ((white[0] - white[1]) ** 2).sum(dim=1).mean()


def corinfomax(z1, z2, inv="500", cov="1", eps="1e-8", normalize="true"):
    if normalize == "true":
        z1, z2 = F.normalize(z1), F.normalize(z2)
    value = float(inv) * F.mse_loss(z1, z2)
    for z in (z1, z2):
        c = torch.cov(z.T, correction=0) + float(eps) * EYE
        value = value - float(cov) * torch.logdet(c) / DIM
    return value


def barlow_logdet(z1, z2, eps="0.1", center="false"):
    if center == "true":
        z1, z2 = z1 - z1.mean(0), z2 - z2.mean(0)
    c = z1.T @ z2 / len(z1)
    x, eps = torch.linalg.eigvalsh((c + c.T) / 2), float(eps)
    line = (1 - 1 / eps) * x - torch.log(torch.tensor(eps, dtype=x.dtype))
    return torch.where(x > 0, x - torch.log(x.clamp(min=0) + eps), line).sum()


def philox(counter, key):
    """Philox 4x32-10."""
    c, k, low = list(counter), list(key), 0xFFFFFFFF
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [b >> 32 ^ c[1] ^ k[0], b & low, a >> 32 ^ c[3] ^ k[1], a & low]
        k = [k[0] + 0x9E3779B9 & low, k[1] + 0xBB67AE85 & low]
    return c


def normals(count, sub, seed=0, stream=7, index=0):
    """The standard normal numbers of src/base/rng.c, by Box and Muller."""
    out = []
    for block in range(count):
        x = philox([block, index, 0, stream << 24 | sub], [seed, 0])
        u, v = ((x[i] << 32 | x[i + 1]) >> 11 for i in (0, 2))
        out.append(math.sqrt(-2 * math.log(1 - u * 2.0**-53))
                   * math.cos(2 * math.pi * v * 2.0**-53))
    return out


def lejepa(z1, z2, weight="0.02", slices="256", knots="17", t_max="3"):
    w, n = float(weight), len(z1)
    q = torch.tensor([normals(DIM, k) for k in range(int(slices))], dtype=torch.float64)
    q = (q / q.norm(dim=1)[:, None]).T
    t = torch.linspace(0, float(t_max), int(knots), dtype=torch.float64)
    phi = torch.exp(-(t**2) / 2)
    at = 2 * (t[1] - t[0]) * phi
    at[0], at[-1] = at[0] / 2, at[-1] / 2
    z = torch.stack([z1, z2])
    angle = (z @ q)[..., None] * t
    off = (angle.cos().mean(1) - phi) ** 2 + angle.sin().mean(1) ** 2
    gaussian = (off @ at).mean() * n
    return w * gaussian + (1 - w) * ((z.mean(0) - z) ** 2).mean()


def predicted(z1, z2, exponent="0.5", eps="0", center="false"):
    """The views, and each through the predictor, which is held fixed."""
    if center == "true":
        z1, z2 = z1 - z1.mean(0), z2 - z2.mean(0)
    with torch.no_grad():
        c = (z1.T @ z1 + z2.T @ z2) / (2 * len(z1))
        s, q = torch.linalg.eigh(c)
        p = s.clamp(min=0) ** float(exponent)
        p = q @ torch.diag(p + float(eps) * p.max()) @ q.T
    return z1, z2, z1 @ p, z2 @ p


def directpred(z1, z2, **keys):
    u, v, pu, pv = predicted(z1, z2, **keys)
    square = (pu - v.detach()) ** 2 + (pv - u.detach()) ** 2
    return square.sum(1).mean() / 4


def isoloss(z1, z2, **keys):
    """Its value is directpred's; u + (P u - v - u), held fixed, has the slope P u - v."""
    u, v, pu, pv = predicted(z1, z2, **keys)
    with torch.no_grad():
        value = (((pu - v) ** 2 + (pv - u) ** 2).sum(1).mean()) / 4
        fixed = pu - v - u, pv - u - v
    slope = ((u + fixed[0]) ** 2 + (v + fixed[1]) ** 2).sum(1).mean() / 4
    return slope + (value - slope).detach()


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
