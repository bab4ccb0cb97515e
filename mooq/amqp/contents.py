"""Contents: the header and body that follow some methods on a channel."""

from __future__ import annotations

from struct import Struct
from typing import Any

from mooq.amqp.methods import METHODS, DamagedFields, DamagedText, Method, Values
from mooq.amqp.violations import (
    Crash,
    cannot_decode,
    content_overrun,
    content_too_large,
    malformed_text,
    unexpected_content,
)

_HEADER = Struct(">HHQ")
HEADER_SIZE = _HEADER.size


def find_method(payload: bytes) -> Method:
    """Return the method of a method frame. Raises :class:`~mooq.amqp.violations.Crash`."""
    method = METHODS.get(int.from_bytes(payload[:4], "big"))
    if method is None:
        raise Crash(f"class and method {payload[:4].hex()} do not exist")
    return method


def decode_fields(method: Method, payload: bytes) -> Values:
    """Return the values of a method frame on a channel.

    Raises :class:`~mooq.amqp.violations.Violation` and, for a damaged table,
    :class:`~mooq.amqp.tables.TableError`.
    """
    fields = payload[4:]
    try:
        return method.decode(fields)
    except DamagedFields:
        raise cannot_decode(fields, method) from None
    except DamagedText:
        raise malformed_text() from None


class Channel:
    """A channel of a connection, and the content that is arriving on it.

    ``method`` and ``values`` are those of the method whose content is awaited; ``method`` is None
    if a method is awaited. ``target`` is for the request handler.
    """

    __slots__ = (
        "_remaining",
        "is_closing",
        "is_open",
        "method",
        "number",
        "parts",
        "properties",
        "size",
        "target",
        "values",
    )

    def __init__(self, number: int) -> None:
        self.number: int = number
        self.is_open: bool = False
        self.is_closing: bool = False
        self.target: Any = None
        self.method: Method | None = None
        self.values: Values = ()
        self.properties: bytes | None = None
        self.size: int = 0
        self.parts: list[bytes] = []
        self._remaining = 0

    def begin(self, method: Method, values: Values) -> None:
        """Await the content of a method."""
        self.method = method
        self.values = values
        self.properties = None
        self.parts = []

    def add_header(self, payload: bytes, largest: int | None) -> bool:
        """Add a content header; return whether the content is complete, without a body.

        Raises :class:`~mooq.amqp.violations.Violation`.
        """
        method = self.method
        if method is None:
            raise unexpected_content("expected method frame, got non method frame instead")
        if self.properties is not None:
            raise _no_body(method)
        class_id, weight, size = _HEADER.unpack_from(payload)
        if weight:
            raise _no_header(method)
        if class_id != method.class_id:
            raise unexpected_content(
                f"expected content header for class {method.class_id}, "
                f"got one for class {class_id} instead",
                method,
            )
        if largest is not None and size > largest:
            raise content_too_large(size, largest, method)
        self.properties = payload[HEADER_SIZE:]
        self.size = size
        self._remaining = size
        return not size

    def add_body(self, payload: bytes, kept: int, refuses_overrun: bool) -> bool:
        """Add a body frame; return whether the content is complete.

        A body above ``kept`` bytes is not kept. RabbitMQ 4.3 refuses a body that is longer than
        announced; in earlier versions such a content never ends. Raises
        :class:`~mooq.amqp.violations.Violation`.
        """
        method = self.method
        if method is None:
            raise unexpected_content("expected method frame, got non method frame instead")
        if self.properties is None:
            raise _no_header(method)
        self._remaining -= len(payload)
        if self._remaining < 0:
            if refuses_overrun:
                raise content_overrun(method)
            self.parts = []
        elif self.size <= kept:
            self.parts.append(payload)
        return not self._remaining

    def add_method(self) -> None:
        """Check that no content is awaited. Raises :class:`~mooq.amqp.violations.Violation`."""
        if self.method is not None:
            raise _no_header(self.method) if self.properties is None else _no_body(self.method)

    def finish(self) -> bytes:
        """Return the body of a complete content, and await a method again."""
        parts, self.parts = self.parts, []
        self.method = None
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _no_header(method: Method) -> Exception:
    return unexpected_content(
        f"expected content header for class {method.class_id}, "
        "got non content header frame instead",
        method,
    )


def _no_body(method: Method) -> Exception:
    return unexpected_content("expected content body, got non content body frame instead", method)
