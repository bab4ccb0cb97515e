"""Connections, channels and consumers of a program on one broker, by name."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from mooq.client.channel import Channel
from mooq.client.connection import Connection
from mooq.client.consumer import AnyCallback
from mooq.client.subscription import Subscription
from mooq.errors import BadExchange, BadQueue
from mooq.parity import internals
from mooq.parity.programs import Consume, Settle, connection_of
from mooq.parity.targets import Target
from mooq.parity.trace import Normalizer
from mooq.transports.declarations import check_exchange_name, check_queue_name


@dataclass(frozen=True)
class Member:
    """A registered consumer."""

    asked: Consume
    channel: Channel
    subscription: Subscription

    @property
    def queue_name(self) -> str:
        """The current name of its queue, which may change with a recovery."""
        return self.subscription.consumer.queue_name


class Participants:
    """The connections, channels and consumers of one program on one broker."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.connections: dict[str, Connection] = {}
        self.channels: dict[str, Channel] = {}
        self.members: dict[str, Member] = {}
        self.queues: dict[str, None] = {}
        self.declared: dict[str, None] = {}
        self.exchanges: dict[str, None] = {}
        virtual_host = target.address.virtual_host
        self.normalizer: Normalizer = Normalizer(
            {
                target.prefix: "",
                f"at {target.address}": "at BROKER",
                f"to {target.address}": "to BROKER",
                f"virtual host {virtual_host!r}": "virtual host HOST",
                f"vhost '{virtual_host}'": "vhost HOST",
            }
        )

    async def connection(self, name: str) -> Connection:
        """Return a connection, opened on first use."""
        if name not in self.connections:
            self.connections[name] = await self.target.connect()
        return self.connections[name]

    async def channel(self, name: str) -> Channel:
        """Return a channel, opened on first use."""
        connection = await self.connection(connection_of(name))
        if name not in self.channels:
            self.channels[name] = await connection.create_channel()
        return self.channels[name]

    async def register(self, asked: Consume, callback: AnyCallback) -> str:
        """Register a consumer, and return its queue's name."""
        channel = await self.channel(asked.channel)
        if asked.queue is not None and self.queue(asked.queue) and asked.queue in self.queues:
            self.declared[asked.queue] = None
        queue = await channel.register_consumer(
            None if asked.queue is None else self.queue(asked.queue),
            asked.keys,
            exchange_name=self.exchange(asked.exchange),
            exchange_type=asked.type,
            callback=callback,
            prefetch_count=asked.prefetch,
            dead_letter_exchange=None
            if asked.dead_letters is None
            else self.exchange(asked.dead_letters),
            queue_arguments=asked.arguments,
            manual=isinstance(asked.does, Settle),
        )
        member = Member(asked, channel, internals.last_subscription(channel))
        self.members[asked.consumer] = member
        self.name_queues()
        return queue

    def name_queues(self) -> None:
        """Add aliases for the names that the broker has generated."""
        for name, member in self.members.items():
            if member.asked.queue is None:
                self.normalizer.add(member.queue_name, f"@{name}")

    def exchange(self, name: str) -> str:
        """Return an exchange's name on the broker, and note it for deletion at the end."""
        if not name or name.startswith("amq."):
            return name
        full = f"{self.target.prefix}{name}"
        with contextlib.suppress(BadExchange):
            self.exchanges[check_exchange_name(full)] = None
        return full

    def queue(self, name: str) -> str:
        """Return a queue's name on the broker, and note it for deletion at the end."""
        if name.startswith("@"):
            member = self.members.get(name[1:])
            return f"amq.gen-{name[1:]}" if member is None else member.queue_name
        if not name or name.startswith("amq."):
            return name
        full = f"{self.target.prefix}{name}"
        with contextlib.suppress(BadQueue):
            check_queue_name(full)
            self.queues[name] = None
        return full

    def key(self, exchange: str, key: str) -> str:
        """Return a routing key; for the default exchange, it is the name of a queue."""
        return key if exchange else self.queue(key)
