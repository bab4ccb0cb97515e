"""Announcements and tolerances of each version of RabbitMQ on the wire. Measured."""

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
    """One version of RabbitMQ, as a client sees it before it opens a channel.

    ``headers`` are those taken for AMQP 0-9-1, ``refusal`` is sent to clients with another one;
    ``least_frame_max`` what a client may ask for; ``first_frame_max`` what holds until then;
    ``largest_body`` what a content header may announce, None where nothing is checked;
    ``is_unicode`` whether reply texts are cut and quoted by characters and not by bytes.
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
"""By the versions that the broker model has."""
