"""Options of a connection, checked the same for every broker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mooq.client.headers import check_table
from mooq.client.properties import check_int, check_text
from mooq.client.refusals import OWN_CHANNELS
from mooq.transports.options import MOST_CHANNELS, NAME, ConnectionOptions

LONGEST_HEARTBEAT = 65534  # seconds
LONGEST_NAME = 200  # bytes; the connection's name adds to it
FIXED = {
    "capabilities": "mooq sets it",
    "connection_name": "pass client_name",
}
"""Client properties that a caller may not set, and what to use instead."""


def check_options(
    heartbeat: int,
    channel_max: int,
    client_name: str | None,
    client_properties: Mapping[str, Any] | None,
) -> ConnectionOptions:
    """Return the options; raise ``TypeError`` or ``ValueError`` that names the wrong one."""
    if not 0 <= check_int("heartbeat", heartbeat) <= LONGEST_HEARTBEAT:
        raise ValueError(
            f"heartbeat must be between 0, for none, and {LONGEST_HEARTBEAT} seconds, not "
            f"{heartbeat}"
        )
    if (
        check_int("channel_max", channel_max) != 0
        and not OWN_CHANNELS < channel_max <= MOST_CHANNELS
    ):
        raise ValueError(
            f"channel_max must be 0, for as many as the broker allows, or between "
            f"{OWN_CHANNELS + 1} and {MOST_CHANNELS}, not {channel_max}: mooq uses {OWN_CHANNELS} "
            "itself"
        )
    if client_name is not None:
        check_text("client_name", client_name)
        if not 1 <= len(client_name.encode()) <= LONGEST_NAME:
            raise ValueError(f"client_name must have 1 to {LONGEST_NAME} bytes")
    if client_properties is None:
        properties = {}
    elif isinstance(client_properties, Mapping):
        for name in FIXED.keys() & client_properties.keys():
            raise ValueError(f"client property {name!r} cannot be set: {FIXED[name]}")
        properties = check_table("client property", client_properties)
    else:
        raise TypeError(
            f"client_properties must be a mapping, not {type(client_properties).__name__}"
        )
    return ConnectionOptions(heartbeat, channel_max, client_name or NAME, properties)
