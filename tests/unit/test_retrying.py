"""Repeating requests after a lost connection: timeouts, waits and errors."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tenacity import RetryCallState

from mooq.basics.address import Address
from mooq.client.recovery import (
    Recovery,
    ask_again,
    backing_off,
    check_timeout,
    jittered,
    worth_waiting,
)
from mooq.errors import BrokerConnectionError, Lost, MooqError, Refused, Unconfirmed

NEVER_BACK = (
    r"^the connection to broker\.example:5672 was lost and did not come back within 0\.2 s; is the "
    r"broker running\?$"
)


@pytest.mark.parametrize("timeout", [1, 0.001, 30.0, math.inf])
def test_positive_timeout_is_accepted(timeout: float) -> None:
    assert check_timeout(timeout) == timeout


@pytest.mark.parametrize(
    ("timeout", "error", "text"),
    [
        (0, ValueError, "timeout must be a positive number of seconds, not 0"),
        (-0.5, ValueError, "timeout must be a positive number of seconds, not -0.5"),
        (math.nan, ValueError, "timeout must be a positive number of seconds, not nan"),
        ("1", TypeError, "timeout must be a number of seconds, not str"),
        (None, TypeError, "timeout must be a number of seconds, not NoneType"),
        (True, TypeError, "timeout must be a number of seconds, not bool"),
    ],
)
def test_invalid_timeout_is_refused(timeout: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as raised:
        check_timeout(timeout)
    assert str(raised.value) == text


@pytest.mark.parametrize(
    ("error", "is_worth_it"),
    [
        (BrokerConnectionError("nothing listens"), True),
        (BrokerConnectionError("login refused", transient=False), False),
        (Lost("never sent"), True),
        (Unconfirmed("sent"), False),
        (Refused(404, "NOT_FOUND"), False),
        (MooqError("other"), False),
        (TimeoutError(), False),
        (asyncio.CancelledError(), False),
    ],
    ids=repr,
)
def test_only_unsent_requests_are_worth_retrying(error: BaseException, is_worth_it: bool) -> None:
    assert worth_waiting(error) is is_worth_it


def test_default_recovery_backs_off_up_to_ten_seconds() -> None:
    retrying = backing_off(Recovery())
    longest_waits = {1: 0.1, 2: 0.105, 11: 0.16289, 95: 9.8125, 96: 10.0, 5000: 10.0}
    for attempt, longest in longest_waits.items():
        state = RetryCallState(retrying, None, (), {})
        state.attempt_number = attempt
        waits = [retrying.wait(state) for _ in range(300)]
        assert 0 <= min(waits) < longest / 10  # full jitter starts near zero
        assert longest * 0.9 < max(waits) <= longest


def test_recovery_sets_waits_and_attempts() -> None:
    retrying = backing_off(Recovery(attempts=3, first_wait=2, longest_wait=5))
    for attempt, longest in [(1, 2), (2, 2.1), (3, 2.205), (40, 5)]:
        state = RetryCallState(retrying, None, (), {})
        state.attempt_number = attempt
        waits = [retrying.wait(state) for _ in range(300)]
        assert 0 <= min(waits) < longest / 10
        assert longest * 0.9 < max(waits) <= longest
        assert retrying.stop(state) is (attempt == 3)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"attempts": 0}, ValueError, "attempts must be at least 1, not 0"),
        ({"attempts": 2.0}, TypeError, "attempts must be an int or None, not float"),
        ({"attempts": True}, TypeError, "attempts must be an int or None, not bool"),
        ({"first_wait": 0}, ValueError, "first_wait must be a positive number of seconds, not 0"),
        ({"longest_wait": "1"}, TypeError, "longest_wait must be a number of seconds, not str"),
        (
            {"first_wait": 20},
            ValueError,
            "first_wait, 20 s, must not be longer than longest_wait, 10 s",
        ),
    ],
    ids=str,
)
def test_invalid_recovery_is_refused(
    options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as raised:
        Recovery(**options)
    assert str(raised.value) == text


def test_wait_is_capped_at_the_remaining_time() -> None:
    retrying = backing_off(Recovery(), lambda: 0.05)
    state = RetryCallState(retrying, None, (), {})
    state.attempt_number = 96
    assert max(retrying.wait(state) for _ in range(300)) == 0.05
    assert not retrying.stop(state)
    assert backing_off(Recovery(), lambda: 0).stop(state)
    assert not backing_off(Recovery()).stop(state)


class Broker:
    """Answer in the given order: raise exceptions, return anything else."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.seconds_left: list[float] = []

    async def ask(self, seconds_left: float) -> object:
        self.seconds_left.append(seconds_left)
        return self._answer()

    async def recover(self) -> None:
        self._answer()

    def _answer(self) -> object:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


