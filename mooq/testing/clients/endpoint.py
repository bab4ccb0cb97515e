"""The URL through which other clients reach a test's broker and are observed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mooq.basics.address import Address
from mooq.testing.arguments import arguments_of
from mooq.testing.clients.activity import ClientActivity
from mooq.testing.clients.probes import Prober
from mooq.testing.clients.tap import Tap
from mooq.testing.faults.tcp import LOOPBACK, Network, Proxy
from mooq.transports.event_loops import in_loop
from mooq.transports.message import DIRECT_REPLY_TO
from mooq.transports.registry import REGISTRY

if TYPE_CHECKING:
    from mooq.client.in_memory import InMemoryBroker
    from mooq.testing.observer import ConnectionObserver


class Endpoint:
    """A port in front of one broker: a RabbitMQ at an address, or an in-memory broker.

    On RabbitMQ a proxy observes the clients. In memory the broker itself does, and there is a proxy
    only for faults. ``in_thread`` is whether an in-memory broker serves clients in a thread; None
    means in the running event loop if there is one.
    """

    def __init__(
        self,
        address: Address,
        in_memory: InMemoryBroker | None,
        observer: ConnectionObserver,
        *,
        in_thread: bool | None,
    ) -> None:
        self.activity: ClientActivity = ClientActivity(observer)
        self._address = address
        self._in_memory = in_memory
        self._in_thread = in_thread
        self._network: Network | None = None
        self._is_closed = False
        self.addresses: list[Address] = [address]
        """The addresses at which it can be reached, directly and by the port."""
        if in_memory is not None:
            in_memory.new_tap = self.activity.tap

    @property
    def address(self) -> Address:
        """The address on which it listens; it starts to listen at the first call."""
        if self._in_memory is not None and self._network is None:
            return self._listening(self._in_memory)
        return self._reached(self.proxy.arguments["port"])

    @property
    def proxy(self) -> Proxy:
        """The proxy in front of the broker, started if needed."""
        if self._network is None:
            if self._is_closed:
                raise RuntimeError("the broker of this test has stopped")
            address = self._address
            if self._in_memory is not None:
                address = self._listening(self._in_memory)
            target = arguments_of("rabbit", address)
            new_tap = self.activity.tap if self._in_memory is None else lambda: None
            self._network = Network(lambda: Proxy(target, new_tap=new_tap))
        return self._network.proxy

    def _listening(self, in_memory: InMemoryBroker) -> Address:
        return self._reached(Address.from_url(in_memory.listen(in_thread=self._in_thread)).port)

    def _reached(self, port: int) -> Address:
        address = replace(self._address, host=LOOPBACK, port=port)
        if address not in self.addresses:
            self.addresses.append(address)
        return address

    async def quiet(self) -> None:
        """Return when no client is busy, and everything that clients sent was read."""
        activity = self.activity
        while True:
            await activity.observer.until(lambda: None if activity.is_busy else True)
            await self._read_all()
            if not activity.is_busy:
                return

    async def _read_all(self) -> None:
        if self._network is not None:
            await in_loop(self._network.loop, self._network.proxy.read_all(), "the proxy")
        if self._in_memory is not None:
            await self._in_memory.read_all()

    async def change(self, happened: int) -> None:
        """Return when something else has happened."""
        observer = self.activity.observer
        await observer.until(lambda: None if observer.happened == happened else True)

    async def waiting(self) -> dict[str, int]:
        """Return the number of messages waiting in each non-empty queue that clients consume."""
        if not self.activity.taps:
            return {}
        if self._in_memory is not None:
            found = self._waiting_in_memory(self._in_memory)
        else:
            assert self._network is not None
            loop = self._network.loop
            found = await in_loop(loop, self._waiting_on_rabbitmq(self._network), "the proxy")
        return {name: count for name, count in found.items() if count}

    def _waiting_in_memory(self, in_memory: InMemoryBroker) -> dict[str, int]:
        with REGISTRY.in_memory[in_memory.name].locked() as broker:
            counts = broker.rules.message_counts(self._address.virtual_host)
        counts.subtract(self.activity.unsettled)
        counts.subtract(name for _, name in self.activity.observer.unsettled)
        return {name: counts[name] for name in self.activity.consumed - {DIRECT_REPLY_TO}}

    async def _waiting_on_rabbitmq(self, network: Network) -> dict[str, int]:
        found: dict[str, int] = {}
        for route in list(network.proxy.routes):
            if isinstance(route.tap, Tap) and route.tap.is_observed:
                found |= await Prober(route, route.tap, self.activity).waiting()
        return found

    async def close(self) -> None:
        """Stop the proxy, if there is one."""
        network, self._network = self._network, None
        self._is_closed = True
        if network is not None:
            await network.close()
