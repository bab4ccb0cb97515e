"""Writes the results of benchmarks and parity runs into the documentation, as charts and tables.

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

WIDTH = 4.8  # inches, so that the font is readable on a phone with 360 pixels
LONGEST_BAR = 5.0  # longer bars in a chart of ratios are cut, or the others would be too short

pyplot.rcParams.update(
    {
        "svg.hashsalt": "mooq",  # makes the file reproducible
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 9,
        "axes.titlesize": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
)


def draw_ratios(sections: dict[str, Any], names: list[str], file: str) -> None:
    """Draw each ratio of these sections as a bar; above 1, mooq is faster."""
    ratios = [ratio for section in names for ratio in sections.get(section, {}).get("results", [])][
        ::-1
    ]
    figure, axes = pyplot.subplots(figsize=(WIDTH, 0.7 + 0.4 * len(ratios)))
    for place, one in enumerate(ratios):
        ratio = one["ratio"]
        is_cut = ratio > LONGEST_BAR
        axes.barh(place, min(ratio, LONGEST_BAR), height=0.4, color=OURS, hatch="//" * is_cut)
        axes.annotate(
            f"{ratio:.0f}, cut off at {LONGEST_BAR:g}" if is_cut else f"{ratio:.2f}",
            (min(ratio, LONGEST_BAR), place),
            xytext=(-4 if is_cut else 4, 0),
            textcoords="offset points",
            va="center",
            ha="right" if is_cut else "left",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
        axes.text(
            0.04,
            place + 0.28,
            f"{one['work']} / {one['against']}",
            va="bottom",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )
    axes.axvline(1, color=WANTED, linewidth=1, zorder=0.5)
    axes.set_xlim(0, LONGEST_BAR)
    axes.set_ylim(-0.5, len(ratios) - 0.2)
    axes.set_yticks([])
    axes.set_xlabel("the other's time / mooq's time; at the red line they are equal")
    save(figure, file)


def draw_growth(curves: dict[str, dict[str, float]]) -> None:
    """Draw the cost of each operation against the size that its axis names."""
    by_bytes = {name: costs for name, costs in curves.items() if name.endswith("by bytes")}
    others = {name: costs for name, costs in curves.items() if name not in by_bytes}
    figure, grid = pyplot.subplots(3, 2, figsize=(WIDTH, 6.6), layout="constrained")
    panels = iter(grid.flat)
    highest = max((max(costs.values()) for costs in others.values()), default=0) * 1e6
    for name, costs in others.items():
        axes, (work, _, size) = next(panels), name.partition(", by ")
        _plot(axes, costs, color=OURS)
        axes.set_ylim(0, 1.2 * highest)
        axes.set_title(work)
        axes.set_xlabel(
            size.replace(" of the queue", "").replace("messages that wait", "waiting messages")
        )
    axes = next(panels)
    for name, costs in by_bytes.items():
        is_floor = name.startswith("json")
        _plot(axes, costs, color=THEIRS if is_floor else OURS, dashed=is_floor)
        label_at = max(
            (int(size), cost * 1e6) for size, cost in costs.items() if int(size) < 10_000
        )
        axes.annotate(
            "JSON alone" if is_floor else "mooq",
            label_at,
            xytext=(0, -12 if is_floor else 6),
            textcoords="offset points",
            ha="left" if is_floor else "right",
            color=THEIRS if is_floor else OURS,
        )
    axes.set_yscale("log")
    axes.set_title("publish and deliver")
    axes.set_xlabel("bytes (both axes by powers of 10)")
    figure.supylabel("µs for one operation", fontsize=9)
    save(figure, "benchmark-growth.svg")


def _plot(axes: Any, costs: dict[str, float], *, color: str, dashed: bool = False) -> None:
    axes.plot(
        [int(size) for size in costs],
        [cost * 1e6 for cost in costs.values()],
        marker="o",
        markersize=3,
        linestyle="--" if dashed else "-",
        color=color,
    )
    axes.set_xscale("log")
    axes.set_xlim(0.5, 2e6)
    axes.set_xticks([1, 1_000, 1_000_000], ["1", "1,000", "1 million"])
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.grid(visible=True, alpha=0.3)


def draw_ledger(runs: list[ledger.Entry]) -> None:
    """Draw the operations compared with each RabbitMQ, by level."""
    versions = ledger.by_version(runs)
    figure, axes = pyplot.subplots(figsize=(WIDTH, 0.7 + 0.75 * len(versions)))
    for place, (version, its_runs) in enumerate(versions.items()):
        done = 0
        for level, colour in (("AMQP", OURS), ("API", THEIRS)):
            count = sum(run.operations for run in its_runs if run.level == level)
            axes.barh(place, count, 0.45, left=done, color=colour, edgecolor="white")
            axes.text(
                done + count / 2,
                place,
                f"{level}: {count:,}",
                color="white",
                ha="center",
                va="center",
                fontsize=8,
            )
            done += count
        found = sum(run.divergences for run in its_runs)
        axes.text(
            0,
            place + 0.27,
            f"RabbitMQ {version}: {done:,} operations, {found} divergences",
            va="bottom",
            color=WANTED if found else "black",
        )
    axes.set_ylim(-0.4, len(versions) - 0.3)
    axes.set_yticks([])
    axes.xaxis.set_major_locator(ticker.MultipleLocator(100_000))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("operations that both brokers did: calls of mooq's API, and methods of AMQP")
    save(figure, "parity-ledger.svg")


def write_table(sections: dict[str, Any]) -> None:
    """Write the benchmark results into their page."""
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
    """Write a text between the two markers of a page."""
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}{text}{end}{after}", encoding="utf-8")


def _time(seconds: float) -> str:
    """Return a time with its unit, joined by a no-break space."""
    return f"{seconds * 1e6:,.1f}\xa0µs" if seconds < 0.01 else f"{seconds * 1e3:,.0f}\xa0ms"


def save(figure: Any, name: str) -> None:
    figure.savefig(DOCS / "_static" / name, bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)
    print(DOCS / "_static" / name)


if __name__ == "__main__":
    kept = json.loads(RESULTS.read_text())
    draw_ratios(kept, ["in memory", "on RabbitMQ"], "benchmark-ratios.svg")
    draw_ratios(kept, ["server", "server alone"], "benchmark-server.svg")
    draw_growth(kept.get("growth", {}).get("results", {}))
    write_table(kept)
    runs = ledger.read(DOCS / "parity-ledger.json")
    draw_ledger(runs)
    fill(DOCS / "parity.md", "ledger", f"\n{ledger.table(runs)}\n")
    fill(ROOT / "README.md", "parity", ledger.line(runs))
