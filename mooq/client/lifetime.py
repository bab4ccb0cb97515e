"""The ``async with`` of connections, channels and brokers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Lifetime(ABC):
    """Something to be used in ``async with``, and closed at its end, however it ends."""

    async def __aenter__(self) -> Self:
        await self._begin()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _begin(self) -> None:  # noqa: B027 - most have nothing to do
        """Do what must be done before the block."""

    @abstractmethod
    async def close(self) -> None:
        """End it; a second time is nothing."""
