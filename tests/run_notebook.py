#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Run the code cells of a notebook in order and print what each ends on.

    run_notebook.py NOTEBOOK.ipynb

A stand-in for nbclient, which needs a kernel: one namespace, cells compiled one by one,
the value of a last expression printed. Ends with the error of the first cell that fails.
"""
import ast
import json
import sys

import matplotlib

matplotlib.use("Agg")


def run_cell(source, name, scope):
    tree = ast.parse(source, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), scope)
    if last is not None:
        value = eval(compile(ast.Expression(last.value), name, "eval"), scope)
        if value is not None:
            print(value)


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        notebook = json.load(f)
    assert notebook["nbformat"] == 4, "got another format, expected 4"
    scope, done = {"__name__": "__main__"}, 0
    for i, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] != "code":
            continue
        assert cell["outputs"] == [], f"cell {i} is stored with outputs"
        run_cell("".join(cell["source"]), f"cell {i}", scope)
        done += 1
    print(f"{done} cells")


if __name__ == "__main__":
    main()
