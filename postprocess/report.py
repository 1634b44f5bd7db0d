#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""One self-contained page about one or several runs: figures, steps, metrics, parameters.

    report.py OUTDIR... [-o FILE.html] [--title TEXT] [--partial]

Writes OUTDIR/report.html; of several runs ./report.html, or what -o says. Images are
inside the page; it loads nothing. With several runs the parameters in which they differ
are in the first table; runs that failed or hold no snapshot are left out with a note.
--partial takes failed runs as far as they got.
"""
import argparse
import base64
import html
import io
import os

import packages  # first: it names what is missing
import matplotlib.pyplot as plt
import numpy as np

import eigenstep
import plot_modes
import plot_pca
import plot_run
import script
from script import number, with_error

MANY = 3  # runs side by side in a table
ACROSS = 6  # columns of differing values
STYLE = """
body { font: 16px/1.5 Georgia, 'DejaVu Serif', serif; color: #222; margin: 0 auto;
       max-width: 62rem; padding: 2rem 1.5rem 5rem; }
h1, h2, h3, th, summary, figcaption, .chip { font-family: system-ui, 'Helvetica Neue',
       Arial, 'DejaVu Sans', sans-serif; }
h1 { font-size: 1.9rem; margin: 0 0 .2rem; font-weight: 600; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .6rem; padding-top: .8rem;
     border-top: 1px solid #ddd; font-weight: 600; }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; font-weight: 600; }
p.lead { color: #666; margin: 0 0 1.2rem; }
figure { margin: 1rem 0; } figure img { max-width: 100%; display: block; margin: 0 auto; }
figcaption { color: #666; font-size: .82rem; line-height: 1.4; margin-top: .5rem; }
table { border-collapse: collapse; width: 100%; font-size: .86rem; margin: .5rem 0 1rem;
        font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; font-size: .8rem; color: #555; }
th, td { padding: .28rem .9rem .28rem 0; border-bottom: 1px solid #eee;
         vertical-align: top; overflow-wrap: anywhere; }
thead th { border-bottom: 1px solid #999; vertical-align: bottom; overflow-wrap: normal; }
td.n, th.n { text-align: right; } td.n { white-space: nowrap; }
td.key { font-family: 'DejaVu Sans Mono', Menlo, monospace; font-size: .8rem;
         white-space: nowrap; }
td.differs { background: #fff3c9; padding-left: .5rem; }
.chip { font-size: .75rem; padding: .1rem .5rem; border-radius: .6rem;
        background: #e6e6e6; }
table.whole th, table.whole td { overflow-wrap: normal; padding-right: .6rem; }
.chip { white-space: nowrap; }
.DONE { background: #d9efdc; } .FAILED { background: #f7d4d0; }
.STOPPED, .RUNNING { background: #fdebc8; }
summary { cursor: pointer; font-size: .9rem; color: #345; margin: .6rem 0; }
@media print { body { max-width: none; padding: 0; } h2 { break-after: avoid; } }
"""


class Cell(str):
    """A table cell that is HTML already, <td> included; any other text is escaped."""


def esc(value):
    return html.escape(str(value))


def cell_of(value, attributes):
    return value if isinstance(value, Cell) else f"<td{attributes}>{esc(value)}</td>"


def table(head, rows, align="", kind=""):
    """align: a letter a column, n = number, k = name of a parameter, else text;
    kind: a class of the style sheet."""
    kinds = {"n": ' class="n"', "k": ' class="key"'}
    kinds = [kinds.get(c, "") for c in align.ljust(len(head))]
    out = [f'<table{f" class={kind}" if kind else ""}><thead><tr>']
    out += [f"<th{k if 'n' in k[8:9] else ''}>{esc(h)}</th>" for h, k in zip(head, kinds)]
    out.append("</tr></thead><tbody>")
    for row in rows:
        out.append("<tr>" + "".join(map(cell_of, row, kinds)) + "</tr>")
    return "".join(out) + "</tbody></table>"


def picture(fig, caption, width=None):
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=160, bbox_inches="tight")
    plt.close(fig)
    data = base64.b64encode(buffer.getvalue()).decode()
    size = f' style="width:{width}"' if width else ""
    return (f'<figure><img{size} alt="{esc(caption)}" src="data:image/png;base64,{data}">'
            f"<figcaption>{esc(caption)}</figcaption></figure>")


def mode_study(path):
    """The figure of `eigenstep modes`, or why there is none."""
    try:
        return picture(plot_modes.draw(path), plot_modes.CAPTION)
    except eigenstep.Unreadable as e:
        return f"<p>What each mode is about: {esc(e)}.</p>"


def last_of(run, group):
    found = run.series(group)
    return found[1][-1] if found else None


def overview(all_runs):
    rows, differ = [], script.varied(all_runs, 3) if len(all_runs) > 1 else {}
    for i, (run, label) in enumerate(zip(all_runs, script.labels_of(all_runs))):
        word = run.status.split(" ", maxsplit=1)[0]
        chip = Cell(f'<td><span class="chip {esc(word)}">{esc(run.status)}</span></td>')
        steps = run.get("/loss/step")
        rate = run.series("/timing", "images_per_second")
        rows.append([label, chip] + [values[i] for values in differ.values()]
                    + [run.title, run.subtitle,
                     f"{steps[-1] + 1:,d}" if steps is not None and len(steps) else "–",
                     number(run.spectrum(run.matrix(), 1)[0][-1]), run.learned(),
                     number(last_of(run, "/probe_loss")),
                     number(np.median(rate[1]) if rate else None)])
    head = ["run", "status", *(script.short(k, differ) for k in differ), "method",
            "setting", "steps", "time", "modes learned", "probe loss", "img/s"]
    if len({row[-6] for row in rows}) == 1 and len(rows) > 1:  # said above the table
        head.remove("setting")
        rows = [row[:-6] + row[-5:] for row in rows]
    return table(head, rows, " " * (len(head) - 5) + "nnnnn", "whole")


def step_table(run):
    columns = {k: run.steps(k) for k in ("mode", "step_measured", "time_measured",
                                         "step_forecast", "time_forecast", "gamma",
                                         "gamma_error", "step_first", "step_error")}
    if len(columns["mode"]) == 0:
        return "<p>No step detector in this run.</p>"
    nothing = np.full(len(columns["mode"]), np.nan)  # linear, kernel: fewer columns
    columns = {k: c if len(c) else nothing for k, c in columns.items()}
    values = run.spectrum(run.matrix(), None)[1][-1]
    start = {k: run.get(f"/theory/{k}") for k in ("tau", "tau_step", "gamma")}
    notes = run.notes() or [""] * len(columns["mode"])

    def at_start(key, k):
        return start[key][k] if start[key] is not None and k < len(start[key]) else np.nan

    rows, hidden = [], 0
    for k in range(len(columns["mode"])):
        t, said, note = columns["time_measured"][k], columns["time_forecast"][k], notes[k]
        told = note in ("fell again", eigenstep.FROM_START) or k == 0
        if not np.any(np.isfinite([t, said])) and not told:
            hidden += 1
            continue
        off = 100 * (said / t - 1) if np.isfinite(t) and np.isfinite(said) else np.nan
        if note in ("unstable", "fell again") and np.isfinite(columns["step_first"][k]):
            note += f", first at step {columns['step_first'][k]:.0f}"
        gamma = with_error(columns["gamma"][k], columns["gamma_error"][k])
        rows.append([f"{int(columns['mode'][k])}", number(columns["step_measured"][k], 5),
                     with_error(columns["step_forecast"][k], columns["step_error"][k]),
                     number(at_start("tau_step", k), 5), number(t), number(said),
                     "–" if np.isnan(off) else f"{off:+.0f} %",
                     number(at_start("tau", k)), gamma, number(at_start("gamma", k)),
                     number(values[k] if k < len(values) else np.nan), note])
    more = f"{hidden} more mode{'s' if hidden > 1 else ''} without a step or a forecast."
    rest = f"<p>{more}</p>" if hidden else ""
    head = ["mode", "step measured", "step forecast", "step predicted", "time measured",
            "time forecast", "off", "time predicted", "γ fitted", "γ predicted",
            "λ, end", ""]
    return table(head, rows, "nnnnnnnnnnn", "whole") + rest


def forecast_figure(all_runs):
    """What was said of the next step, while training, beside what came, and of how many
    runs; None without.
    """
    have = [r for r in all_runs if r.forecasts() and np.isfinite(r.forecasts()[2]).any()]
    if not have:
        return None, 0
    columns = min(len(have), plot_run.WIDEST)
    rows = -(-len(have) // columns)
    fig, axes = plt.subplots(rows, columns, figsize=(4.1 * columns + 1, 3.1 * rows),
                             squeeze=False, layout="constrained")
    for a in axes.flat[len(have):]:
        a.set_axis_off()
    for a, run, varied in zip(axes.flat, have, script.described(have)):
        (t, mode, said, error), measured = run.forecasts(), run.steps()
        colors = plot_run.colors_of(max(len(measured), mode.max(), 1))
        for k in sorted(set(mode[np.isfinite(said)])):
            mine = (mode == k) & np.isfinite(said)
            a.errorbar(t[mine], said[mine], yerr=np.nan_to_num(error[mine]), fmt="o",
                       ms=3.5, color=colors[k - 1], elinewidth=0.7, label=f"{k}")
            if k <= len(measured) and np.isfinite(measured[k - 1]):
                a.axhline(measured[k - 1], color=colors[k - 1], lw=1)
        end = t[-1] or 1
        a.plot([0, end], [0, end], color="0.8", lw=0.8, zorder=0)
        a.set(xlim=(0, end), ylim=(0, min(np.nanmax(said) * 1.08, 2 * end)))
        a.set_xlabel("effective time of the forecast", fontsize=9)
        a.set_ylabel("forecast time of the transition", fontsize=9)
        a.set_title(script.plain(varied or run.title), fontsize=10, loc="left")
        a.legend(title="mode", fontsize=8, title_fontsize=8, frameon=False)
        a.spines[["top", "right"]].set_visible(False)
        a.tick_params(labelsize=8)
    return fig, columns


def metric_names(all_runs):
    names = set().union(*(run.f["/metrics"] for run in all_runs if "/metrics" in run.f))
    return sorted(n for n in names if any(
        np.any(np.isfinite(run.get(f"/metrics/{n}/value"))) for run in all_runs
        if run.series(f"/metrics/{n}")))


def panels(all_runs, groups):
    """Small multiples; groups: (title, path, field, factor). Several runs on a share of
    their time.
    """
    columns = 4
    rows = -(-len(groups) // columns)
    fig, axes = plt.subplots(rows, columns, figsize=(11, 1.95 * rows), squeeze=False,
                             layout="constrained")
    alone = len(all_runs) == 1
    for a, (title, path, field, factor) in zip(axes.flat, groups):
        for i, run in enumerate(all_runs):
            found = run.series(path, field)
            if found is None or not np.any(np.isfinite(found[1])):
                continue
            t, y = found[0], factor * found[1]
            seen = y[np.isfinite(y)]
            if seen.min() > 0 and seen.max() > 1e3 * seen.min():
                a.set_yscale("log")
            a.plot(t if alone else t / (t[-1] or 1), y, **script.style(i), lw=1.1,
                   marker="." if len(t) < 3 else None)
        script.plain_numbers(a)
        a.set_title(title.replace("_", " "), fontsize=9, loc="left")
        a.tick_params(labelsize=7)
        a.spines[["top", "right"]].set_visible(False)
    for a in axes.flat[len(groups):]:
        a.set_axis_off()
    fig.supxlabel("effective time" if alone else "share of the run's effective time",
                  fontsize=9)
    if not alone:
        fig.legend([plt.Line2D([], [], **script.style(i)) for i in range(len(all_runs))],
                   [script.plain(label) for label in script.labels_of(all_runs)],
                   frameon=False, fontsize=8.5, ncol=6,
                   loc="upper center", bbox_to_anchor=(0.5, 0))
    return fig


def metrics(all_runs):
    names = metric_names(all_runs)
    if not names:
        return "<p>No metrics were recorded.</p>"
    groups = [(n, f"/metrics/{n}", "value", 1) for n in names]
    of_features = [(f"features: {n}", f"/features/metrics/{n}", "value", 1) for n in names
                   if any(run.series(f"/features/metrics/{n}") for run in all_runs)]
    found = {(run, n): run.series(f"/metrics/{n}") for run in all_runs for n in names}
    ends = {key: series[1][[0, -1]] if series else (None, None)
            for key, series in found.items()}
    labels = script.labels_of(all_runs)
    if len(all_runs) <= MANY:  # a row a metric
        head = ["metric"] + [f"{label}, {when}" for label in labels
                             for when in ("start", "end")]
        rows = [[n] + [number(y) for run in all_runs for y in ends[run, n]]
                for n in names]
        listed = table(head, rows, "k" + "n" * (len(head) - 1))
    else:  # a row a run
        rows = [[label] + [number(ends[run, n][1]) for n in names]
                for label, run in zip(labels, all_runs)]
        listed = "<h3>At the end</h3>"
        for first in range(0, len(names), ACROSS):
            head = ["run"] + [n.replace("_", " ") for n in names[first:first + ACROSS]]
            listed += table(head, [row[:1] + row[1 + first:1 + first + ACROSS]
                                   for row in rows], " " + "n" * ACROSS, "whole")
    drawn = picture(panels(all_runs, groups), "Metrics of the probe set.") + listed
    if of_features:
        drawn += picture(panels(all_runs, of_features),
                         "The same of the encoder's output, before the projector.")
    return drawn


def training(all_runs):
    groups = [("norm of the gradient", "/gradient", "norm", 1),
              ("views a second", "/timing", "images_per_second", 1),
              ("loss of the batch", "/loss", "value", 1),
              ("resident memory, MB", "/timing", "resident", 1e-6)]
    groups = [g for g in groups if any(r.series(g[1], g[2]) for r in all_runs)]
    return picture(panels(all_runs, groups), "Training as it went.") if groups else ""


def compared(all_runs, of, keys, what):
    """Values that differ, a row a run; then those that are the same in all runs."""
    values = {k: [a.get(k, "–") for a in of] for k in keys}
    differ = [k for k in keys if len(set(values[k])) > 1]
    same = [k for k in keys if k not in differ]
    out = ""
    if differ:
        rows = [[label] + [Cell(f'<td class="differs">{esc(values[k][i])}</td>')
                           for k in differ]
                for i, label in enumerate(script.labels_of(all_runs))]
        for first in range(0, len(differ), ACROSS):
            part = [[row[0]] + row[1 + first:1 + first + ACROSS] for row in rows]
            out += table(["run"] + differ[first:first + ACROSS], part, kind="whole")
    listed = table([what, "value"], [[k, values[k][0]] for k in same], "k")
    return differ, out, listed


def parameters(all_runs):
    of = [run.attributes("/parameters") for run in all_runs]
    keys = sorted(set().union(*of))
    differ, table_of_differences, same = compared(all_runs, of, keys, "parameter")
    out = ""
    if len(all_runs) > 1:
        out = f"<h3>Where the runs differ ({len(differ)})</h3>" + table_of_differences
    what = f"All {len(keys)} parameters" if len(all_runs) == 1 else \
        f"The {len(keys) - len(differ)} parameters that are the same"
    return out + f"<details><summary>{what}</summary>{same}</details>"


def provenance(all_runs):
    of = [{**r.attributes("/code"), **r.attributes("/environment"),
           "schema": r.attributes("/schema").get("version", "–"),
           "hdf5 file": os.path.abspath(r.path)} for r in all_runs]
    first = "version git started hosts nodes ranks mpi hdf5 blas".split()
    keys = first + sorted(set().union(*of) - set(first))
    _, differences, same = compared(all_runs, of, keys, "")
    return differences + same


def pca(all_runs):
    stored = [(r, r.get("/embedding/pca")) for r in all_runs]
    have = [r for r, z in stored if z is not None and z.shape[2] >= 3]
    if not have:
        return "<p>Fewer than three dimensions, or no embeddings were stored.</p>"
    return picture(plot_pca.draw(have, 5), "Probe embeddings on three principal "
                   "directions of the end; one scale a row. Colours: classes or angles.")


def page(all_runs, title):
    wide = None if len(all_runs) > 1 else "34rem"
    settings = list(dict.fromkeys(run.subtitle for run in all_runs))
    setting = f" of {settings[0]}" if len(settings) == 1 and len(all_runs) > 1 else ""
    parts = [f"<h1>{esc(title)}</h1>",
             f'<p class="lead">Eigenstep, {len(all_runs)} run'
             f'{"s" if len(all_runs) > 1 else ""}{esc(setting)}; time is effective time, '
             "learning rate × step.</p>", overview(all_runs),
             "<h2>Loss and eigenvalues</h2>",
             picture(plot_run.draw(all_runs),
                     "Loss, and the leading eigenvalues on a linear and a logarithmic "
                     "axis. Verticals: a mode is learned. Dashed: predicted from the "
                     "start. Triangles: forecast while the eigenvalue was small."
                     + (" Last row: eigenvalues of the encoder's output."
                        if any(run.features(1) for run in all_runs) else ""), wide),
             f"<h2>Modes learned</h2><p>{eigenstep.LEARNED}</p>"]
    for run, label in zip(all_runs, script.labels_of(all_runs)):
        if len(all_runs) > 1:
            parts.append(f"<h3>{esc(label)}: {esc(run.title)}</h3>")
        parts.append(step_table(run) + f"<p>{esc(run.verdict() + run.limits())}</p>")
    forecast, count = forecast_figure(all_runs)
    if forecast:
        parts.append(picture(forecast, "The next step as forecast while training (dots; "
                             "bars: 68 % intervals) and as it came (lines). Below the "
                             "diagonal lies the past.",
                             f"{min(100, 20 + 25 * count)}%"))
    parts += map(mode_study, filter(None, (plot_modes.find(r.folder) for r in all_runs)))
    parts += ["<h2>Embeddings</h2>", pca(all_runs), "<h2>Metrics</h2>", metrics(all_runs),
              "<h2>Training</h2>", training(all_runs),
              "<h2>Parameters</h2>", parameters(all_runs),
              "<h2>Provenance</h2>", provenance(all_runs)]
    return ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            '<link rel="icon" href="data:,">'
            f"<title>{esc(title)}</title><style>{STYLE}</style></head><body>\n"
            + "\n".join(parts) + "\n</body></html>\n")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("outdir", nargs="+")
    p.add_argument("-o", "--output", help="default: OUTDIR/report.html, or ./report.html")
    p.add_argument("--title", help="default: the methods")
    p.add_argument("--partial", action="store_true", help="take failed runs too")
    a = p.parse_args()
    all_runs = script.open_all(a.outdir, a.partial)
    title = a.title or ", ".join(dict.fromkeys(run.title for run in all_runs))
    if not a.title and len(all_runs) <= MANY:
        title += ": " + ", ".join(script.labels_of(all_runs))
    text = page(all_runs, title)
    folder = all_runs[0].folder if len(all_runs) == 1 else "."
    output = a.output or os.path.join(folder, "report.html")
    try:
        with open(output, "w", encoding="utf-8", errors="replace") as f:
            f.write(text)
    except OSError as e:
        script.give_up(f"cannot write '{output}': {e.strerror}")
    script.say(output)


if __name__ == "__main__":
    script.main(main)
