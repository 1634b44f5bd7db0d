#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What includes what, and what belongs to one place; called by check_layers.sh.

    layers.py LAYERS

LAYERS has lines "level folder header ...", lowest first; levels that differ in their
letter do not see each other. A breach is one line and exit code 1.
"""
import os
import re
import sys
from glob import glob

# (files that may, what no other file's code has)
PLACES = (
    (r"src/main\.c", r"\bMPI_COMM_WORLD\b|\b_?exit *\(|\bgetenv *\("),
    (r"src/io/.*", r"\bhid_t\b"),
    (r"src/par/grid\.c|src/tensor/.*|src/spectrum/eig_.*", r"(?i)blacs|pdsyev|descinit"),
    (r"src/backend/cuda.*", r"cuda[A-Z_]|cublas|cudnn"),
)
CONDITIONALS = 5  # in .c files, in all


def read_layers(text):
    """(level of a folder, level of a public header)"""
    folders, headers = {"main.c": "13"}, {}
    for level, folder, *names in (row.split() for row in text.split("\n") if row.strip()):
        folders[folder] = level
        headers.update(dict.fromkeys(names, level))
    return folders, headers


def may_see(own, other):
    return own == other or int(other.rstrip("abcde")) < int(own.rstrip("abcde"))


def without_comments(s):
    return re.sub(r"/\*.*?\*/|//[^\n]*", lambda m: re.sub(r"[^\n]", "", m[0]), s,
                  flags=re.S)


def includes(path, s, folders, headers):
    """The breaches of one file's includes."""
    public = path.startswith("include/")
    own = (headers.get(os.path.basename(path)[:-2]) if public else
           folders.get(path.split("/")[1]))
    if own is None:
        yield f"{path}: belongs to no layer; name it in tests/check_layers.sh"
        return
    for name in re.findall(r'^ *# *include *"(.*?)"', s, re.M):
        if name in ("config.h", "version_build.h"):
            continue
        if name.startswith("eigenstep/"):
            its = headers.get(os.path.basename(name)[:-2])
        elif os.path.exists(os.path.join(os.path.dirname(path), name)):
            its = own
        else:
            its = folders.get(name.split("/")[0])
        if its is None:
            yield f'{path}: "{name}" belongs to no layer'
        elif not may_see(own, its):
            yield f'{path}: looks up, or across, to "{name}"'


def breaches(layers):
    folders, headers = read_layers(layers)
    text = {}
    for path in sorted(glob("src/**/*.[ch]", recursive=True) +
                       glob("include/**/*.[ch]", recursive=True)):
        with open(path) as f:
            text[path] = f.read()
        yield from includes(path, text[path], folders, headers)
    for path, s in text.items():
        for number, line in enumerate(without_comments(s).split("\n"), 1):
            for places, what in PLACES:
                if re.search(what, line) and not re.fullmatch(places, path):
                    yield f"{path}:{number}:{line}"
    n = sum(len(re.findall(r"^ *# *(?:if|ifdef|ifndef)\b", s, re.M))
            for path, s in text.items() if path.endswith(".c"))
    print(f"conditional compilation in .c files: {n} (at most {CONDITIONALS})")
    if n > CONDITIONALS:
        yield "too much conditional compilation"


if __name__ == "__main__":
    found = list(breaches(sys.argv[1]))
    print(*found, sep="\n", end="\n" if found else "")
    sys.exit(len(found) > 0)
