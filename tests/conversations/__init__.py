"""Short AMQP conversations, most of them invalid, and RabbitMQ's recorded replies.

``recorded.json`` has the replies of RabbitMQ 3.10.8, 4.0.5 and 4.3.6: a line for each frame, and
"end" where it closed the connection. ``python -m tests.conversations protocol PORT:MANAGEMENT…``
records them again, and ``rules`` records those of ``rules.py``. Give a pair of ports for each
version; its virtual host ``/`` is emptied.
"""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

from tests.conversations import channels, contents, handshakes
from tests.raw_amqp import answers, whole_frames

CONVERSATIONS = handshakes.CONVERSATIONS | contents.CONVERSATIONS | channels.CONVERSATIONS
VERSIONS = ("3.10", "4.0", "4.3")
RECORD = Path(__file__).with_name("recorded.json")
DIFFERENT = {("3.10", "credit"), ("4.3", "cancel-ok from client")}
"""Conversations in which the in-memory broker differs; docs/differences.md explains them."""


def recorded(version: str) -> dict[str, list[str]]:
    """Return the recorded replies of a version."""
    record = json.loads(RECORD.read_text())
    return {name: by["all"] if "all" in by else by[version] for name, by in record.items()}


def converse(
    address: tuple[str, int], steps: tuple[bytes, ...], between: float, afterwards: float
) -> list[str]:
    """Send the steps to a server and return its replies as text."""
    with socket.create_connection(address) as peer:
        lines: list[str] = []
        waiting = b""
        for index, step in enumerate(steps):
            try:
                peer.sendall(step)
            except OSError:
                break
            is_last = index == len(steps) - 1
            deadline = time.monotonic() + (afterwards if is_last else between)
            is_over = False
            while not is_over and (left := deadline - time.monotonic()) > 0:
                peer.settimeout(left)
                try:
                    data = peer.recv(65_536)
                except TimeoutError:
                    break
                except OSError:
                    data = b""
                waiting += data
                end = whole_frames(waiting)
                lines += answers(waiting[:end])
                waiting = waiting[end:]
                is_over = not data
                if not is_last and lines:
                    break
            if is_over:
                return [*lines, "end"]
        return lines
