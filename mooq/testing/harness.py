"""Per-process plugin state, and access to the run's RabbitMQ."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn, TextIO

import pytest

from mooq.testing.settings import Settings, settings_of

if TYPE_CHECKING:
    from mooq.testing.broker import Broker
    from mooq.testing.lease import Lease, Offer, RunningRabbitMQ, RunSummary
    from mooq.testing.live_line import LiveLine
    from mooq.testing.run_owner import RunOwner

WORKER_INPUT = "mooq"
BROKER: pytest.StashKey[Broker] = pytest.StashKey()
"""The broker of a test."""


class Harness:
    """The harness of one process: the only one, xdist's controller, or one of its workers."""

    _key: pytest.StashKey[Harness] = pytest.StashKey()

    def __init__(self, config: pytest.Config) -> None:
        self.settings: Settings = settings_of(config)
        self.has_workers: bool = False
        self._offered: tuple[int, str] | None = getattr(config, "workerinput", {}).get(WORKER_INPUT)
        self._owner: RunOwner | None = None
        self._lease: Lease | None = None
        self._line: LiveLine | None = None
        self._terminal: TextIO | None = None
        self._plugins = config.pluginmanager
        if self._offered is None and sys.stderr.isatty():
            from mooq.testing.live_line import real_terminal

            self._terminal = real_terminal()
        config.stash[self._key] = self
        config.add_cleanup(self.end)

    @classmethod
    def of(cls, config: pytest.Config) -> Harness:
        """Return the harness of this process."""
        return config.stash[cls._key]

    @property
    def summary(self) -> RunSummary | None:
        """The summary of RabbitMQ; None in a worker, and if RabbitMQ was not requested."""
        return None if self._owner is None else self._owner.summary

    def offer(self) -> Offer:
        """Return the port and token of RabbitMQ's owner; start the owner unless in a worker."""
        from mooq.testing.lease import Offer

        if self._offered is not None:
            return Offer(*self._offered)
        if self._owner is None:
            from mooq.testing.run_owner import RunOwner

            self._owner = RunOwner(self.settings.rabbitmq)
        return self._owner.offer

    def offer_to_worker(self, worker_input: dict[str, object]) -> None:
        """Pass the owner's port and token to an xdist worker."""
        self.has_workers = True
        worker_input[WORKER_INPUT] = tuple(self.offer())
        self._show_line()

    def ask(self) -> Lease:
        """Request RabbitMQ, without waiting for the reply."""
        from mooq.testing.lease import Lease

        if self._lease is None:
            self._lease = Lease(self.offer())
        return self._lease

    def rabbitmq(self) -> RunningRabbitMQ:
        """Return the run's RabbitMQ, once it answers; skip or fail the test without one."""
        from mooq.testing.lease import Failed, Unavailable

        lease = self.ask()
        self._show_line()
        try:
            answer = lease.answer()
        finally:
            self.hide_line()
        if isinstance(answer, Failed):
            first, _, more = answer.reason.partition("\n")
            more = "; see the summary for more" if more else ""
            pytest.fail(f"no RabbitMQ for this test: {first}{more}", pytrace=False)
        if isinstance(answer, Unavailable):
            self.leave_out(answer.reason)
        return answer

    def leave_out(self, reason: str) -> NoReturn:
        """Skip a test because something is missing; fail it if RabbitMQ is required."""
        if self.settings.is_required:
            pytest.fail(f"MOOQ_REQUIRE_RABBITMQ is set, but {reason}", pytrace=False)
        pytest.skip(reason)

    def _show_line(self) -> None:
        """Show a progress line on a terminal."""
        if self._terminal is not None and self._owner is not None and self._line is None:
            from mooq.testing.live_line import LiveLine

            self._line = LiveLine(self._terminal, str(self.settings.rabbitmq), self._owner)
            self._plugins.register(self._line)

    def hide_line(self) -> None:
        """Hide the progress line."""
        if self._line is not None:
            self._line.end()

    def end(self) -> None:
        """Release and remove everything. Ending twice is safe."""
        self.hide_line()
        if self._lease is not None:
            self._lease.close()
        if self._owner is not None:
            self._owner.end()
        if self._terminal is not None:
            self._terminal.close()
