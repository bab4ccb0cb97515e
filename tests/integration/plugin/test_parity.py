"""--mooq-parity: comparison of a project's tests on both brokers."""

from __future__ import annotations

import pytest

from mooq.testing.lease import RunningRabbitMQ
from mooq.testing.parity_plugin import test_of as name_of
from tests.integration.inner_run import AUTO, Run, named, run

__all__ = ["run"]  # a fixture

SERVICE = """
    import pytest

    async def handle(message):
        if message["msg"] == "bad":
            raise ValueError("the callback's own")

    {more}

    @pytest.mark.mooq_allow_failures
    @pytest.mark.parametrize("queue", ["orders", None])
    async def test_service(mooq_broker, mooq_channel, queue):
        await mooq_channel.register_consumer(
            queue, exchange_name="orders", exchange_type="fanout", callback=handle
        )
        for msg in ("good", "bad"):
            await mooq_channel.publish(exchange_name="orders", msg=msg)
        await mooq_broker.idle()

    async def test_unread(mooq_channel):
        await mooq_channel.register_consumer(
            exchange_name="log", exchange_type="fanout", callback=handle
        )
        for number in range(20):
            await mooq_channel.publish(exchange_name="log", msg=number)

    def test_without_a_broker():
        pass
"""
LOSING = """
    from mooq.broker import virtual_host

    @pytest.fixture(autouse=True)
    def losing(monkeypatch):
        monkeypatch.setattr(virtual_host.VirtualHost, "route", lambda *_: ())
"""
"""A fixture that makes the in-memory broker route nothing."""

with_and_without_workers = pytest.mark.parametrize("processes", ["0", "2"])


@with_and_without_workers
def test_agreeing_tests_pass(run: Run, mooq_rabbitmq: RunningRabbitMQ, processes: str) -> None:
    status, printed = run(
        SERVICE.format(more=""), "--mooq-parity", *named(mooq_rabbitmq), "-n", processes
    )

    assert status == 0, printed
    assert "mooq: 3 tests compared on both brokers, none differs" in printed
    assert "7 passed" in printed


@with_and_without_workers
def test_differing_test_fails_and_is_shown(
    run: Run, mooq_rabbitmq: RunningRabbitMQ, processes: str
) -> None:
    status, printed = run(
        SERVICE.format(more=LOSING), "--mooq-parity", *named(mooq_rabbitmq), "-n", processes
    )

    assert status == 1, printed
    assert "7 passed" in printed
    assert "test_inner.py::test_service[orders] differs between the brokers" in printed
    assert "in memory" in printed
    assert "≠ queue 'orders', consumer 1" in printed
    assert "'bad' by '' of 'orders', redelivered: rejected" in " ".join(printed.split())
    assert "a queue named by the broker, consumer 1" in " ".join(printed.split())
    assert "mooq: 3 tests compared on both brokers, 3 differ" in printed


def test_test_failing_on_one_broker_differs(run: Run, mooq_rabbitmq: RunningRabbitMQ) -> None:
    status, printed = run(
        """
        async def test_alone(mooq_broker):
            assert mooq_broker.backend == "rabbit", f"at {mooq_broker.host}:{mooq_broker.port}"

        async def test_alike(mooq_channel):
            await mooq_channel.publish(exchange_name="nobody", msg=1)
        """,
        "--mooq-parity",
        *named(mooq_rabbitmq),
    )

    assert status == 1
    assert "failed in call: AssertionError: at BROKER ≠ passed" in " ".join(printed.split())
    assert "mooq: 2 tests compared on both brokers, 1 differs" in printed


def test_parity_run_without_comparisons_fails(run: Run, mooq_rabbitmq: RunningRabbitMQ) -> None:
    status, printed = run("def test_it(): pass", "--mooq-parity", *named(mooq_rabbitmq))

    assert status == 1
    assert "1 passed" in printed
    assert "mooq: 0 tests compared on both brokers" in printed


def test_parity_needs_both_backends(run: Run) -> None:
    status, printed = run("def test_it(): pass", "--mooq-parity", "--mooq-backend=in_memory")

    assert status == 4
    assert "mooq_backend must be all, not in_memory" in printed


@pytest.mark.parametrize(
    ("nodeid", "name"),
    [
        ("test_a.py::test_it[rabbit]", "test_a.py::test_it"),
        ("test_a.py::test_it[rabbit-3]", "test_a.py::test_it[3]"),
        ("test_a.py::test_it[3-rabbit-x]", "test_a.py::test_it[3-x]"),
    ],
)
def test_test_name_omits_the_backend(nodeid: str, name: str) -> None:
    assert name_of(nodeid, "rabbit") == name


