"""Order and extent of the permission checks in the in-memory broker."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from mooq.broker.channel import Channel
from mooq.broker.versions import VERSIONS
from tests.unit.verbs import connect, declare, exchange, new_broker, publish, refused

versions = pytest.mark.parametrize("version", VERSIONS)


def ann_of(version: str) -> Channel:
    """Return a channel whose user may configure, write or read names with a c, w or r."""
    broker = new_broker(version, permissions={("ann", "/"): ("c", "w", "r")})
    owner = connect(broker).channel(1)
    for name in ("cr", "x", "w"):
        declare(owner, name)
        exchange(owner, name)
    return connect(broker, "ann").channel(1)


def missing(version: str, permission: str, kind: str, name: str) -> str:
    which = f"{permission} " if VERSIONS[version].names_permissions else ""
    return f"ACCESS_REFUSED - {which}access to {kind} '{name}' in vhost '/' refused for user 'ann'"


@versions
@pytest.mark.parametrize(
    ("kind", "argument", "create"),
    [
        ("queue", "x-dead-letter-exchange", declare),
        ("exchange", "alternate-exchange", exchange),
    ],
)
def test_new_queue_or_exchange_needs_permission_for_its_target(
    version: str, kind: str, argument: str, create: Callable[..., object]
) -> None:
    ann = ann_of(version)

    def attempt(name: str, target: str) -> str:
        return refused(lambda: create(ann, name, arguments={argument: target}))

    assert attempt("c", "w") == missing(version, "read", kind, "c")
    assert attempt("new cr", "x") == missing(version, "write", "exchange", "x")
    assert attempt("new cr", "") == missing(version, "write", "exchange", "amq.default")
    create(ann, "new cr", arguments={argument: "w"})
    assert attempt("cr", "x").startswith("PRECONDITION_FAILED - inequivalent arg")


@versions
def test_permission_for_a_dead_letter_exchange_precedes_other_arguments(version: str) -> None:
    ann = ann_of(version)
    arguments = {"x-dead-letter-exchange": "x", "x-max-length": -1}
    assert refused(lambda: declare(ann, "new cr", arguments)) == (
        missing(version, "write", "exchange", "x")
    )
    assert refused(lambda: declare(ann, "new cr", {**arguments, "x-dead-letter-exchange": 1})) == (
        "PRECONDITION_FAILED - invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue "
        "'new cr' in vhost '/'"
    )


@versions
def test_exchange_type_and_system_exchanges_precede_permissions(version: str) -> None:
    ann = ann_of(version)
    code = "COMMAND_INVALID" if version == "3.10" else "PRECONDITION_FAILED"
    assert refused(lambda: exchange(ann, "x", "y")) == f"{code} - unknown exchange type 'y'"
    assert refused(lambda: ann.exchange_delete("amq.topic", if_unused=False)) == (
        "ACCESS_REFUSED - deletion of system exchange 'amq.topic' in vhost '/' not allowed"
    )


@versions
def test_permission_to_write_precedes_the_default_exchange(version: str) -> None:
    ann = ann_of(version)
    acts: list[Callable[..., None]] = [ann.exchange_bind, ann.exchange_unbind]
    for act in acts:
        assert refused(partial(act, "", "x", "", {})) == (
            missing(version, "write", "exchange", "amq.default")
        )
        assert refused(partial(act, "x", "", "", {})) == missing(version, "write", "exchange", "x")
    acts = [ann.queue_bind, ann.queue_unbind]
    for act in acts:
        assert refused(partial(act, "x", "", "", {})) == missing(version, "write", "queue", "x")
        assert refused(partial(act, "w", "", "", {})) == (
            "ACCESS_REFUSED - operation not permitted on the default exchange"
        )


@versions
def test_passive_declaration_needs_some_permission_since_4_3(version: str) -> None:
    ann = ann_of(version)
    for name in ("w", "cr"):
        declare(ann, name, passive=True)
        exchange(ann, name, passive=True)
    if version == "4.3":
        for name in ("x", "y"):
            for kind, create in (("queue", declare), ("exchange", exchange)):
                assert refused(partial(create, ann, name, passive=True)) == (
                    missing(version, "configure", kind, name)
                )
    else:
        declare(ann, "x", passive=True)
        exchange(ann, "x", passive=True)


@versions
@pytest.mark.parametrize("name", ["missing", "amq.rabbitmq.trace", "x"])
def test_permission_to_publish_precedes_the_exchange(version: str, name: str) -> None:
    ann = ann_of(version)
    assert refused(lambda: publish(ann, exchange=name)) == (
        missing(version, "write", "exchange", name)
    )
