"""A minimal handler for testing connections without the broker."""

from __future__ import annotations

from typing import Any

from mooq.amqp import methods
from mooq.amqp.connection import ServerConnection
from mooq.amqp.contents import Channel
from mooq.amqp.methods import BASIC_DELIVER, Method, Values
from mooq.amqp.properties import WireProperties
from mooq.amqp.versions import VERSIONS
from mooq.broker import refusals
from mooq.broker.message import Message
from mooq.broker.refusals import Refusal, Scope


class EchoHandler:
    """Deliver every message to its publisher; refuse a few requests as RabbitMQ does."""

    def __init__(self, version: str = "4.0", **options: Any) -> None:
        self.version = version
        self.calls: list[tuple[Any, ...]] = []
        self.blocks = False
        self.is_closed = False
        given: dict[str, Any] = {
            "cluster_name": "rabbit@localhost",
            "largest_message": 16_777_216,
            "enforces_heartbeats": True,
        } | options
        self.connection = ServerConnection(self, VERSIONS[version], now=0.0, **given)

    def log_in(self, mechanism: str, username: str, password: str | None) -> None:
        if username != "guest" or password not in ("guest", None):
            raise refusals.login_refused(mechanism)

    def open(self, virtual_host: str) -> None:
        if virtual_host != "/":
            raise refusals.no_virtual_host(virtual_host)

    def open_channel(self, channel: Channel) -> None:
        self.calls.append(("open", channel.number))

    def close_channel(self, channel: Channel) -> None:
        self.calls.append(("close", channel.number))

    def publish(
        self,
        channel: Channel,
        exchange: str,
        routing_key: str,
        mandatory: bool,
        immediate: bool,
        properties: WireProperties,
        body: bytes,
    ) -> None:
        if exchange:
            raise refusals.no_exchange(exchange, "/")
        self.calls.append(("publish", routing_key, mandatory, properties, body))
        payload = BASIC_DELIVER.encode("tag", len(self.calls), False, exchange, routing_key)
        message = Message(body, exchange, routing_key, properties)
        if routing_key != "nobody":
            self.connection.output.send_message(channel.number, payload, message)

    def publish_too_large(self, channel: Channel, size: int) -> None:
        raise Refusal("PRECONDITION_FAILED", f"message size {size} is larger than configured")

    def ack(self, channel: Channel, delivery_tag: int, multiple: bool) -> None:
        raise Refusal("PRECONDITION_FAILED", f"unknown delivery tag {delivery_tag}")

    def request(self, channel: Channel, method: Method, values: Values) -> None:
        self.calls.append((method.name, *values))
        send = self.connection.output.send
        if method is methods.BASIC_GET:
            raise refusals.no_queue(values[1], "/")
        if method is methods.BASIC_QOS and values[0]:
            text = f"prefetch_size!=0 ({values[0]})"
            raise Refusal("NOT_IMPLEMENTED", text, Scope.CONNECTION)
        if method is methods.BASIC_RECOVER_ASYNC and not values[0]:
            raise Refusal("NOT_IMPLEMENTED", "requeue=false", Scope.CONNECTION)
        if method is methods.TX_COMMIT:
            raise Refusal("PRECONDITION_FAILED", "channel is not transactional")
        if method is methods.EXCHANGE_DECLARE:
            text = f"unknown exchange type '{values[2]}'"
            if self.version == "3.10":
                raise Refusal("COMMAND_INVALID", text, Scope.CONNECTION)
            raise Refusal("PRECONDITION_FAILED", text)
        if method is methods.CHANNEL_FLOW:
            send(channel.number, methods.CHANNEL_FLOW_OK, values[0])

    def content_header_arrived(self) -> bool:
        return self.blocks

    def close(self) -> None:
        self.is_closed = True
