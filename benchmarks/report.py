"""Puts what was measured into docs/benchmarks.md, drawn and in figures.

``python -m benchmarks.report``
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from matplotlib import pyplot

from benchmarks.measuring import RESULTS

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "benchmarks.md"
BEGIN, END = "<!-- figures -->\n", "<!-- /figures -->"
OURS, THEIRS, WANTED = "#2f5fd0", "#9aa4b2", "#c0392b"

pyplot.rcParams.update(
    {
        "svg.hashsalt": "mooq",  # the same figures make the same file
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
)


def draw_ratios(sections: dict[str, Any]) -> None:
    """Draw each ratio as a bar; right of 1, mooq takes less time than the other."""
    ratios = [
        ratio
        for section in ("in memory", "on RabbitMQ")
        for ratio in sections.get(section, {}).get("results", [])
    ][::-1]
    figure, axes = pyplot.subplots(figsize=(8, 0.5 + 0.42 * len(ratios)))
    names = [f"{ratio['work']} / {ratio['against']}" for ratio in ratios]
    bars = axes.barh(names, [ratio["ratio"] for ratio in ratios], color=OURS)
    axes.bar_label(bars, [f"{ratio['ratio']:.2f}" for ratio in ratios], padding=4)
    axes.axvline(1, color=THEIRS)
    axes.set_xscale("log")
    axes.set_xlabel("the other's time / mooq's")
    save(figure, "benchmark-ratios.svg")


def draw_growth(curves: dict[str, dict[str, float]]) -> None:
    """Draw the cost of an operation against the size of what is there."""
    figure, axes = pyplot.subplots(figsize=(8, 4.5))
    for name, costs in curves.items():
        is_floor = name.startswith("json")
        axes.plot(
            [int(size) for size in costs],
            [cost * 1e6 for cost in costs.values()],
            marker="o",
            markersize=3,
            linestyle="--" if is_floor else "-",
            color=THEIRS if is_floor else None,
            label=name,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("messages, bindings, queues, consumers or bytes")
    axes.set_ylabel("µs for one operation")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize=8, frameon=False)
    save(figure, "benchmark-growth.svg")


def write_table(sections: dict[str, Any]) -> None:
    """Put the figures between the marks of the page."""
    lines = [
        "| work | against | mooq | the other | ratio | wanted |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, section in sections.items():
        if name == "growth":
            continue
        measured = f"{section['date']}, Python {section['python']}, {section['cores']} cores"
        lines.append(f"| **{name}** ({measured}) | | | | | |")
        lines += [
            f"| {one['work']} | {one['against']} | {_time(one['ours'])} | {_time(one['base'])} "
            f"| {one['ratio']:.2f} | {one['wanted']} |"
            for one in section["results"]
        ]
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + BEGIN + "\n".join(lines) + "\n" + END + after)


def _time(seconds: float) -> str:
    return f"{seconds * 1e6:,.1f} µs" if seconds < 0.01 else f"{seconds * 1e3:,.0f} ms"


def save(figure: Any, name: str) -> None:
    figure.savefig(DOCS / "_static" / name, bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)
    print(DOCS / "_static" / name)


if __name__ == "__main__":
    kept = json.loads(RESULTS.read_text())
    draw_ratios(kept)
    draw_growth(kept.get("growth", {}).get("results", {}))
    write_table(kept)
