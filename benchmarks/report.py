"""Puts what was measured, and what was compared, into the pages: drawn and in figures.

``python -m benchmarks.report``
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from matplotlib import pyplot, ticker

from benchmarks.measuring import RESULTS
from mooq.parity import ledger

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
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


def draw_ledger(runs: list[ledger.Entry]) -> None:
    """Draw the operations compared with each RabbitMQ, run by run, and what they found."""
    versions = ledger.by_version(runs)
    figure, axes = pyplot.subplots(figsize=(8, 0.7 + 0.5 * len(versions)))
    for version, its_runs in versions.items():
        done = 0
        for run in its_runs:
            axes.barh(version, run.operations, left=done, color=OURS, edgecolor="white")
            done += run.operations
        found = sum(run.divergences for run in its_runs)
        axes.annotate(
            f"{done:,}: {found} divergences",
            (done, version),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=WANTED if found else "black",
        )
    axes.set_xlim(right=1.45 * axes.get_xlim()[1])
    axes.xaxis.set_major_locator(ticker.MultipleLocator(50_000))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_ylabel("RabbitMQ")
    axes.set_xlabel("operations that both brokers did, run by run")
    save(figure, "parity-ledger.svg")


def write_table(sections: dict[str, Any]) -> None:
    """Write the figures of the benchmarks into their page."""
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
    fill(DOCS / "benchmarks.md", "figures", "\n".join(["", *lines, ""]))


def fill(page: Path, mark: str, text: str) -> None:
    """Write a text between the two marks of a page."""
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}{text}{end}{after}", encoding="utf-8")


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
    runs = ledger.read(DOCS / "parity-ledger.json")
    draw_ledger(runs)
    fill(DOCS / "parity.md", "ledger", f"\n{ledger.table(runs)}\n")
    fill(ROOT / "README.md", "parity", ledger.line(runs))
