"""`mooq demo`: two services that exchange messages through a broker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TypeAlias

import click

import mooq
from mooq.basics.address import Address
from mooq.basics.wording import in_seconds
from mooq.cli import parameters
from mooq.cli.parameters import json_option
from mooq.cli.runner import run

NAMES = ("Ada", "Grace", "Edsger")
GREETINGS = "mooq.demo.greetings"
ANSWERS = "mooq.demo.answers"
LONGEST_TALK = 30.0  # seconds

Say: TypeAlias = Callable[[str], None]


@click.command(short_help="Run two services that exchange messages.")
@click.option(
    "--address", type=parameters.address, help="Use this RabbitMQ instead of the in-memory broker."
)
@json_option
def demo(address: Address | None, as_json: bool) -> None:
    """Run two services that exchange messages: one greets, one answers in capitals.

    They run in memory, or on the RabbitMQ at --address. The exchanges mooq.demo.greetings and
    mooq.demo.answers stay there; the queues are deleted.
    """
    heard = run(_demo(address, quiet if as_json else click.echo))
    if as_json:
        place = "memory" if address is None else str(address)
        click.echo(json.dumps({"over": place, "heard": heard}))


def quiet(_: str) -> None:
    """Print nothing."""


async def _demo(address: Address | None, say: Say) -> list[dict[str, str]]:
    """Run the services; return the messages they received, in order."""
    async with AsyncExitStack() as at_the_end:
        if address is None:
            memory = mooq.InMemoryBroker(host="localhost", port=5672)
            await at_the_end.enter_async_context(memory)
        greeter, capitals = [
            await at_the_end.enter_async_context(await _connect(address)) for _ in range(2)
        ]
        say(f"Two services on {'the in-memory broker' if address is None else address}:")
        try:
            async with asyncio.timeout(LONGEST_TALK):
                return await _talk(greeter, capitals, say)
        except TimeoutError as error:
            raise mooq.MooqError(
                f"not all answers arrived within {in_seconds(LONGEST_TALK)}; the last line above "
                "shows the last message"
            ) from error


async def _connect(address: Address | None) -> mooq.Connection:
    if address is None:
        return await mooq.connect(broker="in_memory")
    return await mooq.connect(**address.where, ssl=address.ssl)


async def _talk(
    greeter: mooq.Connection, capitals: mooq.Connection, say: Say
) -> list[dict[str, str]]:
    """Return the received messages when everyone was answered."""
    heard: list[dict[str, str]] = []
    await _serve_capitals(capitals, heard, say)
    answered = asyncio.Event()
    await _greet(greeter, answered, heard, say)
    tasks = [
        asyncio.create_task(answered.wait()),
        asyncio.create_task(greeter.process_events()),
        asyncio.create_task(capitals.process_events()),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task  # raises its exception
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    return heard


async def _serve_capitals(conn: mooq.Connection, heard: list[dict[str, str]], say: Say) -> None:
    chan = await conn.create_channel()
    await chan.register_producer(exchange_name=ANSWERS, exchange_type="fanout")

    async def answer(resp: mooq.IncomingMessage) -> None:
        say(f"  capitals heard {resp['msg']!r} with routing key {resp['routing_key']}")
        heard.append({"service": "capitals", "msg": resp["msg"]})
        await chan.publish(exchange_name=ANSWERS, msg=resp["msg"].upper())

    await chan.register_consumer(
        exchange_name=GREETINGS, exchange_type="topic", routing_keys=["hello.*"], callback=answer
    )


async def _greet(
    conn: mooq.Connection, answered: asyncio.Event, heard: list[dict[str, str]], say: Say
) -> None:
    chan = await conn.create_channel()
    await chan.register_producer(exchange_name=GREETINGS, exchange_type="topic")
    waiting = {f"hello, {name}".upper() for name in NAMES}

    async def hear(resp: mooq.IncomingMessage) -> None:
        say(f"  greeter heard {resp['msg']!r}")
        heard.append({"service": "greeter", "msg": resp["msg"]})
        waiting.discard(resp["msg"])
        if not waiting:
            answered.set()

    await chan.register_consumer(exchange_name=ANSWERS, exchange_type="fanout", callback=hear)
    for name in NAMES:
        key = f"hello.{name.lower()}"
        say(f"  greeter says 'hello, {name}' with routing key {key}")
        await chan.publish(exchange_name=GREETINGS, msg=f"hello, {name}", routing_key=key)