GENERATED = """
    import asyncio, secrets, uuid

    async def test_ids(mooq_broker, mooq_channel):
        replies = uuid.uuid4().hex
        async def answer(message):
            await mooq_channel.publish(
                exchange_name="log", msg=message["msg"], routing_key=replies,
                headers={"to": message["headers"]["request"]},
            )
        await mooq_channel.register_consumer(
            "requests", "request", exchange_name="log", exchange_type="direct", callback=answer
        )
        await asyncio.gather(*(
            mooq_channel.publish(
                exchange_name="log", msg=number, routing_key="request",
                headers={"request": str(uuid.uuid4()), "token": secrets.token_hex(16)},
            )
            for number in (1, 1, 2)
        ))
        await mooq_broker.idle()
"""
SWAPPED = """
    import uuid

    async def test_ids(mooq_backend, mooq_channel):
        first, second = str(uuid.uuid4()), str(uuid.uuid4())
        await mooq_channel.register_producer(exchange_name="log", exchange_type="fanout")
        for number, request in enumerate((first, second, first)):
            if mooq_backend == "rabbit" and number == 2:
                request = second
            await mooq_channel.publish(exchange_name="log", msg=number, headers={"id": request})
"""
COMPETING = """
    import asyncio

    async def test_workers(mooq_broker, mooq_connect):
        async def work(message):
            pass
        for _ in range(2):
            chan = await (await mooq_connect()).create_channel()
            await chan.register_consumer(
                "jobs", exchange_name="jobs", exchange_type="fanout", callback=work
            )
        publishers = [await (await mooq_connect()).create_channel() for _ in range(3)]
        await asyncio.gather(*(
            chan.publish(exchange_name="jobs", msg=[number, job])
            for number, chan in enumerate(publishers) for job in range(10)
        ))
        await mooq_broker.idle()
"""
DATED = """
    from datetime import UTC, datetime, timedelta

    async def test_date(mooq_backend, mooq_channel):
        moment = datetime.now(UTC) - timedelta({unit}=mooq_backend == "rabbit")
        await mooq_channel.register_producer(exchange_name="log", exchange_type="fanout")
        await mooq_channel.publish(exchange_name="log", msg=1, timestamp=moment)
"""
TIMED = """
    import time

    async def test_time(mooq_channel):
        await mooq_channel.register_producer(exchange_name="log", exchange_type="fanout")
        await mooq_channel.publish(exchange_name="log", msg=f"at {time.time_ns()} ns")
"""


@pytest.mark.parametrize("tests", [GENERATED, COMPETING], ids=["ids", "order"])
def test_generated_ids_and_open_orders_do_not_differ(
    run: Run, mooq_rabbitmq: RunningRabbitMQ, tests: str
) -> None:
    status, printed = run(tests, "--mooq-parity", *named(mooq_rabbitmq))

    assert status == 0, printed
    assert "mooq: 1 test compared on both brokers, none differs" in printed


def test_generated_ids_must_correspond(run: Run, mooq_rabbitmq: RunningRabbitMQ) -> None:
    status, printed = run(SWAPPED, "--mooq-parity", *named(mooq_rabbitmq))

    assert status == 1, printed
    assert "mooq: 1 test compared on both brokers, 1 differs" in printed


@pytest.mark.parametrize(("unit", "differs"), [("seconds", False), ("days", True)])
def test_timestamps_of_the_current_time_are_masked(
    run: Run, mooq_rabbitmq: RunningRabbitMQ, unit: str, differs: bool
) -> None:
    status, printed = run(DATED.format(unit=unit), "--mooq-parity", *named(mooq_rabbitmq))

    assert status == differs, printed
    assert f"1 test compared on both brokers, {'1' if differs else 'none'} differs" in printed


def test_masked_text_is_not_compared(run: Run, mooq_rabbitmq: RunningRabbitMQ) -> None:
    options = ["--mooq-parity", *named(mooq_rabbitmq)]
    status, printed = run(TIMED, *options)
    assert status == 1, printed

    status, printed = run(TIMED, *options, r"--mooq-parity-mask=at \d+ ns")
    assert status == 0, printed
    run.ini(*AUTO, r"mooq_parity_mask = \d{10,}")
    status, printed = run(TIMED, *options)
    assert status == 0, printed


def test_invalid_mask_is_refused(run: Run) -> None:
    status, printed = run("def test_it(): pass", "--mooq-parity-mask=(")

    assert status == 4
    assert "mooq_parity_mask: '(' is not a regular expression" in printed


def test_overridden_backend_fixture_is_not_compared(
    run: Run, mooq_rabbitmq: RunningRabbitMQ
) -> None:
    status, printed = run(
        """
        import pytest

        @pytest.fixture
        def mooq_backend():
            return "in_memory"

        async def test_it(mooq_channel):
            pass
        """,
        "--mooq-parity",
        *named(mooq_rabbitmq),
    )

    assert status == 1, printed
    assert "INTERNALERROR" not in printed
    assert "mooq: 0 tests compared on both brokers" in printed
