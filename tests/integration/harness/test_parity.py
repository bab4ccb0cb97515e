"""Parity, strict mode and redelivery with services on other client libraries."""

from __future__ import annotations

import pytest

from mooq.testing.lease import RunningRabbitMQ
from tests.integration.inner_run import Run, named, run

__all__ = ["run"]  # a fixture

PROJECT = """
    import uuid

    import aio_pika
    import pika
    import pytest
    from celery import Celery
    from faststream.rabbit import RabbitBroker


    async def test_aio_pika(mooq_broker):
        async with await aio_pika.connect(mooq_broker.url) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue("orders")

            async def work(message):
                if message.body == b"bad":
                    await message.reject()
                else:
                    await message.ack()

            await queue.consume(work)
            replies = await channel.declare_queue(exclusive=True)
            for body in (b"good", b"bad"):
                message = aio_pika.Message(
                    body, reply_to=replies.name, message_id=uuid.uuid4().hex
                )
                await channel.default_exchange.publish(message, "orders")
            await mooq_broker.idle()


    async def test_faststream(mooq_broker):
        service = RabbitBroker(mooq_broker.url, logger=None)

        @service.subscriber("doubling")
        async def double(number: int) -> int:
            return number * 2

        async with service:
            await service.start()
            answer = await service.request(21, "doubling", timeout=30)
            assert await answer.decode() == 42
            await mooq_broker.idle()


    def test_pika(mooq_broker):
        with pika.BlockingConnection(pika.URLParameters(mooq_broker.url)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.queue_declare("jobs")
            for number in range(3):
                channel.basic_publish("", "jobs", str(number))
            for method, _, body in channel.consume("jobs"):
                channel.basic_ack(method.delivery_tag)
                if body == b"2":
                    break
            channel.cancel()
            mooq_broker.idle()


    def test_celery(mooq_broker):
        app = Celery("shop", broker=mooq_broker.url, set_as_current=False)

        @app.task(shared=False, name="add", ignore_result=True)
        def add(x, y):
            return x + y

        add.delay(2, 3)
        mooq_broker.wait_for("published", routing_key="celery")
        app.close()
        {more}
"""


def test_clients_of_every_library_are_compared(run: Run, mooq_rabbitmq: RunningRabbitMQ) -> None:
    status, printed = run(PROJECT.format(more=""), "--mooq-parity", *named(mooq_rabbitmq))
    assert status == 0, printed
    assert "mooq: 4 tests compared on both brokers, none differs" in printed


def test_difference_of_a_foreign_client_is_shown(run: Run, mooq_rabbitmq: RunningRabbitMQ) -> None:
    more = """
        with pika.BlockingConnection(pika.URLParameters(mooq_broker.url)) as connection:
            connection.channel().basic_publish("", "nowhere", mooq_broker.backend)
            mooq_broker.wait_for("unroutable")
    """
    status, printed = run(PROJECT.format(more=more), "--mooq-parity", *named(mooq_rabbitmq))
    assert status == 1, printed
    assert "test_inner.py::test_celery differs between the brokers" in printed
    assert "mooq: 4 tests compared on both brokers, 1 differs" in printed


@pytest.mark.parametrize("option", ["--mooq-strict", "--mooq-redeliver"])
def test_options_apply_to_foreign_clients(
    run: Run, mooq_rabbitmq: RunningRabbitMQ, option: str
) -> None:
    status, printed = run(PROJECT.format(more=""), option, *named(mooq_rabbitmq))
    assert "1 message in queue 'celery'" in printed if option == "--mooq-strict" else not status
