#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The step of `eigenstep bench step` in PyTorch: what a user would otherwise run.

    peer_step.py [--size 96] [--pairs 32] [--dim 50] [--precision bf16|f32]
                 [--device cuda|cpu] [--threads N] [--seconds 3]
                 [--steps 5] [--variants plain,graph,compile,compile+graph]

Both views on the device before the first step (`bench step` on a GPU uploads records and
makes views of them in each step, by augment.device), torchvision's ResNet-50 in
channels-last with a linear last layer, Barlow Twins without normalisation, backward, SGD
with momentum; autocast to bf16, or f32 without TF32. cuDNN times its algorithms first.
Variants: plain; graph, a captured CUDA graph; compile, by torch.compile; compile+graph,
both. Each is timed for --seconds, at least --steps; what this PyTorch cannot run is
told. Prints a line a variant, medians, and last "best N img/s", views a second of the
fastest.
"""
import argparse
import os
import statistics
import sys
import time

import torch
import torchvision

VARIANTS = ("plain", "graph", "compile", "compile+graph")


class Step:
    def __init__(self, o, compiled):
        self.o = o
        net = torchvision.models.resnet50(weights=None)
        net.fc = torch.nn.Linear(net.fc.in_features, o.dim, bias=False)
        net = net.to(o.device, memory_format=torch.channels_last).train()
        self.net = torch.compile(net) if compiled else net
        views = torch.randn(2 * o.pairs, 3, o.size, o.size, device=o.device)
        self.views = views.contiguous(memory_format=torch.channels_last)
        self.optimiser = torch.optim.SGD(net.parameters(), lr=1e-5, momentum=0.9)
        self.one = torch.eye(o.dim, device=o.device)

    def __call__(self):
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(self.o.device, torch.bfloat16,
                            enabled=self.o.precision == "bf16"):
            z = self.net(self.views)
        a, b = z.float().chunk(2)
        c = (a.T @ b + b.T @ a) / (2 * len(a))
        (c - self.one).square().sum().backward()
        self.optimiser.step()


def captured(step):
    """The replay of a CUDA graph of one step, after a few on a stream of their own."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(5):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def timed(o, run):
    """Median seconds of a step."""
    wait = torch.cuda.synchronize if o.device == "cuda" else lambda: None
    for _ in range(10 if o.device == "cuda" else 2):
        run()
    wait()
    seconds, end = [], time.perf_counter() + o.seconds
    while len(seconds) < o.steps or time.perf_counter() < end:
        begun = time.perf_counter()
        run()
        wait()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("--size", type=int, default=96)
    p.add_argument("--pairs", type=int, default=32)
    p.add_argument("--dim", type=int, default=50)
    p.add_argument("--precision", choices=("bf16", "f32"), default="bf16")
    p.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--seconds", type=float, default=3)
    p.add_argument("--steps", type=int, default=5)
    p.add_argument("--variants", default="plain,graph")
    o = p.parse_args()
    variants = o.variants.split(",")
    if not set(variants) <= set(VARIANTS):
        sys.exit(f"peer_step.py: --variants: got '{o.variants}', expected some of "
                 f"{', '.join(VARIANTS)}")
    torch.set_num_threads(o.threads)
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    best = 0.0
    for name in variants:
        try:
            step = Step(o, "compile" in name)
            t = timed(o, captured(step) if "graph" in name else step)
        except Exception as e:  # the others still count
            print(f"torch {name:14s} not run: {type(e).__name__}: {str(e)[:200]!r}")
            continue
        print(f"torch {name:14s} {1e3 * t:10.2f} ms {2 * o.pairs / t:10.1f} img/s")
        best = max(best, 2 * o.pairs / t)
        if "compile" in name:
            torch._dynamo.reset()
    if best == 0:
        sys.exit("peer_step.py: no variant ran")
    print(f"torch {torch.__version__}, {o.device} {o.precision}, {o.pairs} pairs of "
          f"{o.size}x{o.size}\nbest {best:.1f} img/s")


if __name__ == "__main__":
    main()
