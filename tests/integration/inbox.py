"""Callbacks that keep their messages and let tests wait for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import mooq

LONGEST_WAIT = 60.0  # seconds; usually milliseconds are enough


class Inbox:
    """A callback that keeps its messages in order."""

    def __init__(self) -> None:
        self.messages: list[mooq.IncomingMessage] = []
        self._changed = asyncio.Event()

    async def __call__(self, message: mooq.IncomingMessage) -> None:
        self.keep(message)

    def keep(self, message: mooq.IncomingMessage) -> None:
        """Add a message and wake waiting tests."""
        self.messages.append(message)
        self._changed.set()

    @property
    def bodies(self) -> list[Any]:
        """The message bodies, in the order in which callbacks were started."""
        return [message["msg"] for message in self.messages]

    async def has(self, count: int) -> list[Any]:
        """Wait until there are at least this many messages; return their bodies."""
        return await self.has_that(lambda: len(self.messages) >= count, f"{count} messages")

    async def has_that(self, condition: Callable[[], bool], what: str) -> list[Any]:
        """Wait until a condition holds; return the bodies. ``what`` is named in the error."""
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(
                f"waited {LONGEST_WAIT:g} s for {what}; there are {self.bodies!r}"
            ) from None
        return self.bodies


class HeldInbox(Inbox):
    """An inbox whose callbacks wait until they are released."""

    def __init__(self) -> None:
        super().__init__()
        self.finished: list[Any] = []
        self._gates: dict[Any, list[asyncio.Event]] = {}
        self._is_open = False

    async def __call__(self, message: mooq.IncomingMessage) -> None:
        gate = asyncio.Event()
        self._gates.setdefault(message["msg"], []).append(gate)
        self.keep(message)
        if not self._is_open:
            await gate.wait()
        self.finished.append(message["msg"])
        self._changed.set()

    def let_go(self, *bodies: Any) -> None:
        """Release the callbacks of these bodies."""
        for body in bodies:
            for gate in self._gates[body]:
                gate.set()

    def let_go_first(self, body: Any) -> None:
        """Release the first callback of a body."""
        self._gates[body][0].set()

    async def has_finished(self, count: int) -> None:
        """Wait until this many callbacks have returned."""
        await self.has_that(lambda: len(self.finished) >= count, f"{count} to return")

    def open(self) -> None:
        """Release all callbacks, also future ones."""
        self._is_open = True
        self.let_go(*self._gates)


class Refusal(Exception):
    """The error that failing callbacks raise."""


class FailingInbox(Inbox):
    """An inbox whose callbacks fail ``times`` times for some bodies."""

    def __init__(self, *failing: Any, times: int = 2) -> None:
        super().__init__()
        self._left = dict.fromkeys(failing, times)

    async def __call__(self, message: mooq.IncomingMessage) -> None:
        self.keep(message)
        if self._left.get(message["msg"], 0) > 0:
            self._left[message["msg"]] -= 1
            raise Refusal(f"no to {message['msg']}")
