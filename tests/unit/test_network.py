"""The fault proxy while it connects to the broker."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from mooq.testing.faults.tcp import LOOPBACK, Proxy
from tests.integration.inbox import LONGEST_WAIT


async def test_closing_proxy_closes_connecting_clients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect = asyncio.open_connection
    began = asyncio.Event()

    async def slowly(*where: Any, **options: Any) -> Any:
        if "sock" in options:
            return await connect(**options)
        began.set()
        return await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(asyncio, "open_connection", slowly)
    where = {"broker": "rabbit", "host": LOOPBACK, "port": 1, "virtual_host": "/"}
    proxy = Proxy(where | {"username": "guest", "password": "guest"})  # type: ignore[arg-type]
    async with asyncio.timeout(LONGEST_WAIT):
        reader, writer = await connect(LOOPBACK, proxy.arguments["port"])
        await began.wait()
        await proxy.close()
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()
