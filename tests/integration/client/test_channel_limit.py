"""The limit of channels on a connection: the broker's ``channel_max``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

import mooq
from mooq.basics.address import Address
from mooq.launchers.ports import LOOPBACK, free_port
from mooq.testing.faults import Faults
from tests.conftest import Connect
from tests.integration.inbox import LONGEST_WAIT, Inbox
from tests.integration.steps import consume, cycles_until, logged, until
from tests.managed_docker import ManagedDockerLauncher
from tests.shared_broker import READY_TIMEOUT, MissingError, leave_out

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

CHANNEL_MAX = 10
DEFAULT_CHANNEL_MAX = 2047


def refusal(place: str, channel_max: int) -> str:
    return (
        f"the connection to {place} has {channel_max - 1} channels, as many as the broker allows "
        f"(channel_max is {channel_max}, and mooq uses 1 itself): close unused channels, "
        "open another connection with mooq.connect(), or raise channel_max, here and "
        "in the broker's configuration"
    )


class FewChannelsLauncher(ManagedDockerLauncher):
    """A container whose RabbitMQ allows few channels on a connection."""

    def __init__(self) -> None:
        super().__init__(Address(LOOPBACK, free_port()), free_port())
        self.address = self._address

    def _to_be_thrown_away(self, container: DockerContainer) -> DockerContainer:
        container.with_copy_into_container(
            f"channel_max = {CHANNEL_MAX}\n".encode(), "/etc/rabbitmq/conf.d/90-channels.conf"
        )
        return super()._to_be_thrown_away(container)

    async def ctl(self, *command: str) -> None:
        """Run a rabbitmqctl command."""
        node = self._prepared().get_wrapped_container()
        status, said = await asyncio.to_thread(node.exec_run, ["rabbitmqctl", *command])
        assert status == 0, said

    async def allow(self, channel_max: int) -> None:
        """Set the limit of new connections."""
        await self.ctl("eval", f"application:set_env(rabbit, channel_max, {channel_max}).")

    async def limit_user(self, channels: int | None) -> None:
        """Limit the channels of the user on all connections; None removes the limit."""
        if channels is None:
            await self.ctl("clear_user_limits", "guest", "all")
        else:
            limits = json.dumps({"max-channels": channels})
            await self.ctl("set_user_limits", "guest", limits)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rabbitmq() -> AsyncIterator[FewChannelsLauncher]:
    """A RabbitMQ that allows few channels on a connection."""
    launcher = FewChannelsLauncher()
    broker = mooq.RabbitMQBroker(
        host=LOOPBACK, port=launcher.address.port, launcher=launcher, timeout=READY_TIMEOUT
    )
    try:
        await broker.run()
    except MissingError as error:
        leave_out(str(error))
    yield launcher
    await broker.close()


@pytest_asyncio.fixture
async def in_memory() -> AsyncIterator[dict[str, Any]]:
    """An in-memory broker that allows as few channels."""
    async with mooq.InMemoryBroker(host="few", port=1, channel_max=CHANNEL_MAX) as broker:
        yield {"host": broker.host, "port": broker.port, "broker": "in_memory"}


@pytest.fixture(params=["in_memory", pytest.param("rabbit", marks=pytest.mark.rabbit)])
def few(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The arguments of ``mooq.connect`` for a broker that allows few channels on a connection."""
    if request.param == "in_memory":
        arguments: dict[str, Any] = request.getfixturevalue("in_memory")
        return arguments
    launcher: FewChannelsLauncher = request.getfixturevalue("rabbitmq")
    return {"host": LOOPBACK, "port": launcher.address.port}


async def open_all(conn: mooq.Connection) -> list[tuple[mooq.Channel, Inbox]]:
    """Open every channel that a connection may have; each consumes its own queue."""
    channels = [await conn.create_channel() for _ in range(CHANNEL_MAX - 1)]
    return [(chan, await listen(chan)) for chan in channels]


async def listen(chan: mooq.Channel) -> Inbox:
    """Consume what is published to the exchange "all" from now on."""
    inbox = Inbox()
    await chan.register_consumer(exchange_name="all", exchange_type="fanout", callback=inbox)
    return inbox


