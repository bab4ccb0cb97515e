"""Methods of AMQP 0-9-1 and RabbitMQ's extensions, encoded and decoded.

The values of a method are a tuple in the order of its fields. Field types: ``octet``, ``short``,
``long``, ``longlong`` (unsigned integers of 1, 2, 4 and 8 bytes), ``bit``, ``text`` (a short string
that must be UTF-8), ``name`` (a short string of any bytes), ``blob`` (a long string), ``table``.
"""

from __future__ import annotations

from struct import Struct, error
from typing import Any

from mooq.amqp.tables import decode_table, encode_short_string, encode_table

Values = tuple[Any, ...]

_INTEGERS = {"octet": 1, "short": 2, "long": 4, "longlong": 8}
_IDS = Struct(">HH")
_LENGTH = Struct(">I")


class DamagedFields(ValueError):
    """Fields that are too short or too long for their method."""


class DamagedText(ValueError):
    """A short string that is not UTF-8 but must be."""


class Method:
    """A method: its ids, name, fields, and whether clients send it."""

    __slots__ = (
        "class_id",
        "fields",
        "from_client",
        "has_content",
        "ids",
        "key",
        "method_id",
        "name",
    )

    def __init__(
        self,
        class_id: int,
        method_id: int,
        name: str,
        fields: str = "",
        *,
        from_client: bool = True,
        has_content: bool = False,
    ) -> None:
        self.class_id: int = class_id
        self.method_id: int = method_id
        self.name: str = name
        self.fields: tuple[tuple[str, str], ...] = tuple(
            (field, kind) for kind, field in (one.split(":") for one in fields.split())
        )
        self.from_client: bool = from_client
        self.has_content: bool = has_content
        self.key: int = class_id << 16 | method_id
        self.ids: bytes = _IDS.pack(class_id, method_id)

    def __repr__(self) -> str:
        return f"<Method {self.name}>"

    def decode(self, data: bytes) -> Values:
        """Return the values of a method frame's payload after the ids.

        Raises :class:`DamagedFields`, :class:`DamagedText` and
        :class:`~mooq.amqp.tables.TableError`.
        """
        values: list[Any] = []
        at = bit = 0
        try:
            for _, kind in self.fields:
                if kind == "bit":
                    at += not bit
                    values.append(bool(data[at - 1] >> bit & 1))
                    bit = bit + 1
                    continue
                bit = 0
                if kind in _INTEGERS:
                    end = at + _INTEGERS[kind]
                    value: Any = int.from_bytes(data[at:end], "big")
                elif kind in ("text", "name"):
                    at += 1
                    end = at + data[at - 1]
                    value = data[at:end]
                else:
                    at += 4
                    end = at + _LENGTH.unpack_from(data, at - 4)[0]
                    value = data[at:end]
                values.append(value)
                at = end
        except (IndexError, error) as damage:
            raise DamagedFields(str(damage)) from None
        if at != len(data):
            raise DamagedFields(f"{len(data)} bytes for fields of {at}")
        return self._read(values)

    def _read(self, values: list[Any]) -> Values:
        """Decode the texts and tables among the values."""
        for index, (_, kind) in enumerate(self.fields):
            if kind == "text":
                try:
                    values[index] = values[index].decode()
                except UnicodeDecodeError as damage:
                    raise DamagedText(str(damage)) from None
            elif kind == "name":
                values[index] = values[index].decode("utf-8", "surrogateescape")
            elif kind == "table":
                values[index] = decode_table(values[index])
        return tuple(values)

    def encode(self, *values: Any) -> bytes:
        """Return a method frame's payload. Raises ``ValueError`` or ``TypeError``."""
        parts = [self.ids]
        bits: list[bool] = []
        for (_, kind), value in zip(self.fields, values, strict=True):
            if kind == "bit":
                bits.append(value)
                continue
            if bits:
                parts.append(_octet_of(bits))
                bits = []
            if kind in _INTEGERS:
                parts.append(value.to_bytes(_INTEGERS[kind], "big"))
            elif kind in ("text", "name"):
                parts.append(encode_short_string(value))
            elif kind == "blob":
                parts.append(_LENGTH.pack(len(value)) + value)
            else:
                parts.append(encode_table(value))
        if bits:
            parts.append(_octet_of(bits))
        return b"".join(parts)


def _octet_of(bits: list[bool]) -> bytes:
    return bytes((sum(bit << index for index, bit in enumerate(bits)),))


