"""Observation by the harness does not change the frames that a client receives."""

from __future__ import annotations

import asyncio

import pytest

import mooq
from mooq.basics.address import Address
from mooq.testing.broker import Broker
from mooq.testing.lease import RunningRabbitMQ
from tests.integration.wire.peer import Peer, Step
from tests.integration.wire.programs import ProgramGenerator
from tests.integration.wire.test_wire_parity import answers, clean, explained

PROGRAMS = 40


def observed(
    broker: Broker, port: int, program: list[Step], loop: asyncio.AbstractEventLoop
) -> list[list[str]]:
    """Return the broker's replies to each step, with probes between the steps."""
    said = []
    with Peer(port, broker.virtual_host) as peer:
        for step in program:
            said.append(peer.ask(step))
            probing = asyncio.run_coroutine_threadsafe(broker._clients.waiting(), loop)
            assert probing.result() == {}
    return said


async def test_observed_client_gets_the_same_frames(
    mooq_broker: Broker, request: pytest.FixtureRequest
) -> None:
    loop, port = asyncio.get_running_loop(), Address.from_url(mooq_broker.url).port
    for seed in range(PROGRAMS):
        program = ProgramGenerator(seed, quorum=False).program()
        through = await asyncio.to_thread(observed, mooq_broker, port, program, loop)
        await asyncio.to_thread(clean, port, mooq_broker.virtual_host)
        if mooq_broker.backend == "rabbit":
            answer: RunningRabbitMQ = request.getfixturevalue("mooq_rabbitmq")
            where = answer["port"], mooq_broker.virtual_host
            straight = await asyncio.to_thread(answers, *where, program)
            await asyncio.to_thread(clean, *where)
        else:
            virtual_hosts = [mooq_broker.virtual_host]
            with mooq.InMemoryBroker(host="plain", port=1, virtual_hosts=virtual_hosts) as plain:
                straight = await asyncio.to_thread(
                    answers, Address.from_url(plain.url).port, mooq_broker.virtual_host, program
                )
        assert through == straight, explained(seed, program, through, straight)
