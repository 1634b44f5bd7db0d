#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The house rules that need a look at the C code's structure; called by check_lint.sh.

    lint.py [SRCDIR]

A breach is one line and exit code 1:
  parameters  a function that a header declares takes at most 6
  members     a struct that travels, so one that a header defines, has at most 12; not
              counted: EXEMPT, and an object's own state, opaque outside, in foo_private.h
  function    at most 60 lines
  circle      objects that include each other; one object is foo.c, foo.h, foo_private.h
  command     the file of a sub-command has at most 120 lines
  README      each folder of src/ has one, of at most 100 lines
  config      below run/, es_config appears only where parameters are defined
  loss name   only a loss's own file knows its name: nobody compares with it
  agreement   memory whose allocation is agreed on is freed where another rank had none:
              ES_COMM_NEW, not es_comm_agree(c, ES_NEW(...)); and no rank leaves a
              function without memory before a call that the others make together
"""
import os
import re
import sys
from glob import glob

PARAMETERS, MEMBERS, LINES, README_LINES, COMMAND_LINES = 6, 12, 60, 100, 120
# Structs that may have more members:
EXEMPT = (r"es_\w+_ops",     # a table of functions, filled in once by each variant
          r"es_\w+_params",  # one member a parameter of a section
          "es_settings")     # one member a section
# es_config: where parameters are declared and recorded, and in the folders from run/ on
CONFIG_MAY = r"base/param|io/provenance|eigenstep/(param|provenance)"
# calls of all ranks; files that one rank writes by itself
TOGETHER = (r"\b(es_h5_\w+|es_traj_(create|declare|flush|publish)|es_comm_(agree|barrier|"
            r"bcast|scan|allgather|sum_\w+|max_\w+))\(")
OF_ONE_RANK = "src/sweep/summary"
ABOVE_CONFIG = ("run", "predict", "solved", "ntk", "compare", "modes", "bench", "sweep",
                "command", "main.c")


def code(path):
    """The text without comments, strings and preprocessor lines, of the same lines."""
    with open(path) as f:
        s = f.read()
    for what in (r"""/\*.*?\*/|//[^\n]*|"(\\.|[^"\\\n])*"|'(\\.|[^'\\\n])+'""",
                 r"^[ \t]*#([^\n]*\\\n)*[^\n]*"):
        s = re.sub(what, lambda m: re.sub(r"[^\n]", " ", m[0]), s, flags=re.S | re.M)
    return s


def split(s, mark):
    """The parts of s between marks outside all brackets."""
    parts, depth = [""], 0
    for c in s:
        depth += (c in "([{") - (c in ")]}")
        if c == mark and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return [p.strip() for p in parts if p.strip()]


def body_end(s, start):
    """Where the brace that opens at `start` closes."""
    depth = 0
    for i in range(start, len(s)):
        depth += (s[i] == "{") - (s[i] == "}")
        if depth == 0:
            return i
    return len(s)


def structs(s):
    """(name, members) of each struct with a body; one inside another is one member."""
    for m in re.finditer(r"\b(?:struct|union)\s*(\w*)\s*{", s):
        end = body_end(s, m.end() - 1)
        name = m.group(1) or re.match(r"\s*(\w*)", s[end + 1:]).group(1)
        yield name, sum(len(split(p, ",")) for p in split(s[m.end():end], ";"))


def declarations(s):
    """(name, parameters) of each function declared outside all braces."""
    while (m := re.search(r"{", s)):
        s = s[:m.start()] + ";" + s[body_end(s, m.start()) + 1:]
    for d in split(s, ";"):
        m = re.search(r"(\w+)\s*\((.*)\)(?:\s*\w+\(.*\))?$", d, re.S)
        if m and "typedef" not in d.split():
            args = split(m.group(2), ",")
            yield m.group(1), 0 if args == ["void"] else len(args)


def functions(s):
    """(name, line, lines) of each function with a body: it ends with } in column 1."""
    for m in re.finditer(r"^[a-zA-Z][^;{}=]*?(\w+)\s*\([^;{}]*\)\s*{[^\n]*\n(.*?)^}", s,
                         re.S | re.M):
        first = s.count("\n", 0, m.start()) + 1
        yield m.group(1), first, s.count("\n", 0, m.end()) - first + 2


