"""The one RabbitMQ of a test run: the owner of the run has it, and whoever runs tests asks for it.

The owner is the controller of pytest-xdist, or the only process there is. It starts RabbitMQ when
it is asked for the first time, so a run in which nobody asks starts nothing and imports nothing
that would; every later question gets the same answer. Workers never touch Docker: a container
that a worker started would end with that worker.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack, closing, contextmanager
from typing import NoReturn, TypedDict
from urllib.parse import urlsplit

import pytest
from tenacity import AsyncRetrying, retry_if_exception, stop_before_delay, wait_random

import mooq
from mooq.address import Address
from mooq.retrying import worth_waiting
from tests.virtual_hosts import Management, wait_for

LOOPBACK = "127.0.0.1"
READY_TIMEOUT = 60.0  # seconds for RabbitMQ to boot
NAMED_TIMEOUT = 10.0  # seconds for one that is said to run to answer
ANSWER_TIMEOUT = 600.0  # seconds for all of it, a download of the image included
REMEDY = (
    "`.ci/images.sh`, run as root, brings in Docker and RabbitMQ from Debian packages; "
    "MOOQ_RABBITMQ_URL=amqp://guest:guest@127.0.0.1:5672 names one that runs already"
)

Offer = tuple[int, str]
"""Where the owner of the run answers: a port on the loopback interface, and a token to show."""


class Answer(TypedDict, total=False):
    """A RabbitMQ, or why there is none."""

    host: str
    port: int
    username: str
    password: str
    management_host: str
    management_port: int
    missing: str
    """What this machine lacks, and what would bring it in."""
    failed: str
    """What went wrong where RabbitMQ should have been."""


class MissingError(Exception):
    """This machine lacks what RabbitMQ could run by."""


@contextmanager
def owned() -> Iterator[Offer]:
    """Offer a RabbitMQ while the block lasts; if it was started, remove it at the end."""
    opened: Future[tuple[Offer, Callable[[], None]]] = Future()
    owner = threading.Thread(
        target=asyncio.run, args=(_own(opened),), name="owner of the shared RabbitMQ"
    )
    owner.start()
    offer, end = opened.result(timeout=60)
    try:
        yield offer
    finally:
        end()
        owner.join()


def ask(offer: Offer) -> socket.socket:
    """Ask the owner for RabbitMQ, without waiting for the answer."""
    port, token = offer
    question = socket.create_connection((LOOPBACK, port), timeout=ANSWER_TIMEOUT)
    question.sendall(f"{token}\n".encode())
    return question


def answer_to(question: socket.socket) -> Answer:
    """Wait for what the owner of the run answers, which it does when RabbitMQ is ready."""
    with question, question.makefile("rb") as reply:
        try:
            line = reply.readline()
        except TimeoutError:
            line = b""
    if not line:
        return {"failed": f"no answer about RabbitMQ within {ANSWER_TIMEOUT:g} s, or the run ended"}
    answer: Answer = json.loads(line)
    return answer


def leave_out(reason: str) -> NoReturn:
    """Skip a test that needs what this machine lacks; fail it where nothing may be left out."""
    if os.environ.get("MOOQ_REQUIRE_RABBITMQ") == "1":
        pytest.fail(f"MOOQ_REQUIRE_RABBITMQ is set, but {reason}", pytrace=False)
    pytest.skip(reason)


async def _own(opened: Future[tuple[Offer, Callable[[], None]]]) -> None:
    token = secrets.token_hex()
    ended = asyncio.Event()
    starting: asyncio.Task[Answer] | None = None

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal starting
        with closing(writer):
            if (await reader.readline()).decode().strip() == token:
                starting = starting or asyncio.create_task(_have_broker(at_the_end))
                writer.write(json.dumps(await asyncio.shield(starting)).encode() + b"\n")

    async with AsyncExitStack() as at_the_end:
        server = await asyncio.start_server(reply, LOOPBACK, 0)
        at_the_end.callback(server.close)
        loop = asyncio.get_running_loop()

        def end() -> None:
            loop.call_soon_threadsafe(ended.set)

        opened.set_result(((server.sockets[0].getsockname()[1], token), end))
        await ended.wait()
        if starting is not None:
            starting.cancel()  # nobody waits for it any more
            await asyncio.wait([starting])


async def _have_broker(at_the_end: AsyncExitStack) -> Answer:
    try:
        url = os.environ.get("MOOQ_RABBITMQ_URL")
        return await (_named(url) if url else _start(at_the_end))
    except MissingError as error:
        return {"missing": f"{error}. {REMEDY}"}
    except Exception as error:  # noqa: BLE001 - every test that waits for the answer raises it
        return {"failed": f"RabbitMQ for the tests: {type(error).__name__}: {error}"}


async def _named(url: str) -> Answer:
    """Make sure of a RabbitMQ that should run already, or be about to."""
    address = Address.from_url(url)
    async for attempt in AsyncRetrying(
        retry=retry_if_exception(worth_waiting),
        wait=wait_random(0.02, 0.1),
        stop=stop_before_delay(NAMED_TIMEOUT),
        reraise=True,
    ):
        with attempt:
            await (await mooq.connect(url=url)).close()
    management = urlsplit(f"//{os.environ.get('MOOQ_RABBITMQ_MANAGEMENT') or address.host}")
    host, port = management.hostname or address.host, management.port or 15672
    return await _answer(address, host, port, NAMED_TIMEOUT)


async def _start(at_the_end: AsyncExitStack) -> Answer:
    from mooq.rabbitmq_broker import RabbitMQBroker
    from tests.managed_docker import ManagedDockerLauncher

    address, management_port = Address(LOOPBACK, _free_port()), _free_port()
    launcher = ManagedDockerLauncher(address, management_port)
    broker = RabbitMQBroker(
        host=address.host, port=address.port, launcher=launcher, timeout=READY_TIMEOUT
    )
    await broker.run()
    at_the_end.push_async_callback(broker.close)
    return await _answer(address, LOOPBACK, management_port, READY_TIMEOUT)


async def _answer(address: Address, host: str, port: int, timeout: float) -> Answer:
    management = Management(host, port, address.username, address.password)
    await asyncio.to_thread(wait_for, management, timeout)
    return {
        "host": address.host,
        "port": address.port,
        "username": address.username,
        "password": address.password,
        "management_host": host,
        "management_port": port,
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
