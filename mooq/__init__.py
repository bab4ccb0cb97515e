"""One asyncio API over two brokers, RabbitMQ and one in memory, proven to behave the same."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mooq.channel import Channel
    from mooq.connecting import connect
    from mooq.connection import Connection
    from mooq.errors import (
        BadExchange,
        BadQueue,
        BrokerConnectionError,
        BrokerInternalError,
        ConsumerQueueNotFound,
        ConsumeTimeout,
        ExchangeNotFound,
        MessageUnroutable,
        MooqError,
        NothingToConsume,
        PublishUnconfirmed,
    )
    from mooq.in_memory import InMemoryBroker, InMemoryChannel, InMemoryConnection
    from mooq.message import IncomingMessage
    from mooq.rabbitmq import RabbitMQChannel, RabbitMQConnection
    from mooq.rabbitmq_broker import RabbitMQBroker
    from mooq.retrying import Recovery

    __version__: str

__all__ = [
    "BadExchange",
    "BadQueue",
    "BrokerConnectionError",
    "BrokerInternalError",
    "Channel",
    "Connection",
    "ConsumeTimeout",
    "ConsumerQueueNotFound",
    "ExchangeNotFound",
    "InMemoryBroker",
    "InMemoryChannel",
    "InMemoryConnection",
    "IncomingMessage",
    "MessageUnroutable",
    "MooqError",
    "NothingToConsume",
    "PublishUnconfirmed",
    "RabbitMQBroker",
    "RabbitMQChannel",
    "RabbitMQConnection",
    "Recovery",
    "connect",
]

_homes = {
    "Channel": "channel",
    "Connection": "connection",
    "InMemoryBroker": "in_memory",
    "InMemoryChannel": "in_memory",
    "InMemoryConnection": "in_memory",
    "IncomingMessage": "message",
    "RabbitMQBroker": "rabbitmq_broker",
    "RabbitMQChannel": "rabbitmq",
    "RabbitMQConnection": "rabbitmq",
    "Recovery": "retrying",
    "connect": "connecting",
}


if not TYPE_CHECKING:  # type checkers read the imports above

    def __getattr__(name: str) -> object:
        """Load a public name when it is first used: importing mooq costs next to nothing.

        asyncio alone takes longer to load than all else that a command line or a test's collection
        may want of mooq; and what starts brokers, or speaks to RabbitMQ, waits until it is wanted.
        """
        if name == "__version__":
            from importlib.metadata import version

            return version("mooq")
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value: object = getattr(import_module(f"mooq.{_homes.get(name, 'errors')}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
