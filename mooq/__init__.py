"""One asyncio API over two brokers, RabbitMQ and one in memory, proven to behave the same."""

from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from mooq.rabbitmq_broker import RabbitMQBroker

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
    "connect",
]


def __getattr__(name: str) -> Any:
    # What starts brokers waits until it is used: a service that talks to one never needs it.
    if name == "RabbitMQBroker":
        from mooq.rabbitmq_broker import RabbitMQBroker

        return RabbitMQBroker
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