async def ask(
    ask: Callable[[float], Awaitable[object]],
    recover: Callable[[], Awaitable[None]],
    timeout: float = 30.0,
) -> object:
    deadline = asyncio.get_running_loop().time() + timeout
    async with asyncio.timeout(60):
        return await ask_again(
            ask, recover, Recovery(), Address("broker.example"), timeout, deadline
        )


async def test_request_is_repeated_after_reconnecting() -> None:
    broker, connection = Broker("answer"), Broker(None)
    assert await ask(broker.ask, connection.recover) == "answer"
    assert 20 < broker.seconds_left[0] <= 30


async def test_connection_lost_again_is_awaited_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = Broker(Lost("the connection is closed"), "answer")
    connection = Broker(BrokerConnectionError("nothing listens"), None)
    with caplog.at_level(logging.WARNING, "mooq"):
        assert await ask(broker.ask, connection.recover) == "answer"
    assert [record.getMessage().partition(", next in ")[0] for record in caplog.records] == [
        "attempt 1 to reconnect failed",
        "attempt 2 to reconnect failed",
    ]
    assert caplog.messages[0].endswith(" s: nothing listens")
    assert caplog.messages[1].endswith(" s: the connection is closed")


@pytest.mark.parametrize(
    "error",
    [
        Refused(404, "NOT_FOUND - no exchange 'e' in vhost '/'"),
        Unconfirmed("the connection ended"),
        BrokerConnectionError("this connection is closed", transient=False),
    ],
    ids=repr,
)
async def test_permanent_error_is_raised_at_once(error: Exception) -> None:
    broker = Broker(error)
    with pytest.raises(type(error)) as raised:
        await ask(broker.ask, Broker(None).recover)
    assert raised.value is error
    assert len(broker.seconds_left) == 1


async def test_permanent_connection_error_ends_the_wait() -> None:
    error = BrokerConnectionError("it refused the login of user 'guest'", transient=False)
    with pytest.raises(BrokerConnectionError, match="refused the login"):
        await ask(Broker("answer").ask, Broker(error).recover)


async def never() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("answer", "recover", "cause"),
    [
        ("answer", never, TimeoutError),
        (Lost("the connection is closed"), Broker(None).recover, Lost),
    ],
    ids=["it does not come back", "it is lost again and again"],
)
async def test_reconnecting_ends_at_the_deadline(
    answer: object, recover: Callable[[], Awaitable[None]], cause: type[Exception]
) -> None:
    started = asyncio.get_running_loop().time()
    with pytest.raises(BrokerConnectionError, match=NEVER_BACK) as raised:
        await ask(Broker(answer).ask, recover, timeout=0.2)
    assert isinstance(raised.value.__cause__, cause)
    assert asyncio.get_running_loop().time() - started >= 0.2


async def test_deadline_error_reports_the_last_error() -> None:
    error = BrokerConnectionError("cannot connect: nothing listens there")
    with pytest.raises(BrokerConnectionError, match="nothing listens there"):
        await ask(Broker("answer").ask, Broker(error).recover, timeout=0.2)


async def test_reconnecting_can_be_cancelled() -> None:
    waiting = asyncio.ensure_future(ask(Broker("answer").ask, never))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_jittered_waits_use_their_own_random_state() -> None:
    before = random.getstate()
    wait = jittered(0.1, 0.5, least=0.05)
    state = RetryCallState(None, None, (), {})  # type: ignore[arg-type]

    waits = []
    for attempt in range(1, 200):
        state.attempt_number = attempt
        waits.append(wait(state))

    assert 0.05 <= waits[0] <= 0.1
    assert 0.05 <= min(waits) < 0.1
    assert 0.4 < max(waits) <= 0.5
    assert random.getstate() == before
