"""--mooq-timeline: the messages of a failed test, as a table and as a drawing."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from mooq.testing.recorder import Event, Record, Records
from mooq.testing.timeline import MOST_ROWS, as_html, as_text
from mooq.transports.message import Message
from tests.integration.inner_run import NOWHERE, Run, run

__all__ = ["run"]  # a fixture

TESTS = """
    async def publish(broker):
        connection = await broker.connect()
        channel = await connection.create_channel()
        await channel.declare_queue("orders")
        await channel.publish(exchange_name="", routing_key="orders", msg="<tea>")

    async def test_fails(mooq_broker):
        await publish(mooq_broker)
        raise AssertionError

    async def test_passes(mooq_broker):
        await publish(mooq_broker)
"""
IN_MEMORY = "--mooq-backend=in_memory"


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_failed_test_shows_its_timeline(run: Run, workers: str) -> None:
    _, printed = run(TESTS, IN_MEMORY, "--mooq-timeline", workers, DOCKER_HOST=NOWHERE)
    assert printed.count("mooq timeline") == 1
    assert "published  publisher 1 → exchange ''  #1 '<tea>'" in " ".join(printed.split("   "))


def test_message_table_is_off_by_default(run: Run) -> None:
    _, printed = run(TESTS, IN_MEMORY, DOCKER_HOST=NOWHERE)
    assert "timeline" not in printed


def test_drawing_is_written_for_each_failed_test(run: Run) -> None:
    _, printed = run(TESTS, IN_MEMORY, "--mooq-timeline-html=drawn", DOCKER_HOST=NOWHERE)
    (path,) = (run.folder / "drawn").iterdir()
    assert path.name.endswith("test_fails-in_memory-.html")
    assert f"drawn in drawn/{path.name}" in printed
    text = path.read_text(encoding="utf-8")
    assert "published #1 &#x27;&lt;tea&gt;&#x27;" in text
    ET.fromstring(text[text.index("<svg") : text.index("</svg>") + len("</svg>")])  # noqa: S314


def records(count: int) -> Records:
    messages = [Message(b"%d" % number, "log", "key") for number in range(count)]
    return Records(Record(Event.PUBLISHED, message, channel=1, at=0.0) for message in messages)


def test_long_timeline_shows_its_last_rows() -> None:
    lines = as_text(records(MOST_ROWS + 5)).splitlines()
    assert lines[0] == "… 5 earlier"
    assert len(lines) == MOST_ROWS + 1
    assert lines[-1].endswith(f"#{MOST_ROWS + 5} {MOST_ROWS + 4}")


def test_empty_timeline_has_a_text() -> None:
    assert as_text(Records()) == "nothing happened"
    assert "<svg" in as_html(Records(), "empty")
