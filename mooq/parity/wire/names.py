"""Names, times and types of a program's values on the broker, and back."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from mooq.broker.reply_to import NAME as DIRECT_REPLIES
from mooq.broker.values import (
    AmqpDecimal,
    Byte,
    Float,
    Long,
    Short,
    Timestamp,
    UnsignedByte,
    UnsignedInt,
    UnsignedShort,
)
from mooq.parity.wire.client import Arrived
from mooq.parity.wire.programs import NAMES, REPLY, Typed
from mooq.parity.wire.text import line_of

_GENERATED = re.compile(r"amq\.gen-[\w-]+|amq\.ctag-[\w-]+|amq\.rabbitmq\.reply-to\.[^'\"]+")
SHORT_TTL = 2000  # milliseconds; a program takes less, apart from its pauses
_TYPES: dict[str, Callable[[Any], Any]] = {
    "byte": Byte,
    "unsignedbyte": UnsignedByte,
    "short": Short,
    "unsignedshort": UnsignedShort,
    "unsignedint": UnsignedInt,
    "long": Long,
    "float": Float,
    "timestamp": Timestamp,
    "decimal": lambda value: AmqpDecimal(1, value),
    "binary": lambda value: value.encode(),
}


class ProgramNames:
    """The names of one run of a program on the broker, which all begin with ``prefix``."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._reply_key = f"{DIRECT_REPLIES}.nobody"

    def on_broker(self, value: Any) -> Any:
        """Return a value with the names, times and types that it has on the broker."""
        if isinstance(value, str):
            if value == REPLY:
                return self._reply_key
            value = str(SHORT_TTL) if value == "100" else value
            return f"{self._prefix}{value}" if value in NAMES else value
        if isinstance(value, Typed):
            return _TYPES[value.kind](value.value)
        if isinstance(value, dict):
            return {name: self.on_broker(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.on_broker(one) for one in value]
        if value == 100 and type(value) is int:
            return SHORT_TTL
        return value

    def shown(self, text: str) -> str:
        """Return a text of the broker with the program's names."""
        return _GENERATED.sub("NAME", text.replace(self._prefix, ""))

    def line(self, one: Arrived) -> str:
        """Return a reply as text, with the program's names and times."""
        if one.message is not None:
            key = one.message.properties.reply_to or ""
            if key.startswith(f"{DIRECT_REPLIES}."):
                self._reply_key = key
        return self.shown(line_of(one)).replace(f"'{SHORT_TTL}'", "'100'")