METHODS: dict[int, Method] = {}
"""Every method by ``class id << 16 | method id``."""


def _method(*args: Any, **kwargs: Any) -> Method:
    method = Method(*args, **kwargs)
    METHODS[method.key] = method
    return method


def _answer(class_id: int, method_id: int, name: str, fields: str = "") -> Method:
    return _method(class_id, method_id, name, fields, from_client=False)


_CLOSE = "short:reply_code text:reply_text short:class_id short:method_id"

CONNECTION_START = _answer(
    10,
    10,
    "connection.start",
    "octet:version_major octet:version_minor table:server_properties blob:mechanisms blob:locales",
)
CONNECTION_START_OK = _method(
    10,
    11,
    "connection.start-ok",
    "table:client_properties text:mechanism blob:response text:locale",
)
CONNECTION_SECURE = _answer(10, 20, "connection.secure", "blob:challenge")
CONNECTION_SECURE_OK = _method(10, 21, "connection.secure-ok", "blob:response")
CONNECTION_TUNE = _answer(
    10, 30, "connection.tune", "short:channel_max long:frame_max short:heartbeat"
)
CONNECTION_TUNE_OK = _method(
    10, 31, "connection.tune-ok", "short:channel_max long:frame_max short:heartbeat"
)
CONNECTION_OPEN = _method(
    10, 40, "connection.open", "text:virtual_host text:capabilities bit:insist"
)
CONNECTION_OPEN_OK = _answer(10, 41, "connection.open-ok", "text:known_hosts")
CONNECTION_CLOSE = _method(10, 50, "connection.close", _CLOSE)
CONNECTION_CLOSE_OK = _method(10, 51, "connection.close-ok")
CONNECTION_BLOCKED = _answer(10, 60, "connection.blocked", "text:reason")
CONNECTION_UNBLOCKED = _answer(10, 61, "connection.unblocked")
CONNECTION_UPDATE_SECRET = _method(
    10, 70, "connection.update-secret", "blob:new_secret text:reason"
)
CONNECTION_UPDATE_SECRET_OK = _answer(10, 71, "connection.update-secret-ok")

CHANNEL_OPEN = _method(20, 10, "channel.open", "text:out_of_band")
CHANNEL_OPEN_OK = _answer(20, 11, "channel.open-ok", "blob:channel_id")
CHANNEL_FLOW = _method(20, 20, "channel.flow", "bit:active")
CHANNEL_FLOW_OK = _answer(20, 21, "channel.flow-ok", "bit:active")
CHANNEL_CLOSE = _method(20, 40, "channel.close", _CLOSE)
CHANNEL_CLOSE_OK = _method(20, 41, "channel.close-ok")

ACCESS_REQUEST = _method(
    30,
    10,
    "access.request",
    "text:realm bit:exclusive bit:passive bit:active bit:write bit:read",
)
ACCESS_REQUEST_OK = _answer(30, 11, "access.request-ok", "short:ticket")

EXCHANGE_DECLARE = _method(
    40,
    10,
    "exchange.declare",
    "short:ticket text:exchange text:type bit:passive bit:durable bit:auto_delete bit:internal "
    "bit:nowait table:arguments",
)
EXCHANGE_DECLARE_OK = _answer(40, 11, "exchange.declare-ok")
EXCHANGE_DELETE = _method(
    40, 20, "exchange.delete", "short:ticket text:exchange bit:if_unused bit:nowait"
)
EXCHANGE_DELETE_OK = _answer(40, 21, "exchange.delete-ok")
_BETWEEN_EXCHANGES = (
    "short:ticket text:destination text:source text:routing_key bit:nowait table:arguments"
)
EXCHANGE_BIND = _method(40, 30, "exchange.bind", _BETWEEN_EXCHANGES)
EXCHANGE_BIND_OK = _answer(40, 31, "exchange.bind-ok")
EXCHANGE_UNBIND = _method(40, 40, "exchange.unbind", _BETWEEN_EXCHANGES)
EXCHANGE_UNBIND_OK = _answer(40, 51, "exchange.unbind-ok")

