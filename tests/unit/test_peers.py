"""Test suites of other clients: documented counts and excluded tests."""

from __future__ import annotations

import json
import tomllib

from tests.documentation import ROOT

PEERS = ROOT / ".ci" / "peers"
SUITES = tomllib.loads((PEERS / "suites.toml").read_text(encoding="utf-8"))
PASSED = json.loads((PEERS / "passed.json").read_text(encoding="utf-8"))


def test_page_shows_the_recorded_test_counts() -> None:
    page = (ROOT / "docs" / "any-client.md").read_text(encoding="utf-8")
    table = page.partition("<!-- suites -->")[2].partition("<!-- /suites -->")[0].split("\n")
    counts = {
        f"{name} {one['version']}": [by[name] for of in PASSED.values() for by in of.values()]
        for name, one in SUITES.items()
    }
    rows = [f"| {name} | {' | '.join(map(str, passed))} |" for name, passed in counts.items()]
    assert table[3:-1] == rows


def test_same_counts_pass_in_memory_and_on_rabbitmq() -> None:
    for of_version in PASSED.values():
        assert of_version["mooq serve"] == of_version["RabbitMQ"]


def test_every_excluded_test_has_a_reason() -> None:
    reasons = [reason for suite in SUITES.values() for _, reason in suite["left_out"]]
    assert all(reasons)
