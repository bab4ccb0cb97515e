"""Versions of RabbitMQ: their measured differences on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CAPABILITIES = {
    "publisher_confirms": True,
    "exchange_exchange_bindings": True,
    "basic.nack": True,
    "consumer_cancel_notify": True,
    "connection.blocked": True,
    "consumer_priorities": True,
    "authentication_failure_close": True,
    "per_consumer_qos": True,
    "direct_reply_to": True,
}


@dataclass(frozen=True)
class Version:
    """A version of RabbitMQ.

    - ``headers``: the protocol headers that it accepts as AMQP 0-9-1
    - ``refusal``: the protocol header that it sends to clients with another one
    - ``least_frame_max``: the minimum ``frame_max`` that a client may request, in bytes
    - ``first_frame_max``: the one in force before connection.tune-ok
    - ``largest_body``: the maximum body size in a content header, in bytes; None if unchecked
    - ``is_unicode``: whether reply texts are shortened and quoted by characters, not bytes
    """

    product_version: str
    platform: str
    mechanisms: str
    headers: tuple[bytes, ...]
    refusal: bytes
    least_frame_max: int
    first_frame_max: int
    largest_body: int | None
    is_unicode: bool

    def server_properties(self, cluster_name: str) -> dict[str, Any]:
        """Return the server properties of connection.start."""
        return {
            "capabilities": CAPABILITIES,
            "cluster_name": cluster_name,
            "copyright": "mooq's in-memory broker",
            "information": f"Behaves as RabbitMQ {self.product_version} does, for tests",
            "platform": self.platform,
            "product": "RabbitMQ",
            "version": self.product_version,
        }


_HEADER_OF_0_8 = b"AMQP\x01\x01\x08\x00"
_HEADER_OF_0_9 = b"AMQP\x01\x01\x00\x09"
_OWN_HEADER = b"AMQP\x00\x00\x09\x01"
_SASL_HEADER = b"AMQP\x03\x01\x00\x00"

VERSIONS = {
    "3.10": Version(
        product_version="3.10.8",
        platform="Erlang/OTP 25.2.3",
        mechanisms="AMQPLAIN PLAIN",
        headers=(_OWN_HEADER, _HEADER_OF_0_9, _HEADER_OF_0_8),
        refusal=_OWN_HEADER,
        least_frame_max=4096,
        first_frame_max=4096,
        largest_body=None,
        is_unicode=False,
    ),
    "4.0": Version(
        product_version="4.0.5",
        platform="Erlang/OTP 27.3.4.1",
        mechanisms="PLAIN ANONYMOUS AMQPLAIN",
        headers=(_OWN_HEADER, _HEADER_OF_0_9),
        refusal=_SASL_HEADER,
        least_frame_max=4096,
        first_frame_max=4096,
        largest_body=None,
        is_unicode=True,
    ),
    "4.3": Version(
        product_version="4.3.6",
        platform="Erlang/OTP 29.1.2",
        mechanisms="AMQPLAIN PLAIN ANONYMOUS",
        headers=(_OWN_HEADER, _HEADER_OF_0_9),
        refusal=_SASL_HEADER,
        least_frame_max=8192,
        first_frame_max=8192,
        largest_body=536_870_912,
        is_unicode=True,
    ),
}
"""By the version names of :mod:`mooq.broker.versions`."""
