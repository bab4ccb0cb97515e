"""RabbitMQ for tests and production: one asyncio API over RabbitMQ and an in-memory broker."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mooq.client.channel import Channel
    from mooq.client.connect import connect
    from mooq.client.connection import Connection
    from mooq.client.headers import forwardable_headers
    from mooq.client.in_memory import InMemoryBroker, InMemoryChannel, InMemoryConnection
    from mooq.client.manual import ManualDelivery
    from mooq.client.queue_arguments import queue_arguments
    from mooq.client.rabbitmq import RabbitMQChannel, RabbitMQConnection
    from mooq.client.recovery import Recovery
    from mooq.client.retry import Retry
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
        NoReply,
        NothingToConsume,
        PublishUnconfirmed,
    )
    from mooq.launchers import RabbitMQBroker
    from mooq.transports.message import IncomingMessage

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
    "ManualDelivery",
    "MessageUnroutable",
    "MooqError",
    "NoReply",
    "NothingToConsume",
    "PublishUnconfirmed",
    "RabbitMQBroker",
    "RabbitMQChannel",
    "RabbitMQConnection",
    "Recovery",
    "Retry",
    "connect",
    "forwardable_headers",
    "queue_arguments",
]

_modules = {
    "Channel": "client.channel",
    "Connection": "client.connection",
    "InMemoryBroker": "client.in_memory",
    "InMemoryChannel": "client.in_memory",
    "InMemoryConnection": "client.in_memory",
    "IncomingMessage": "transports.message",
    "ManualDelivery": "client.manual",
    "RabbitMQBroker": "launchers",
    "RabbitMQChannel": "client.rabbitmq",
    "RabbitMQConnection": "client.rabbitmq",
    "Recovery": "client.recovery",
    "Retry": "client.retry",
    "connect": "client.connect",
    "forwardable_headers": "client.headers",
    "queue_arguments": "client.queue_arguments",
}


if not TYPE_CHECKING:  # type checkers read the imports above

    def __getattr__(name: str) -> object:
        """Load a public name when it is first used, so that importing mooq is cheap.

        asyncio alone takes longer to load than everything else that a command line or a test's
        collection needs from mooq. Code that starts brokers, or connects to RabbitMQ, is loaded
        only when it is used.
        """
        if name == "__version__":
            from importlib.metadata import version

            return version("mooq")
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value: object = getattr(import_module(f"mooq.{_modules.get(name, 'errors')}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
