"""Readiness of a RabbitMQ: it completes an AMQP handshake and has finished booting.

An open port is not enough, because Docker's proxy opens it before RabbitMQ starts to boot. RabbitMQ
opens its AMQP listeners after users and virtual hosts exist, so a refused login is final.
"""

from __future__ import annotations

import asyncio
import operator
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

from mooq.basics.address import Address
from mooq.basics.wording import in_seconds
from mooq.client.recovery import jittered, worth_waiting
from mooq.errors import BrokerConnectionError, Lost, Refused
from mooq.launchers.launcher import Launcher, log_of
from mooq.transports.base import Transport

Probe: TypeAlias = Callable[[float], Awaitable[None]]
"""Returns when the broker answers within the given seconds, else BrokerConnectionError."""

FIRST_WAIT = 0.02  # seconds between two probes, at random up to a bound that doubles
LONGEST_WAIT = 0.1  # seconds, the largest bound
LONGEST_PROBE = 5.0  # seconds; a hanging probe must not hide that the node has died


async def handshake(address: Address, timeout: float) -> None:
    """Complete one AMQP handshake, and wait until the node has booted: a :data:`Probe`."""
    # Imported here so that `import mooq` loads neither aio-pika nor tenacity.
    from tenacity import AsyncRetrying, retry_if_result, stop_never, wait_fixed

    from mooq.transports.rabbit import RabbitTransport

    deadline = asyncio.get_running_loop().time() + timeout
    transport = RabbitTransport(address)
    await transport.open(timeout)
    try:
        async with asyncio.timeout_at(deadline):
            await AsyncRetrying(
                retry=retry_if_result(operator.not_), wait=wait_fixed(FIRST_WAIT), stop=stop_never
            )(transport.has_booted)
    except Refused:
        pass  # the user may not declare a queue, so the boot cannot be checked
    except TimeoutError:
        raise BrokerConnectionError(
            f"cannot connect to {address}: it answers, but is still booting after "
            f"{in_seconds(timeout)}"
        ) from None
    except Lost as error:
        raise BrokerConnectionError(f"cannot connect to {address}: {error}") from error
    finally:
        await transport.close()


async def wait_until_ready(
    probe: Probe, launcher: Launcher | None, timeout: float, left: float | None = None
) -> None:
    """Return when ``probe`` succeeds; retry it for ``timeout`` seconds.

    ``launcher`` started the node; None if mooq did not start it. ``left`` is the part of
    ``timeout`` that its start has left. Raises :class:`~mooq.BrokerConnectionError`, with the end
    of the node's log, if the time is up or the node has died. Raises the probe's own error at once
    if waiting cannot help.
    """
    # Imported here so that `import mooq` does not load it.
    from tenacity import (
        AsyncRetrying,
        retry_if_exception,
        stop_before_delay,
    )

    clock = asyncio.get_running_loop().time
    left = timeout if left is None else left
    deadline = clock() + left

    async def attempt() -> None:
        try:
            await probe(max(min(deadline - clock(), LONGEST_PROBE), FIRST_WAIT))
        except BrokerConnectionError as error:
            death = await launcher.death() if error.transient and launcher else None
            if death is not None:
                raise BrokerConnectionError(
                    f"{death} before it answered{await log_of(launcher)}", transient=False
                ) from error
            raise

    try:
        await AsyncRetrying(
            retry=retry_if_exception(worth_waiting),
            wait=jittered(FIRST_WAIT, LONGEST_WAIT, least=FIRST_WAIT),
            stop=stop_before_delay(left),
            reraise=True,
        )(attempt)
    except BrokerConnectionError as error:
        if not error.transient:
            raise
        starting = "" if launcher is None else "it may still be starting: allow more time; "
        raise BrokerConnectionError(
            f"RabbitMQ did not complete an AMQP handshake within {in_seconds(timeout)}; "
            f"{starting}last error: {error}{await log_of(launcher)}"
        ) from error


@asynccontextmanager
async def prove_restart(canary: Transport, timeout: float) -> AsyncIterator[None]:
    """Wait at the end until a connection from before the block is closed: the broker restarted.

    If the broker does not answer before the block, this is not needed: it cannot be mistaken for
    the new one. Raises :class:`~mooq.BrokerConnectionError` if the connection is still open after
    ``timeout`` seconds.
    """
    ended = asyncio.Event()
    canary.on_lost = ended.set
    try:
        await canary.open(min(timeout, LONGEST_PROBE))
    except BrokerConnectionError:
        ended.set()
    try:
        yield
        try:
            async with asyncio.timeout(timeout):
                await ended.wait()
        except TimeoutError as error:
            raise BrokerConnectionError(
                f"RabbitMQ at {canary.address} did not restart within {in_seconds(timeout)}: a "
                "connection from before is still open"
            ) from error
    finally:
        await canary.close()
