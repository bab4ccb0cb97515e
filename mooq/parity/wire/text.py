"""Replies of a broker as lines to compare, without the parts that differ between runs."""

from __future__ import annotations

from typing import Any

from mooq.broker.message import PROPERTY_NAMES
from mooq.parity.wire.client import Arrived

PLAIN = (bool, int, float, str, bytes, type(None))


def line_of(one: Arrived) -> str:
    """Return a method and its message as text."""
    shown = {
        name: value
        for (name, _), value in zip(one.method.fields, one.values, strict=True)
        if value not in ("", False, 0, {})
    }
    text = f"{one.method.name} {shown}" if shown else one.method.name
    if one.message is not None:
        properties = one.message.properties
        present = {
            name: _timeless(getattr(properties, name))
            for name in PROPERTY_NAMES
            if getattr(properties, name) is not None
        }
        text += f" {present} {one.message.body!r}"
    return text


def _timeless(value: Any) -> Any:
    """Return a value without the times of deaths, with its class unless it is a plain one."""
    if isinstance(value, dict):
        return {name: "TIME" if name == "time" else _timeless(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_timeless(one) for one in value]
    return value if type(value) in PLAIN else f"{type(value).__name__} {value}"
