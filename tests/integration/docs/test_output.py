"""Documented output, compared with real output except for its numbers."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from mooq.client.dispatcher import Dispatcher
from mooq.testing.lease import RunningRabbitMQ
from tests.command_line import LONGEST_COMMAND
from tests.documentation import ROOT, blocks_in
from tests.integration.inner_run import SUMMARY, Run, named, run

__all__ = ["run"]  # a fixture

TEXTS = {block.name: block.code for block in blocks_in("text")}
LEAVING = """
    async def test_it(mooq_channel):
        async def handle(message): pass
        await mooq_channel.register_consumer(
            "orders", exchange_name="orders", exchange_type="fanout", callback=handle
        )
        for number in range(3):
            await mooq_channel.publish(exchange_name="orders", msg=number)
"""
DIFFERING = """
    import pytest

    @pytest.mark.mooq_allow_failures
    async def test_service(mooq_broker, mooq_channel):
        async def handle(message):
            if not message["redelivered"] or mooq_broker.backend == "rabbit":
                raise ValueError("the callback's own")
        await mooq_channel.register_consumer(
            "jobs", exchange_name="jobs", exchange_type="fanout", callback=handle
        )
        await mooq_channel.publish(exchange_name="jobs", msg="bad")
        await mooq_broker.idle()
"""

REJECTING = """
    import aio_pika

    async def test_it(mooq_broker):
        async with await aio_pika.connect(mooq_broker.url) as connection:
            channel = await connection.channel()
            dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
            orders = await channel.declare_queue("orders", arguments=dead)
            await channel.declare_queue("dead")

            async def reject(message):
                await message.reject()

            await orders.consume(reject)
            message = aio_pika.Message(b"tea", content_type="text/plain")
            await channel.default_exchange.publish(message, "orders")
            await mooq_broker.idle()
            await (await channel.get_queue("dead")).get(no_ack=True)
        raise AssertionError
"""


def words(text: str) -> str:
    """Return a text with normalised numbers, rulers and line ends."""
    return " ".join(re.sub(r"={3,}|-{3,}", " = ", re.sub(r"\d+", "0", text)).split())


def printed_by(*arguments: str) -> str:
    """Return the output of a program."""
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=LONGEST_COMMAND, check=True
    )
    return done.stdout + done.stderr


def test_every_documented_output_is_compared() -> None:
    assert sorted(TEXTS) == [
        "docs/blocking-callbacks.md-1",
        "docs/blocking-callbacks.md-2",
        "docs/testing.md-1",
        "docs/testing.md-2",
        "docs/testing.md-3",
        "docs/testing.md-4",
        "docs/testing.md-5",
        "docs/tutorial.md-1",
    ]


def test_tutorial_output_matches_the_example() -> None:
    printed = printed_by(str(ROOT / "examples" / "in2com.py"))

    assert sorted(printed.splitlines()) == sorted(TEXTS["docs/tutorial.md-1"].splitlines())


@pytest.mark.parametrize("name", ["in2com", "request_reply", "work_queue", "worker"])
def test_example_without_rabbitmq_says_so_in_one_line(name: str, closed_port: int) -> None:
    where = ("--host", "127.0.0.1", "--port", str(closed_port))
    ended = subprocess.run(
        [sys.executable, str(ROOT / "examples" / f"{name}.py"), "--broker", "rabbit", *where],
        capture_output=True,
        text=True,
        timeout=LONGEST_COMMAND,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr == (
        f"Error: cannot connect to 127.0.0.1:{closed_port}: nothing listens there; start the "
        "broker, or check host and port\n"
    )


def test_documented_blocking_report_matches() -> None:
    (program,) = [
        one.code for one in blocks_in("python") if one.name.startswith("docs/blocking-callbacks.md")
    ]

    assert words(TEXTS["docs/blocking-callbacks.md-1"]) in words(printed_by("-c", program))


async def test_documented_cause_of_loss_matches() -> None:
    dispatcher = Dispatcher()
    dispatcher.report_block("resize", "pictures", 31.2)
    cause = dispatcher.cause_of_loss(10)

    printed = f"the connection to rabbit:5672 was lost{cause}; reconnecting"
    assert words(TEXTS["docs/blocking-callbacks.md-2"]) == words(printed)


def test_documented_leftovers_report_matches(run: Run) -> None:
    _, printed = run(LEAVING, "--mooq-backend=in_memory", "--mooq-strict")

    assert words(TEXTS["docs/testing.md-1"]) in words(printed)


def test_documented_timeline_matches(run: Run) -> None:
    _, printed = run(REJECTING, "--mooq-backend=in_memory", "--mooq-timeline")

    assert words(TEXTS["docs/testing.md-2"]) in words(printed)


def test_documented_parity_difference_matches(run: Run, mooq_rabbitmq: RunningRabbitMQ) -> None:
    _, printed = run(DIFFERING, "--mooq-parity", *named(mooq_rabbitmq))

    shown = TEXTS["docs/testing.md-3"].replace("test_jobs", "test_inner")
    assert words(shown) in words(printed)


def test_documented_run_header_matches(run: Run) -> None:
    _, printed = run("def test_it(): pass", "--mooq-image=rabbitmq:4", "--collect-only")

    assert TEXTS["docs/testing.md-4"] in printed


@pytest.mark.rabbit
def test_documented_run_summary_matches() -> None:
    assert SUMMARY.fullmatch(
        TEXTS["docs/testing.md-5"].strip()
    )  # test_reporting.py checks a real run against SUMMARY