async def test_channel_above_the_limit_is_refused(
    few: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with await mooq.connect(**few) as conn:
        consumers = await open_all(conn)
        for _ in range(2):
            with pytest.raises(mooq.BrokerConnectionError) as raised:
                await conn.create_channel()
            assert str(raised.value) == refusal(f"{conn.host}:{conn.port}", CHANNEL_MAX)
            assert not raised.value.transient
        for number, (chan, _) in enumerate(consumers):
            await chan.publish(exchange_name="all", msg=number)
        await conn.process_events(num_cycles=1)
        assert [inbox.bodies for _, inbox in consumers] == [[*range(9)]] * 9
    assert logged(caplog) == []


async def test_closed_channel_frees_its_place(
    few: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def create() -> bool:
        try:
            await listen(await conn.create_channel())
        except mooq.BrokerConnectionError:
            return False
        return True

    async with await mooq.connect(**few) as conn:
        for chan, _ in await open_all(conn):
            _, is_created = await asyncio.gather(
                chan.close(), create()
            )  # may run before the channel is closed
            assert await create() is not is_created
    assert logged(caplog) == []


async def test_concurrently_created_channels_are_counted(few: dict[str, Any]) -> None:
    async with await mooq.connect(**few) as conn:
        created = await asyncio.gather(
            *(conn.create_channel() for _ in range(2 * CHANNEL_MAX)), return_exceptions=True
        )
        channels = [each for each in created if isinstance(each, mooq.Channel)]
        assert len(channels) == CHANNEL_MAX - 1


@asynccontextmanager
async def smaller_limit(
    few: dict[str, Any], conn: mooq.Connection, request: pytest.FixtureRequest
) -> AsyncIterator[None]:
    """Close all connections and allow fewer channels while the block lasts."""
    if "broker" in few:
        before = conn.get_broker(host=few["host"], port=few["port"])
        await before.close()
        async with mooq.InMemoryBroker(
            host=few["host"], port=few["port"], channel_max=CHANNEL_MAX // 2
        ):
            yield
        await before.run()
        return
    launcher: FewChannelsLauncher = request.getfixturevalue("rabbitmq")
    await launcher.allow(CHANNEL_MAX // 2)
    try:
        await launcher.ctl("close_all_connections", "by a test")
        yield
    finally:
        await launcher.allow(CHANNEL_MAX)


async def test_lower_limit_after_reconnecting_is_reported(
    few: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    async with await mooq.connect(**few) as conn:
        consumers = await open_all(conn)
        processing = asyncio.create_task(conn.process_events())
        async with smaller_limit(few, conn, request):
            with pytest.raises(mooq.BrokerConnectionError) as raised:
                await asyncio.wait_for(processing, LONGEST_WAIT)
            assert str(raised.value) == (
                f"the connection to {conn.host}:{conn.port} had 9 channels when it was lost, and "
                "may now have 4 channels, as many as the broker allows (channel_max is 5, and "
                "mooq uses 1 itself): close some, or raise channel_max, here and in "
                "the broker's configuration"
            )
            for chan, _ in consumers[4:]:
                await chan.close()
            await conn.process_events(num_cycles=1)  # restores the other channels
            await consumers[0][0].publish(exchange_name="all", msg="back")
            await cycles_until(conn, lambda: consumers[3][1].bodies == ["back"], "a message")


async def test_each_connection_has_its_own_channels(few: dict[str, Any]) -> None:
    async with AsyncExitStack() as connections:
        for _ in range(2):
            conn = await connections.enter_async_context(await mooq.connect(**few))
            await open_all(conn)


async def test_default_channel_limit_matches_rabbitmq(connect: Connect) -> None:
    conn = await connect()
    channels = [await conn.create_channel() for _ in range(DEFAULT_CHANNEL_MAX - 1)]
    with pytest.raises(mooq.BrokerConnectionError) as raised:
        await conn.create_channel()
    assert str(raised.value) == refusal(f"{conn.host}:{conn.port}", DEFAULT_CHANNEL_MAX)
    inbox = await consume(channels[-1], Inbox())
    await channels[0].publish(exchange_name="log", msg=1)
    await conn.process_events(num_cycles=1)
    assert inbox.bodies == [1]


async def test_channel_is_created_after_the_broker_returns(
    conn: mooq.Connection, mooq_faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    processing = asyncio.create_task(conn.process_events())
    mooq_faults.vanish()
    await until(
        lambda: any("attempt 1 to reconnect failed" in line for line in logged(caplog)),
        "a failed attempt to connect",
    )
    creating = asyncio.create_task(conn.create_channel())
    await asyncio.sleep(0)  # let it begin
    mooq_faults.heal()
    inbox = await consume(await creating, Inbox())
    await (await conn.create_channel()).publish(exchange_name="log", msg=1)
    assert await inbox.has(1) == [1]
    await conn.close()
    await processing


@pytest.mark.rabbit
@pytest.mark.parametrize("use", ["consume", "publish"])
async def test_user_channel_limit_fails_only_the_request(
    rabbitmq: FewChannelsLauncher, use: str
) -> None:
    inbox = Inbox()
    async with await mooq.connect(LOOPBACK, rabbitmq.address.port) as conn:
        await consume(await conn.create_channel(), inbox)
        other = await conn.create_channel()
        await rabbitmq.limit_user(2)  # mooq's own channel and the consumer's
        try:
            request = (
                listen(other)
                if use == "consume"
                else other.publish(exchange_name="log", msg="refused")
            )
            with pytest.raises(mooq.BrokerConnectionError) as raised:
                await asyncio.wait_for(request, LONGEST_WAIT)
            assert "the broker allows no more channels" in str(raised.value)
            assert "reached the maximum allowed user limit of (2)" in str(raised.value)
        finally:
            await rabbitmq.limit_user(None)
        await other.publish(exchange_name="log", msg="taken")
        await cycles_until(conn, lambda: inbox.bodies == ["taken"], "a message")
        await other.delete_queue("q")
