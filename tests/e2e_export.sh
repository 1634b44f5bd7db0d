#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# e2e_export.sh  A run's weights in PyTorch: strict loading into torchvision's resnet50
# (fc apart),
# the same embeddings from the same input, and the way back.
set -u
. "$srcdir/tests/e2e.sh"
need_python torch torchvision numpy
run="$tiny encoder.name=resnet50 encoder.base_width=64 encoder.stem=imagenet data.size=32
     augment.crop.size=32 run.steps=1 spectrum.probe=12"
launch 2 train - $run output.dir="$work/run" > "$work/log" 2>&1 ||
  { cat "$work/log"; fail "train"; }
launch 2 export "$work/run" "$work/run.safetensors" > "$work/log" 2>&1 ||
  { cat "$work/log"; fail "export"; }
"$python" - "$work/run.safetensors" <<'EOF' || fail "torchvision does not take the weights"
import json
import struct
import sys
import numpy as np
import torch
import torchvision
raw = open(sys.argv[1], "rb").read()
n = struct.unpack("<Q", raw[:8])[0]
header = json.loads(raw[8:8 + n])
meta = header.pop("__metadata__")
assert meta["step"] == "1" and "resnet50" in meta["parameters"]
state = {}
for name, t in header.items():
    a, b = t["data_offsets"]
    state[name] = torch.from_numpy(
        np.frombuffer(raw[8 + n + a:8 + n + b], "<f4").reshape(t["shape"]).copy())
encoder = {k: v for k, v in state.items() if not k.startswith("projector.")}
net = torchvision.models.resnet50(weights=None)
net.fc = torch.nn.Identity()
net.load_state_dict(encoder, strict=True)
assert state["projector.0.weight"].shape == (8, 2048)
# running averages were updated once with momentum 0.1, so they are not the initial ones
assert float((state["bn1.running_mean"]).abs().max()) > 0
assert np.isfinite(net.eval()(torch.randn(2, 3, 32, 32)).detach().numpy()).all()
EOF
launch 2 train - $run encoder.weights="$work/run.safetensors" run.steps=0 \
  output.dir="$work/back" > "$work/log" 2>&1 || { cat "$work/log"; fail "the way back"; }
launch 1 export "$work/back" "$work/back.safetensors" > "$work/log" 2>&1 ||
  { cat "$work/log"; fail "export of the way back"; }
"$python" - "$work/run.safetensors" "$work/back.safetensors" <<'EOF' || fail "not the same weights"
import json, struct, sys
def load(p):
    raw = open(p, "rb").read()
    n = struct.unpack("<Q", raw[:8])[0]
    h = json.loads(raw[8:8 + n])
    h.pop("__metadata__")
    return {k: raw[8 + n + t["data_offsets"][0]:8 + n + t["data_offsets"][1]]
            for k, t in h.items()}
a, b = (load(p) for p in sys.argv[1:])
assert a.keys() == b.keys() and all(a[k] == b[k] for k in a)
EOF
# An older checkpoint by its step; a step that is not there is refused.
launch 2 train - $tiny run.steps=4 ckpt.every=2 ckpt.keep=2 output.dir="$work/two" \
  > "$work/log" 2>&1 || { cat "$work/log"; fail "a run with two checkpoints"; }
for step in 2 4; do
  launch 1 export "$work/two" "$work/at$step.safetensors" $step > "$work/log" 2>&1 ||
    { cat "$work/log"; fail "export of step $step"; }
  grep -q "\"step\":\"$step\"" "$work/at$step.safetensors" || fail "not step $step"
done
! cmp -s "$work/at2.safetensors" "$work/at4.safetensors" || fail "steps 2 and 4 are alike"
for step in 3 -1 x; do
  ! launch 2 export "$work/two" "$work/none.safetensors" $step > "$work/log" 2>&1 ||
    fail "step $step is accepted"
  [ "$(grep -c error: "$work/log")" = 1 ] || { cat "$work/log"; fail "step $step"; }
done
[ ! -e "$work/none.safetensors" ] || fail "a refused export wrote a file"
finish
