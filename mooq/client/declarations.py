"""Declarations of exchanges, queues and bindings on a channel, repeated after a loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from mooq.client import refusals
from mooq.client.headers import check_table
from mooq.client.lifetime import Lifetime
from mooq.client.positional import of_channel
from mooq.client.properties import check_bool
from mooq.client.requests import Requests
from mooq.errors import BadQueue, Lost, Refused
from mooq.transports.base import TransportChannel
from mooq.transports.declarations import (
    Exchange,
    Queue,
    check_exchange_name,
    check_new_queue_name,
    check_queue_name,
    check_routing_key,
)


@dataclass(frozen=True, slots=True)
class Binding:
    """A binding of a queue to an exchange, by a key or by arguments."""

    queue_name: str
    exchange_name: str
    routing_key: str
    arguments: Mapping[str, Any]


Declared: TypeAlias = Exchange | Queue | Binding


def check_arguments(name: str, arguments: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a copy of arguments, {} for None. Raises ``TypeError`` and ``ValueError``."""
    if arguments is None:
        return {}
    if not isinstance(arguments, Mapping):
        raise TypeError(f"{name} must be a mapping, not {type(arguments).__name__}")
    try:
        return check_table("argument", arguments)
    except RecursionError:
        raise ValueError(f"{name} are nested too deeply; flatten them") from None


async def declare(channel: TransportChannel, thing: Declared) -> None:
    """Declare an exchange, a queue or a binding, or raise the user's error."""
    address = channel.address
    try:
        if isinstance(thing, Exchange):
            await channel.declare_exchange(thing)
        elif isinstance(thing, Queue):
            await channel.declare_queue(thing)
        else:
            await channel.bind(
                thing.queue_name, thing.exchange_name, thing.routing_key, thing.arguments
            )
    except Refused as refused:
        if isinstance(thing, Exchange):
            raise refusals.of_exchange(refused, thing.name, address) from refused
        if isinstance(thing, Queue):
            raise refusals.of_queue(refused, thing.name, address) from refused
        raise refusals.of_binding(
            refused, thing.queue_name, thing.exchange_name, address
        ) from refused


class DeclaringChannel(Lifetime):
    """A channel's methods that declare. It repeats its declarations after a loss."""

    _internal: TransportChannel
    _requests: Requests

    def __init__(self) -> None:
        self._declared: list[Declared] = []

    @of_channel
    async def declare_exchange(
        self,
        exchange_name: str,
        exchange_type: str,
        *,
        durable: bool = True,
        auto_delete: bool = False,
        internal: bool = False,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Declare an exchange. An identical one may already exist.

        ``exchange_type`` is ``"direct"``, ``"fanout"``, ``"topic"`` or ``"headers"``. An exchange
        that is not ``durable`` is deleted when the broker restarts. With ``auto_delete`` it is
        deleted with its last binding. With ``internal`` only other exchanges can publish to it. Of
        the ``arguments``, ``alternate-exchange`` names the exchange for messages for which no queue
        is bound. Raises :class:`~mooq.BadExchange`, ``TypeError`` and ``ValueError``.
        """
        self._requests.check_open()
        exchange = Exchange(
            exchange_name,
            exchange_type,
            check_bool("durable", durable),
            check_bool("auto_delete", auto_delete),
            check_bool("internal", internal),
            check_arguments("arguments", arguments),
        )
        await self._declare(exchange)

    @of_channel
    async def declare_queue(
        self,
        queue_name: str,
        *,
        durable: bool = True,
        exclusive: bool = False,
        auto_delete: bool = False,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Declare a queue without consuming from it. An identical one may already exist.

        A queue that is not ``durable`` is deleted when the broker restarts. An ``exclusive`` queue
        belongs to this connection and is deleted with it. With ``auto_delete`` a queue is deleted
        with its last consumer. ``arguments`` are RabbitMQ's; :func:`mooq.queue_arguments` creates
        them. Raises :class:`~mooq.BadQueue`, which says what differs from the existing queue,
        ``TypeError`` and ``ValueError``.
        """
        self._requests.check_open()
        queue = Queue(
            check_new_queue_name(queue_name),
            check_bool("durable", durable),
            check_bool("exclusive", exclusive),
            check_bool("auto_delete", auto_delete),
            check_arguments("arguments", arguments),
        )
        await self._declare(queue)

    @of_channel
    async def bind_queue(
        self,
        queue_name: str,
        exchange_name: str,
        routing_key: str = "",
        *,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Bind an existing queue to an existing exchange. Binding twice is safe.

        A headers exchange compares ``arguments`` with a message's headers: all of them must match
        with ``{"x-match": "all"}``, the default, and at least one with ``{"x-match": "any"}``.
        Raises :class:`~mooq.ConsumerQueueNotFound`, :class:`~mooq.ExchangeNotFound`,
        :class:`~mooq.BadQueue`, ``TypeError`` and ``ValueError``.
        """
        self._requests.check_open()
        binding = Binding(
            check_queue_name(queue_name),
            check_exchange_name(exchange_name),
            check_routing_key(routing_key),
            check_arguments("arguments", arguments),
        )
        await self._declare(binding)

    async def _declare(self, thing: Declared) -> None:
        await self._requests.ask(lambda _: declare(self._internal, thing))
        if thing not in self._declared:
            self._declared.append(thing)

    async def _declare_anew(self) -> None:
        """Declare everything again. Raises :class:`Lost` if trying again may help."""
        for thing in self._declared:
            try:
                await declare(self._internal, thing)
            except BadQueue as error:
                refused = error.__cause__
                if isinstance(refused, Refused) and refused.code == Refused.RESOURCE_LOCKED:
                    # RabbitMQ may notice the loss later than its client does.
                    raise Lost(f"{error}; or it still belongs to the lost connection") from error
                raise

    def _forget_queue(self, queue_name: str) -> None:
        """Forget a queue that was deleted, and its bindings."""
        self._declared = [
            thing
            for thing in self._declared
            if not (isinstance(thing, Queue) and thing.name == queue_name)
            and not (isinstance(thing, Binding) and thing.queue_name == queue_name)
        ]
