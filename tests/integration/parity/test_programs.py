"""Parity with a real RabbitMQ: recorded programs and generated programs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from mooq.basics.address import Address
from mooq.parity import internals
from mooq.parity.comparison import differences
from mooq.parity.divergence import compared
from mooq.parity.programs import Program, Restart
from mooq.parity.recording import ask, load
from mooq.parity.reference import REFERENCE_PROGRAMS, ReferenceProgram
from mooq.parity.run import run
from mooq.parity.search import ApiComparison, Search
from mooq.parity.targets import InMemory, RabbitMQ, Restarting
from mooq.parity.topics import prove
from mooq.parity.wire.comparison import WireComparison
from tests.conftest import BrokerAddress
from tests.integration.restarting import on_rabbitmq
from tests.managed_docker import ManagedDockerLauncher


def target(address: BrokerAddress, restart: Restarting | None = None) -> RabbitMQ:
    """Return a RabbitMQ on which programs run."""
    return RabbitMQ(
        Address(
            address["host"],
            address["port"],
            address["username"],
            address["password"],
            address["virtual_host"],
        ),
        restart,
    )


@pytest.fixture
async def theirs(rabbit_address: BrokerAddress) -> AsyncIterator[RabbitMQ]:
    theirs = target(rabbit_address)
    yield theirs
    await theirs.close()


def restarts(program: Program) -> bool:
    return any(isinstance(step, Restart) for step in program)


async def check_record(reference: ReferenceProgram, theirs: RabbitMQ) -> None:
    """Compare the record of a release series with a RabbitMQ of this or the next series."""
    trace = await ask(reference, theirs)
    answer = load(reference).as_of(theirs.version)
    memory = InMemory(theirs.version)
    recorded = await run(reference.program, memory) if answer is None else answer.trace
    found = await differences(
        reference.program, recorded, trace, lambda choices: run(reference.program, memory, choices)
    )

    assert found == []


@pytest.mark.parametrize(
    "reference",
    [reference for reference in REFERENCE_PROGRAMS if not restarts(reference.program)],
    ids=lambda reference: reference.name,
)
async def test_rabbitmq_matches_its_record(reference: ReferenceProgram, theirs: RabbitMQ) -> None:
    await check_record(reference, theirs)


@pytest.mark.rabbit
async def test_restarted_rabbitmq_matches_its_record() -> None:
    async with on_rabbitmq(ManagedDockerLauncher, 1) as broker:
        rabbitmq = target(broker.address, broker.fail)
        for reference in REFERENCE_PROGRAMS:
            if restarts(reference.program):
                await check_record(reference, rabbitmq)
        await rabbitmq.close()


def test_generated_api_programs_agree_with_rabbitmq(
    rabbit_address: BrokerAddress,
) -> None:
    with asyncio.Runner() as runner:
        rabbitmq = target(rabbit_address)
        try:
            findings = Search(ApiComparison(runner, rabbitmq)).search(seed=2017, operations=400)
        finally:
            runner.run(rabbitmq.close())

    assert findings.operations >= 400
    assert "\n".join(map(str, findings.divergences)) == ""


def test_generated_amqp_programs_agree_with_rabbitmq(rabbit_address: BrokerAddress) -> None:
    comparison = WireComparison(target(rabbit_address).address)
    try:
        findings = Search(comparison).search(seed=2017, operations=600)
    finally:
        comparison.close()

    assert findings.operations >= 600
    assert "\n".join(map(str, findings.divergences)) == ""


async def test_rabbitmq_routes_every_topic_pair_the_same(
    theirs: RabbitMQ,
) -> None:
    proof = await prove(theirs, longest=2)

    assert proof.pairs > 800
    assert proof.misrouted == []


async def test_program_leaves_no_queue_behind(theirs: RabbitMQ) -> None:
    reference = REFERENCE_PROGRAMS[0]
    await compared(reference.program, theirs)
    prefix = theirs.prefix

    await theirs.begin()

    assert await internals.ready(theirs.inspector, f"{prefix}q") is None
