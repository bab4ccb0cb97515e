"""Record what RabbitMQ answers to the conversations."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor

from tests.conversations import CONVERSATIONS, RECORD, VERSIONS, converse

BETWEEN = 0.3
AFTERWARDS = 3.5
"""Seconds that answers are waited for: between the steps, and after the last."""


def _record(ports: list[str]) -> None:
    def ask(port: str) -> dict[str, list[str]]:
        def one(steps: tuple[bytes, ...]) -> list[str]:
            return converse(("127.0.0.1", int(port)), steps, BETWEEN, AFTERWARDS)

        with ThreadPoolExecutor(12) as pool:
            return dict(zip(CONVERSATIONS, pool.map(one, CONVERSATIONS.values()), strict=True))

    by_version = dict(zip(VERSIONS, map(ask, ports), strict=True))
    record: dict[str, dict[str, list[str]]] = {}
    for name in CONVERSATIONS:
        said = {version: by_version[version][name] for version in VERSIONS}
        first = said[VERSIONS[0]]
        record[name] = {"all": first} if all(one == first for one in said.values()) else said
    RECORD.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    _record(sys.argv[1:])
