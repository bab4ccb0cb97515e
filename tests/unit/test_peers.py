"""The page that says which clients' test suites pass, beside the list by which they are run."""

from __future__ import annotations

import tomllib

from tests.documentation import ROOT

SUITES = tomllib.loads((ROOT / ".ci" / "peers" / "suites.toml").read_text(encoding="utf-8"))


def test_the_page_has_the_figures_of_the_list() -> None:
    page = (ROOT / "docs" / "any-client.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and " 4.0.5" not in line]
    counts = {f"{name} {one['version']}": one["passed_on_rabbitmq"] for name, one in SUITES.items()}
    assert rows[-len(SUITES) :] == [f"| {name} | {n} | {n} |" for name, n in counts.items()]


def test_whatever_is_left_out_has_a_reason() -> None:
    reasons = [reason for suite in SUITES.values() for _, reason in suite["left_out"]]
    assert all(reasons)
