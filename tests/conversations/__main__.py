"""Record RabbitMQ's replies to the conversations."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mooq.testing.virtual_hosts import Management
from tests.conversations import CONVERSATIONS, RECORD, VERSIONS, converse, rules

BETWEEN = 0.3
AFTERWARDS = 3.5
"""Seconds to wait for replies between the steps and after the last one."""

Answers = dict[str, list[str]]


def _protocol(port: int) -> Answers:
    def one(steps: tuple[bytes, ...]) -> list[str]:
        return converse(("127.0.0.1", port), steps, BETWEEN, AFTERWARDS)

    with ThreadPoolExecutor(12) as pool:
        return dict(zip(CONVERSATIONS, pool.map(one, CONVERSATIONS.values()), strict=True))


def _rules(port: int, management: Management) -> Answers:
    """Run each conversation in an empty virtual host."""
    answers = {}
    for name in rules.CONVERSATIONS:
        management.delete("/")
        management.make("/", "of recorded conversations")
        for configure, write, read in rules.permissions(name).values():
            patterns = {"configure": configure, "write": write, "read": read}
            management._ask("PUT", "permissions/%2F/guest", patterns)
        with rules.connect(("127.0.0.1", port)) as connection:
            answers[name] = rules.converse(connection, name)
    return answers


def _save(record: Path, by_version: dict[str, Answers], names: dict[str, str]) -> None:
    """Write the replies to each conversation, once if they are the same in all versions."""
    kept: dict[str, dict[str, list[str]]] = {}
    for name in by_version[VERSIONS[0]]:
        said = {names[version]: by_version[version][name] for version in VERSIONS}
        first, *others = (rules.without_times(one) for one in said.values())
        alike = all(one == first for one in others)
        kept[name] = {"all": by_version[VERSIONS[0]][name]} if alike else said
    record.write_text(json.dumps(kept, indent=1) + "\n")


def main(kind: str, pairs: list[str]) -> None:
    """Record the conversations about the protocol or the rules on three RabbitMQ versions."""
    ports = [tuple(map(int, pair.split(":"))) for pair in pairs]
    if kind == "protocol":
        said = {
            version: _protocol(port) for version, (port, _) in zip(VERSIONS, ports, strict=True)
        }
        _save(RECORD, said, {version: version for version in VERSIONS})
        return
    managements = [Management("127.0.0.1", port, "guest", "guest") for _, port in ports]
    with ThreadPoolExecutor(len(VERSIONS)) as pool:
        answers = pool.map(_rules, [port for port, _ in ports], managements)
        said = dict(zip(VERSIONS, answers, strict=True))
    names = [management.version() for management in managements]
    _save(rules.RECORD, said, dict(zip(VERSIONS, names, strict=True)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
