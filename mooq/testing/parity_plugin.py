"""``--mooq-parity``: compares each test's results on both brokers.

It compares how the test ended, what was published, and which messages each consumer of each queue
got and what it did with them, in order.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, TypeAlias

import pytest

from mooq.testing.harness import BROKER, Harness
from mooq.testing.settings import BACKENDS

if TYPE_CHECKING:
    from mooq.parity.trace import Normalizer
    from mooq.testing.broker import Broker

Lines: TypeAlias = list[str]
ENDED: pytest.StashKey[Lines] = pytest.StashKey()
"""The outcomes of a test's phases that did not pass."""
ATTRIBUTE = "mooq_parity"
"""A test's name, broker and lines, in its last report, which xdist takes to the controller."""


class ParityPlugin:
    """pytest hooks: processes that run tests report their lines, and the first process compares."""

    def __init__(self) -> None:
        self._lines: dict[str, dict[str, Lines]] = {}

    @property
    def _compared(self) -> dict[str, tuple[Lines, Lines]]:
        ours, theirs = BACKENDS["all"]
        return {
            test: (lines[ours], lines[theirs])
            for test, lines in self._lines.items()
            if len(lines) == len(BACKENDS["all"])
        }

    @property
    def _different(self) -> dict[str, tuple[Lines, Lines]]:
        return {test: both for test, both in self._compared.items() if both[0] != both[1]}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add the test's result to its last report."""
        report = yield
        broker = item.stash.get(BROKER, None)
        if broker is None:
            return report
        ended = item.stash.setdefault(ENDED, [])
        normalizer = _normalizer_of(broker)
        if not report.passed:
            crash = getattr(report.longrepr, "reprcrash", None)
            why = f": {crash.message.partition(chr(10))[0]}" if crash is not None else ""
            ended.append(normalizer.of(f"{report.outcome} in {report.when}{why}"))
        if report.when == "teardown":
            from mooq.testing.comparison import lines_of

            masks = Harness.of(item.config).settings.masks
            lines = lines_of(ended or ["passed"], broker.recorded.all, normalizer, masks)
            setattr(
                report, ATTRIBUTE, [test_of(item.nodeid, broker.backend), broker.backend, lines]
            )
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note of a test's result."""
        if found := getattr(report, ATTRIBUTE, None):
            test, backend, lines = found
            self._lines.setdefault(test, {})[backend] = lines

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Fail the run if a test differs, or if none could be compared."""
        yield
        if hasattr(session.config, "workerinput"):  # an xdist worker has seen only its own tests
            return
        agree = self._compared and not self._different
        if not agree and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter, config: pytest.Config
    ) -> None:
        """Show the results of each test that differs side by side."""
        from mooq.parity.report import side_by_side

        for test, (ours, theirs) in self._different.items():
            terminalreporter.section(f"{test} differs between the brokers", red=True)
            terminalreporter.write_line(side_by_side(ours, theirs))
        count, different = len(self._compared), len(self._different)
        terminalreporter.write_line(
            f"mooq: {count} test{'' if count == 1 else 's'} compared on both brokers, "
            f"{different or 'none'} {'differ' if different > 1 else 'differs'}",
            red=not count or different > 0,
        )


def test_of(nodeid: str, backend: str) -> str:
    """Return the name of a test without its broker."""
    name, _, parameters = nodeid.rpartition("[")
    others = parameters.removesuffix("]").split("-")
    if not name or backend not in others:  # the project's own mooq_backend names no broker
        return nodeid
    others.remove(backend)
    return f"{name}[{'-'.join(others)}]" if others else name


test_of.__test__ = False  # type: ignore[attr-defined]


def _normalizer_of(broker: Broker) -> Normalizer:
    from mooq.parity.trace import Normalizer

    aliases = {broker.virtual_host: "HOST"}
    for address in broker.addresses:
        aliases |= {str(address): "BROKER", address.host: "HOST"}
    return Normalizer(aliases)
