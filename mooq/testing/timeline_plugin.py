"""``--mooq-timeline``: shows what happened in a failed test."""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path

import pytest

from mooq.testing.harness import BROKER


class TimelinePlugin:
    """Adds a timeline to the report of a failed test, and draws it if there is a ``folder``."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add it to the report of the failed phase."""
        report = yield
        broker = item.stash.get(BROKER, None)
        if broker is None or not report.failed:
            return report
        from mooq.testing.timeline import as_html, as_text

        records = broker.recorded.all
        text = as_text(records)
        if self._folder is not None:
            name = re.sub(r"[^\w.-]+", "-", item.nodeid)
            path = self._folder / f"{name}.html"
            path.write_text(as_html(records, item.nodeid), encoding="utf-8")
            text = f"{text}\ndrawn in {path}"
        report.sections.append(("mooq timeline", text))
        return report
