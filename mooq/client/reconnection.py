"""Reconnecting: one series of attempts for everything that waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from mooq.basics.address import Address
from mooq.client.recovery import Recovery, backing_off, worth_waiting
from mooq.errors import BrokerConnectionError, Lost

log: logging.Logger = logging.getLogger("mooq.recovery")


class Reconnection:
    """The attempts to restore one connection.

    ``address`` returns the current or last node. ``report_loss`` logs that the connection was lost,
    and why. ``restore`` connects and restores the channels.
    """

    def __init__(
        self,
        recovery: Recovery,
        address: Callable[[], Address],
        report_loss: Callable[[], None],
        restore: Callable[[], Awaitable[None]],
    ) -> None:
        self._recovery = recovery
        self._address = address
        self._report_loss = report_loss
        self._restore = restore
        self._attempts: asyncio.Task[None] | None = None

    def begin_anew(self) -> None:
        """Forget attempts whose event loop is closed."""
        self._attempts = None

    def cancel(self) -> bool:
        """Cancel the attempts; return whether there were any."""
        if self._attempts is None or self._attempts.done():
            return False
        self._attempts.cancel()
        return True

    async def wait(self, check_open: Callable[[], None]) -> None:
        """Return when the connection is restored. All callers wait for the same attempts.

        ``check_open`` raises if the connection was closed in the meantime. Raises
        :class:`~mooq.BrokerConnectionError` if the connection cannot be restored.
        """
        if self._attempts is None or self._attempts.done():
            self._attempts = asyncio.create_task(self._bring_back())
            self._attempts.add_done_callback(lambda done: done.cancelled() or done.exception())
        attempts = self._attempts
        try:
            await asyncio.shield(attempts)
        except asyncio.CancelledError:
            if attempts.cancelled():
                check_open()
            raise

    async def _bring_back(self) -> None:
        """Reconnect, with back-off, and restore every channel."""
        lost = self._address()
        self._report_loss()
        try:
            async for attempt in backing_off(self._recovery):
                with attempt:
                    await self._restore()
        except (BrokerConnectionError, Lost) as error:
            log.error("gave up reconnecting to %s: %s", lost, error)
            if not worth_waiting(error):
                raise
            raise BrokerConnectionError(
                f"the connection to {lost} was lost; gave up after attempt "
                f"{self._recovery.attempts}; last error: {error}",
                transient=False,
            ) from error
        log.info("reconnected to %s", self._address())
