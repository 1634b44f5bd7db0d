#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""break_safetensors.py FILE DIR: copies with a tensor missing, an extra one, a wrong
shape, cut short."""
import json
import struct
import sys


def read(path):
    raw = open(path, "rb").read()
    n = struct.unpack("<Q", raw[:8])[0]
    return json.loads(raw[8:8 + n]), raw[8 + n:]


def write(path, header, data):
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data)


def main(path, out):
    header, data = read(path)

    missing = {k: v for k, v in header.items() if k != "conv1.weight"}
    # offsets must stay without gaps: the data of conv1 goes too
    first, last = header["conv1.weight"]["data_offsets"]
    for k, v in missing.items():
        if k != "__metadata__" and v["data_offsets"][0] >= last:
            v = dict(v, data_offsets=[o - (last - first) for o in v["data_offsets"]])
            missing[k] = v
    write(f"{out}/missing.safetensors", missing, data[:first] + data[last:])

    extra = dict(header)
    extra["surplus.weight"] = {"dtype": "F32", "shape": [2],
                               "data_offsets": [len(data), len(data) + 8]}
    write(f"{out}/extra.safetensors", extra, data + b"\0" * 8)

    shape = dict(header)
    dims = header["conv1.weight"]["shape"]
    shape["conv1.weight"] = dict(header["conv1.weight"],
                                 shape=[dims[1], dims[0]] + dims[2:])
    write(f"{out}/shape.safetensors", shape, data)
    open(f"{out}/truncated.safetensors", "wb").write(open(path, "rb").read()[:-1000])


if __name__ == "__main__":
    main(*sys.argv[1:])