def lone_returns(s):
    """Lines where a rank without memory leaves the others to a call of all ranks."""
    for m in re.finditer(r"^[a-z][^;{}=]*\w+\s*\([^;{}]*\)\s*{\n.*?^}", s, re.S | re.M):
        at = re.search(r"\bES_TRY\((ES_NEW|es_alloc|es_strdup)\(", m[0])
        if at and re.search(TOGETHER, m[0][at.end():]):
            yield s.count("\n", 0, m.start() + at.start()) + 1


def objects(files):
    """Object -> objects that its files include. A file that includes foo_private.h is a
    part of foo: what it sees of foo is no dependency.
    """
    object_of = {f: os.path.basename(f)[:-2].removesuffix("_private") for f in files}
    edges = {}
    for path in files:
        with open(path) as f:
            names = re.findall(r'^ *# *include *"(.*)"', f.read(), re.M)
        tries = [(os.path.join(os.path.dirname(path), n), os.path.join("include", n),
                  os.path.join("src", n)) for n in names]
        found = [f for t in tries for f in t if f in object_of]
        wholes = {object_of[f] for f in found if f.endswith("_private.h")}
        edges.setdefault(object_of[path], set()).update(
            {object_of[f] for f in found} - wholes)
    return edges


def circles(edges):
    """Sets of objects that reach each other."""
    reach = {}
    for a in edges:
        seen, todo = set(), list(edges[a])
        while todo:
            b = todo.pop()
            if b not in seen:
                seen.add(b)
                todo += edges.get(b, ())
        reach[a] = seen
    return {tuple(sorted(b for b in reach[a] if a in reach[b])) for a in edges
            if any(b != a and a in reach[b] for b in reach[a])}


def folder_of_header():
    """public header -> folder, by the ladder in check_layers.sh."""
    with open("tests/check_layers.sh") as f:
        rows = re.search(r"layers='\n(.*?)'", f.read(), re.S).group(1).splitlines()
    return {h: r.split()[1] for r in rows for h in r.split()[2:]}


def breaches():
    """One sentence each."""
    files = sorted(glob("src/**/*.[ch]", recursive=True) + glob("include/eigenstep/*.h"))
    text = {path: code(path) for path in files + sorted(glob("tests/*.[ch]"))}
    opaque = set(re.findall(r"typedef struct (\w+) \1;", " ".join(
        s for path, s in text.items() if path.startswith("include"))))
    headers = {path for path in files if path.endswith(".h")}
    public = folder_of_header()
    for path, s in text.items():
        for name, n in declarations(s) if path in headers else ():
            if n > PARAMETERS and not name.endswith("_"):  # those are Fortran's
                yield f"{path}: {name}: {n} parameters"
        for name, n in structs(s) if path in headers else ():
            if n > MEMBERS and not any(re.fullmatch(e, name) for e in EXEMPT) and not (
                    path.endswith("_private.h") and name in opaque):
                yield f"{path}: struct {name}: {n} members"
        for name, line, n in functions(s):
            if n > LINES:
                yield f"{path}:{line}: {name}: {n} lines"
        if path not in files:
            continue
        folder = path.split("/")[1]
        if folder == "eigenstep":
            folder = public.get(os.path.basename(path)[:-2])
        if folder not in ABOVE_CONFIG and not re.search(CONFIG_MAY, path) and \
                re.search(r"\bes_config\b", s):
            yield f"{path}: es_config below run/"
        for m in re.finditer(r"\bes_comm_agree\((?:[^;](?!\bes_comm_))*?\bES_NEW\(", s):
            yield f"{path}:{s.count(chr(10), 0, m.start()) + 1}: es_comm_agree of ES_NEW"
        for line in () if path.startswith(OF_ONE_RANK) else lone_returns(s):
            yield f"{path}:{line}: ES_NEW of one rank before a call of all"
        with open(path) as f:
            if re.search(r'strcmp\([^)]*"(barlow|vicreg|simclr)', f.read()):
                yield f"{path}: compares with the name of a loss"
    for path in glob("src/command/command_*.c"):
        if (n := text[path].count("\n")) > COMMAND_LINES:
            yield f"{path}: {n} lines"
    for circle in sorted(circles(objects(files))):
        yield "include each other: " + ", ".join(circle)
    for folder in sorted(glob("src/*/")):
        readme = folder + "README.md"
        if not os.path.exists(readme):
            yield f"{readme}: missing"
        elif (n := len(open(readme).readlines())) > README_LINES:
            yield f"{readme}: {n} lines"


if __name__ == "__main__":
    os.chdir(sys.argv[1] if len(sys.argv) > 1 else ".")
    found = list(breaches())
    print(*found, sep="\n", end="\n" if found else "")
    sys.exit(len(found) > 0)
