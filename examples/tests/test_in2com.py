"""Tests of in2com on both brokers, which mooq's pytest plugin provides."""

import asyncio

from in2com import NAMES, greet, serve_capitals


async def test_everyone_is_answered_in_capitals(mooq_broker, mooq_connect):
    answered = asyncio.Event()
    await serve_capitals(await mooq_connect())

    await greet(await mooq_connect(), answered)
    await mooq_broker.idle()

    assert answered.is_set()
    answers = mooq_broker.recorded.published.where(exchange_name="answers")
    assert answers.msgs == [f"HELLO, {name.upper()}" for name in NAMES]


async def test_a_service_that_comes_back_answers_again(mooq_broker, mooq_connect):
    async with await mooq_connect() as capitals:
        await serve_capitals(capitals)
    answered = asyncio.Event()
    await serve_capitals(await mooq_connect())

    await greet(await mooq_connect(), answered)
    await mooq_broker.idle()

    assert answered.is_set()
