"""``async with`` for connections, channels and brokers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Lifetime(ABC):
    """An async context manager that closes itself at the end of the block."""

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
        """Prepare for the block."""

    @abstractmethod
    async def close(self) -> None:
        """Close it. Closing twice is safe."""