QUEUE_DECLARE = _method(
    50,
    10,
    "queue.declare",
    "short:ticket text:queue bit:passive bit:durable bit:exclusive bit:auto_delete bit:nowait "
    "table:arguments",
)
QUEUE_DECLARE_OK = _answer(
    50, 11, "queue.declare-ok", "text:queue long:message_count long:consumer_count"
)
QUEUE_BIND = _method(
    50,
    20,
    "queue.bind",
    "short:ticket text:queue text:exchange text:routing_key bit:nowait table:arguments",
)
QUEUE_BIND_OK = _answer(50, 21, "queue.bind-ok")
QUEUE_PURGE = _method(50, 30, "queue.purge", "short:ticket text:queue bit:nowait")
QUEUE_PURGE_OK = _answer(50, 31, "queue.purge-ok", "long:message_count")
QUEUE_DELETE = _method(
    50, 40, "queue.delete", "short:ticket text:queue bit:if_unused bit:if_empty bit:nowait"
)
QUEUE_DELETE_OK = _answer(50, 41, "queue.delete-ok", "long:message_count")
QUEUE_UNBIND = _method(
    50, 50, "queue.unbind", "short:ticket text:queue text:exchange text:routing_key table:arguments"
)
QUEUE_UNBIND_OK = _answer(50, 51, "queue.unbind-ok")

BASIC_QOS = _method(60, 10, "basic.qos", "long:prefetch_size short:prefetch_count bit:is_global")
BASIC_QOS_OK = _answer(60, 11, "basic.qos-ok")
BASIC_CONSUME = _method(
    60,
    20,
    "basic.consume",
    "short:ticket text:queue text:consumer_tag bit:no_local bit:no_ack bit:exclusive bit:nowait "
    "table:arguments",
)
BASIC_CONSUME_OK = _answer(60, 21, "basic.consume-ok", "text:consumer_tag")
BASIC_CANCEL = _method(60, 30, "basic.cancel", "text:consumer_tag bit:nowait")
BASIC_CANCEL_OK = _answer(60, 31, "basic.cancel-ok", "text:consumer_tag")
BASIC_PUBLISH = _method(
    60,
    40,
    "basic.publish",
    "short:ticket name:exchange name:routing_key bit:mandatory bit:immediate",
    has_content=True,
)
BASIC_RETURN = _method(
    60,
    50,
    "basic.return",
    "short:reply_code name:reply_text name:exchange name:routing_key",
    from_client=False,
    has_content=True,
)
BASIC_DELIVER = _method(
    60,
    60,
    "basic.deliver",
    "name:consumer_tag longlong:delivery_tag bit:redelivered name:exchange name:routing_key",
    from_client=False,
    has_content=True,
)
BASIC_GET = _method(60, 70, "basic.get", "short:ticket text:queue bit:no_ack")
BASIC_GET_OK = _method(
    60,
    71,
    "basic.get-ok",
    "longlong:delivery_tag bit:redelivered name:exchange name:routing_key long:message_count",
    from_client=False,
    has_content=True,
)
BASIC_GET_EMPTY = _answer(60, 72, "basic.get-empty", "text:cluster_id")
BASIC_ACK = _method(60, 80, "basic.ack", "longlong:delivery_tag bit:multiple")
BASIC_REJECT = _method(60, 90, "basic.reject", "longlong:delivery_tag bit:requeue")
BASIC_RECOVER_ASYNC = _method(60, 100, "basic.recover-async", "bit:requeue")
BASIC_RECOVER = _method(60, 110, "basic.recover", "bit:requeue")
BASIC_RECOVER_OK = _answer(60, 111, "basic.recover-ok")
BASIC_NACK = _method(60, 120, "basic.nack", "longlong:delivery_tag bit:multiple bit:requeue")
BASIC_CREDIT = _answer(60, 200, "basic.credit", "text:consumer_tag long:credit bit:drain")
BASIC_CREDIT_OK = _answer(60, 201, "basic.credit-ok", "long:available")
BASIC_CREDIT_DRAINED = _answer(
    60, 202, "basic.credit-drained", "text:consumer_tag long:credit_drained"
)

CONFIRM_SELECT = _method(85, 10, "confirm.select", "bit:nowait")
CONFIRM_SELECT_OK = _answer(85, 11, "confirm.select-ok")

TX_SELECT = _method(90, 10, "tx.select")
TX_SELECT_OK = _answer(90, 11, "tx.select-ok")
TX_COMMIT = _method(90, 20, "tx.commit")
TX_COMMIT_OK = _answer(90, 21, "tx.commit-ok")
TX_ROLLBACK = _method(90, 30, "tx.rollback")
TX_ROLLBACK_OK = _answer(90, 31, "tx.rollback-ok")
