"""The class names of mooq 0.1.1 for RabbitMQ, over the classes that all brokers share."""

from __future__ import annotations

from typing import ClassVar

from mooq.basics.address import Address
from mooq.client.channel import Channel
from mooq.client.connection import Connection
from mooq.transports.base import Transport


class RabbitMQChannel(Channel):
    """A channel of a :class:`RabbitMQConnection`."""


class RabbitMQConnection(Connection):
    """A connection to a RabbitMQ."""

    channel_class: ClassVar[type[Channel]] = RabbitMQChannel

    def _new_transport(self, *nodes: Address) -> Transport:
        from mooq.transports.rabbit import RabbitTransport  # loads aio-pika only when it is needed

        return RabbitTransport(*nodes, options=self._options)
