"""Draws the figures (a document on standard input) into the SVG or PNG named on the command line."""

import json
import sys

import matplotlib as mpl

mpl.use("svg" if sys.argv[1].endswith("svg") else "agg")
import matplotlib.pyplot as plt

OURS, THEIRS = "#2563eb", "#cbd5e1"
NAMES = {
    "vecward": "vecward",
    "plain": "in-process",
    "tutorial": "rebuild each time",
    "infinity": "infinity-emb",
    "txtai": "txtai",
    "chroma": "chromadb",
    "one encode": "the encode alone",
    "bulk": "in-process, all at once",
}
PANELS = (
    ("one client", "one client, queries/s"),
    ("32 clients", "32 clients, queries/s"),
    ("index", "indexing, texts/s"),
    ("edit", "one edit, ms (log)"),
)


def values(document, metric):
    found = dict(document["medians"].get(metric, {}))
    if metric == "32 clients" and "bulk" in document["medians"]:
        found["bulk"] = document["medians"]["bulk"]["plain"]
        found.pop("plain", None)
    return [(NAMES[side], found[side], side == "vecward") for side in NAMES if side in found]


def panel(axes, bars, title, log):
    bars = bars[::-1]
    numbers = [value for _, value, _ in bars]
    axes.barh([name for name, _, _ in bars], numbers, color=[OURS if ours else THEIRS for *_, ours in bars], log=log)
    for at, value in enumerate(numbers):
        text = f" {value:,.0f}" if value >= 100 else f" {value:.1f}"
        axes.text(value, at, text, va="center", fontsize=8)
    axes.set_title(title, fontsize=9, loc="left")
    axes.tick_params(left=False, bottom=False, labelbottom=False, labelsize=8, which="both")
    axes.margins(x=0.18)
    if log:
        axes.set_xlim(min(numbers) / 3, max(numbers) * 8)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)


def main():
    document = json.load(sys.stdin)
    shown = [(metric, title) for metric, title in PANELS if document["medians"].get(metric)]
    figure, grid = plt.subplots(2, 2, figsize=(8, 4.2), layout="constrained")
    for axes, (metric, title) in zip(grid.flat, shown, strict=False):
        panel(axes, values(document, metric), title, log=metric == "edit")
    for axes in grid.flat[len(shown) :]:
        axes.set_visible(False)
    about = document["about"]
    figure.suptitle(f"{about['model']}, {about['entries']:,} texts, {about['cpus']} cores, no GPU", fontsize=9)
    mpl.rcParams["svg.fonttype"] = "none"
    figure.savefig(sys.argv[1], metadata={"Date": None} if sys.argv[1].endswith("svg") else None)


main()
