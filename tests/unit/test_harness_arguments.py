"""Arguments of the test harness's calls, accepted and refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import mooq
from mooq.basics.address import Address
from mooq.testing.arguments import arguments_of
from mooq.testing.faults import Faults
from mooq.testing.faults.refusals import Script
from mooq.testing.recorder import Event, Recorder, event_of


@pytest.mark.parametrize("event", Event)
def test_event_has_the_name_of_its_records(event: Event) -> None:
    name = event.name.lower()
    assert isinstance(getattr(Recorder, name), property)
    assert event_of(name) is event_of(event.value) is event_of(event) is event


@pytest.mark.parametrize("name", ["lost", "PUBLISHED", None, 1])
def test_unknown_event_is_refused_with_the_names_that_exist(name: str) -> None:
    with pytest.raises(ValueError, match="event must be one of 'published'") as raised:
        event_of(name)
    assert str(raised.value).endswith(f"'dead_lettered', not {name!r}")


WRONG_FAULTS: dict[str, tuple[Callable[[Any], object], type[Exception], str]] = {
    "after": (lambda faults: faults.hold_answers(after=-1), ValueError, "at least 0, not -1"),
    "after ": (lambda faults: faults.hold_answers(after="1"), TypeError, "an int, not str"),
    "seconds": (lambda faults: faults.delay("1"), TypeError, "a number, not str"),
    "seconds ": (lambda faults: faults.delay(0), ValueError, "a positive number, not 0"),
    "bytes_a_second": (lambda faults: faults.trickle(True), TypeError, "a number, not bool"),
    "reason": (lambda faults: faults.raise_alarm(None), TypeError, "a str, not NoneType"),
    "reason ": (lambda faults: faults.raise_alarm("x" * 256), ValueError, "at most 255"),
    "method": (lambda faults: faults.refuse(["queue.declare"]), TypeError, "a str, not list"),
    "code": (lambda faults: faults.refuse("queue.declare", "403"), TypeError, "an int, not str"),
    "text": (lambda faults: faults.refuse("queue.declare", 403, 1), TypeError, "a str, not int"),
    "times": (lambda faults: faults.refuse_login(times=1.5), TypeError, "an int, not float"),
    "count": (lambda faults: faults.drop_confirms("2"), TypeError, "an int, not str"),
    "count ": (lambda faults: faults.refuse_confirms(0), ValueError, "at least 1, not 0"),
}


@pytest.mark.parametrize("name", WRONG_FAULTS)
def test_fault_refuses_a_wrong_value_and_names_it(name: str) -> None:
    call, kind, said = WRONG_FAULTS[name]
    faults = Faults(arguments_of("rabbit", Address()))
    with pytest.raises(kind, match=rf"^{name.strip()} .*{said}"):
        call(faults)
    assert faults.is_clear
    assert faults.script == Script()


WRONG_CALLS: dict[str, tuple[Callable[[Any], Awaitable[object]], type[Exception], str]] = {
    "timeout": (lambda broker: broker.idle(timeout=-1), ValueError, "a positive number of seconds"),
    "timeout ": (lambda broker: broker.idle(timeout="x"), TypeError, "a number of seconds"),
    "timeout  ": (
        lambda broker: broker.wait_for("published", timeout="x"),
        TypeError,
        "a number of seconds",
    ),
    "matching": (
        lambda broker: broker.wait_for("published", matching="x"),
        TypeError,
        "a function that takes a record, not str",
    ),
    "queue_name": (
        lambda broker: broker.wait_for("published", queue_name=1),
        TypeError,
        "a str, not int",
    ),
    "seconds": (lambda broker: broker.advance("1"), TypeError, "a number, not str"),
    "seconds ": (lambda broker: broker.advance(-1), ValueError, "a positive number, not -1"),
}


@pytest.mark.parametrize("name", WRONG_CALLS)
async def test_broker_refuses_a_wrong_argument_and_names_it(
    mooq_broker: Any, mooq_channel: object, name: str
) -> None:
    call, kind, said = WRONG_CALLS[name]
    with pytest.raises(kind, match=rf"^{name.strip()} must be {said}"):
        await call(mooq_broker)


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        ({"port": "x"}, TypeError, "port must be an int, not str"),
        ({"port": -1}, ValueError, "port must be between 0 and 65535, not -1"),
        ({"host": ""}, ValueError, "host is empty; name a host"),
        ({"host": None}, TypeError, "host must be a str, not NoneType"),
        ({"in_thread": "yes"}, TypeError, "in_thread must be a bool, not str"),
    ],
)
async def test_listen_refuses_a_wrong_argument_and_names_it(
    arguments: dict[str, Any], kind: type[Exception], said: str
) -> None:
    async with mooq.InMemoryBroker(host="listening", port=1) as broker:
        with pytest.raises(kind, match=f"^{said}"):
            broker.listen(**arguments)
        assert broker.listen(port=0)
