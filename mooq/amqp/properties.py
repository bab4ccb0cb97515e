"""The basic properties of a content header, encoded and decoded.

Properties from a client are sent on unchanged, and decoded only if a rule reads them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from mooq.amqp.tables import TableError, decode_table, encode_short_string, encode_table
from mooq.broker.message import FLAGS, PROPERTY_NAMES, Properties
from mooq.broker.values import Table, Timestamp

_KINDS = {"headers": "table", "delivery_mode": "octet", "priority": "octet", "timestamp": "long"}
_CONTINUED = 1  # another 16 flags follow, for which no properties are defined
_UNUSED = 2  # ignored, as RabbitMQ does


class PropertiesError(ValueError):
    """Invalid basic properties."""


@lru_cache(maxsize=1024)
def _present(flags: int) -> tuple[tuple[str, str], ...]:
    """Return the name and type of each property that the flags announce."""
    return tuple((name, _KINDS.get(name, "text")) for name in PROPERTY_NAMES if flags & FLAGS[name])


_TEXT, _TABLE = 0, -1


@lru_cache(maxsize=1024)
def _steps(flags: int) -> tuple[int, ...]:
    """Return the size of each property, or a constant for one with a length prefix."""
    sizes = {"text": _TEXT, "table": _TABLE, "octet": 1, "long": 8}
    return tuple(sizes[kind] for _, kind in _present(flags))


class WireProperties(Properties):
    """Properties from a client; ``raw`` is the content header from the flags on.

    The headers are decoded at once, because they may be damaged, and the rest on first use. Raises
    :class:`PropertiesError`.
    """

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        self.raw: bytes = raw
        flags = (raw[0] << 8 | raw[1]) if len(raw) > 1 else _CONTINUED
        self.flags: int = flags & ~_UNUSED
        if flags & _CONTINUED:
            raise PropertiesError("property flags of a second word")
        at = 2
        try:
            for step in _steps(self.flags):
                if step == _TEXT:
                    at += 1 + raw[at]
                elif step != _TABLE:
                    at += step
                else:
                    begin = at + 4
                    at = begin + int.from_bytes(raw[at:begin], "big")
                    if at <= len(raw):
                        self.headers: Table | None = decode_table(raw[begin:at])
        except (IndexError, TableError) as damage:
            raise PropertiesError(str(damage)) from None
        if at != len(raw):
            raise PropertiesError(f"{len(raw)} bytes of properties instead of {at}")

    def __getattr__(self, name: str) -> Any:
        """Decode all properties at the first use of one."""
        if name not in FLAGS:
            raise AttributeError(name)
        for absent in PROPERTY_NAMES:
            if not self.flags & FLAGS[absent]:
                setattr(self, absent, None)
        raw, at = self.raw, 2
        for present, kind in _present(self.flags):
            if kind == "text":
                end = at + 1 + raw[at]
                setattr(self, present, raw[at + 1 : end].decode("utf-8", "surrogateescape"))
                at = end
            elif kind == "octet":
                setattr(self, present, raw[at])
                at += 1
            elif kind == "long":
                setattr(self, present, Timestamp(int.from_bytes(raw[at : at + 8], "big")))
                at += 8
            else:
                at += 4 + int.from_bytes(raw[at : at + 4], "big")
        return object.__getattribute__(self, name)


def encode_properties(properties: Properties) -> bytes:
    """Return properties as bytes, from the flags on; those from a client are unchanged.

    Raises ``ValueError`` for a text over 255 bytes, and the errors of
    :func:`~mooq.amqp.tables.encode_table`.
    """
    if type(properties) is WireProperties:
        return properties.raw
    parts = [b""]
    flags = 0
    for name, flag in FLAGS.items():
        value = getattr(properties, name)
        if value is None:
            continue
        flags |= flag
        kind = _KINDS.get(name, "text")
        if kind == "text":
            parts.append(encode_short_string(value))
        elif kind == "octet":
            parts.append(bytes((value,)))
        elif kind == "long":
            parts.append(int(value).to_bytes(8, "big"))
        else:
            parts.append(encode_table(value))
    parts[0] = flags.to_bytes(2, "big")
    return b"".join(parts)
