"""RabbitMQBroker: starts, restarts and stops a RabbitMQ."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Never

from mooq.basics.address import Address
from mooq.client.lifetime import Lifetime
from mooq.client.positional import keyword_only, refuse_positional
from mooq.client.recovery import check_timeout
from mooq.errors import BrokerConnectionError, MooqError
from mooq.launchers.cancellation import finish
from mooq.launchers.launcher import Launcher
from mooq.launchers.readiness import handshake, prove_restart, wait_until_ready
from mooq.launchers.selection import choose_launcher
from mooq.transports.base import Transport
from mooq.transports.registry import REGISTRY

log: logging.Logger = logging.getLogger("mooq")


class RabbitMQBroker(Lifetime):
    """A RabbitMQ on this machine, registered under the name ``host_port``.

    - ``host``, ``port``: its address, known before it starts and the same after a restart
    - ``launcher``: how it is started: ``"systemctl"``, ``"service"``, ``"docker"``, ``"process"``
      or a :class:`~mooq.launchers.launcher.Launcher`; by default what the environment
      variable TEST_DISTRIBUTION names: ``arch`` (systemctl), ``ubuntu`` (service), ``docker`` or
      ``process``
    - ``username``, ``password``, ``virtual_host``: docker and process create them on the new
      node; mooq uses them to check that it is ready
    - ``image``: docker only; by default the environment variable MOOQ_RABBITMQ_IMAGE, else
      ``rabbitmq:4``
    - ``unit``: systemctl only; the name of its systemd unit
    - ``timeout``: seconds from the start until it must answer, without downloading an image

    Raises ``ValueError`` or ``TypeError`` for invalid arguments.
    """

    @keyword_only
    def __init__(
        self,
        *positional: Never,
        host: str,
        port: int,
        launcher: str | Launcher | None = None,
        username: str = "guest",
        password: str = "guest",  # noqa: S107 — RabbitMQ's own, documented default
        virtual_host: str = "/",
        image: str | None = None,
        unit: str = "rabbitmq.service",
        timeout: float = 60.0,
    ) -> None:
        refuse_positional(positional, "RabbitMQBroker(host=…, port=…)")
        self._address = Address(host, port, username, password, virtual_host)
        self._timeout = check_timeout(timeout)
        self._launcher = (
            launcher
            if isinstance(launcher, Launcher)
            else choose_launcher(
                launcher, address=self._address, image=image, unit=unit, timeout=timeout
            )
        )
        self._is_launched = False
        self._turn = asyncio.Lock()
        self.host = host
        self.port = port
        self.name: str = self._address.name
        REGISTRY.register(self)

    async def _begin(self) -> None:
        await self.run()

    async def run(self, is_running: asyncio.Future[None] | None = None) -> None:
        """Start RabbitMQ, or restart it if it is running, and return when it answers.

        RabbitMQ is ready when it completes an AMQP handshake and has finished booting. After a
        restart, it must also have closed a connection from before. Durable data survives a restart.

        ``is_running`` gets the result None when RabbitMQ answers, or the exception if it never
        does. Raises :class:`~mooq.BrokerConnectionError` if RabbitMQ cannot be started or does not
        answer within ``timeout``, with the reason. Then nothing is left running.
        """
        try:
            async with self._turn:
                await self._run()
        except BaseException as error:
            _tell(is_running, error)
            raise
        _tell(is_running)

    async def close(self) -> None:
        """Stop RabbitMQ, and remove what was created for it. Closing twice is safe.

        Raises :class:`~mooq.BrokerConnectionError` if it cannot be stopped.
        """
        async with self._turn:
            REGISTRY.unregister(self)
            if self._is_launched:
                self._is_launched = False
                await finish(self._launcher.stop())

    async def _run(self) -> None:
        REGISTRY.register(self)
        is_restart = self._is_launched
        if not is_restart:
            await self._launcher.prepare()
        self._is_launched = True
        try:
            if is_restart:
                await self._restart()
            else:
                await self._start()
        except BaseException as error:
            await self._give_up(error)
            raise

    async def _start(self) -> None:
        deadline = self._now() + self._timeout
        await self._launcher.start()
        await self._answers(deadline)

    async def _restart(self) -> None:
        deadline = self._now() + self._timeout
        if self._launcher.waits_until_ready:
            await self._launcher.restart()
        else:
            async with prove_restart(self._transport(), self._timeout):
                await self._launcher.restart()
        await self._answers(deadline)

    async def _answers(self, deadline: float) -> None:
        left = max(deadline - self._now(), 0.1)
        probe = partial(handshake, self._address)
        if not self._launcher.waits_until_ready:
            log.info("waiting up to %.0f s for RabbitMQ at %s to answer", left, self._address)
            await wait_until_ready(probe, self._launcher, self._timeout, left)
            return
        try:
            await probe(left)
        except BrokerConnectionError as error:
            raise BrokerConnectionError(
                f"RabbitMQ was started, but mooq cannot use it at {self._address}: {error}",
                transient=False,
            ) from error

    def _transport(self) -> Transport:
        # Imported here so that `import mooq` does not load aio-pika.
        from mooq.transports.rabbit import RabbitTransport

        return RabbitTransport(self._address)

    async def _give_up(self, error: BaseException) -> None:
        self._is_launched = False
        try:
            await finish(self._launcher.stop())
        except MooqError as another:
            error.add_note(f"and it could not be stopped: {another}")

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _tell(is_running: asyncio.Future[None] | None, error: BaseException | None = None) -> None:
    if is_running is None or is_running.done():
        return
    if error is None:
        is_running.set_result(None)
    elif isinstance(error, asyncio.CancelledError):
        is_running.cancel()
    else:
        is_running.set_exception(error)
        is_running.exception()  # mark it as retrieved: run() raises it as well
