"""Random programs of AMQP methods, compared frame by frame with RabbitMQ."""

from __future__ import annotations

import os

import pytest

import mooq
from mooq.broker.versions import VERSIONS
from mooq.testing.lease import RunningRabbitMQ
from tests.integration.wire.peer import Peer, Step, step_as_text
from tests.integration.wire.programs import ProgramGenerator

PROGRAMS = int(os.environ.get("MOOQ_WIRE_PROGRAMS", "60"))
"""The number of programs of each kind; the environment variable allows longer runs."""


@pytest.mark.rabbit
@pytest.mark.parametrize("quorum", [False, True], ids=["classic", "quorum"])
def test_random_programs_match_rabbitmq_frame_by_frame(
    request: pytest.FixtureRequest, mooq_rabbitmq: RunningRabbitMQ, quorum: bool
) -> None:
    version = ".".join(mooq_rabbitmq["version"].split(".")[:2])
    assert version in VERSIONS, f"RabbitMQ {version} is not followed"
    virtual_host: str = request.getfixturevalue("mooq_virtual_host")
    for seed in range(PROGRAMS):
        program = ProgramGenerator(seed, quorum=quorum).program()
        theirs = answers(mooq_rabbitmq["port"], virtual_host, program)
        clean(mooq_rabbitmq["port"], virtual_host)
        with mooq.InMemoryBroker(
            host=f"wire-{seed}", port=1, virtual_hosts=[virtual_host], version=version
        ) as broker:
            port = int(broker.url.rpartition(":")[2].partition("/")[0])
            ours = answers(port, virtual_host, program)
        assert ours == theirs, explained(seed, program, ours, theirs)


def answers(port: int, virtual_host: str, program: list[Step]) -> list[list[str]]:
    """Return a broker's replies to each step."""
    with Peer(port, virtual_host) as peer:
        return [peer.ask(step) for step in program]


def clean(port: int, virtual_host: str) -> None:
    """Delete the queues, exchanges and bindings of programs."""
    from pamqp.commands import Exchange, Queue

    from tests.integration.wire.programs import EXCHANGES, KEYS, QUEUES

    with Peer(port, virtual_host) as peer:
        for queue in QUEUES:
            peer.ask(Queue.Delete(queue=queue))
        for exchange in EXCHANGES:
            if not exchange.startswith("amq."):
                peer.ask(Exchange.Delete(exchange=exchange))
        predeclared = [name for name in EXCHANGES if name.startswith("amq.")]
        for source in predeclared:
            for destination in predeclared:
                for key in KEYS:
                    unbind = Exchange.Unbind(
                        destination=destination, source=source, routing_key=key, arguments={}
                    )
                    peer.ask(unbind)


def explained(
    seed: int, program: list[Step], ours: list[list[str]], theirs: list[list[str]]
) -> str:
    """Return the first difference and the steps before it."""
    lines = [f"program {seed}:"]
    for step, mine, other in zip(program, ours, theirs, strict=True):
        lines.append(f"  {step_as_text(step)}")
        if mine != other:
            return "\n".join([*lines, f"in memory: {mine}", f"RabbitMQ:  {other}"])
    return "\n".join(lines)
