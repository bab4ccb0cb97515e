"""aio-pika's and aiormq's errors as mooq's: refused, lost, or why connecting failed."""

from __future__ import annotations

import asyncio
import errno
import os
import re
from collections.abc import Awaitable, Coroutine
from socket import gaierror
from ssl import SSLError
from typing import Any, TypeVar

import aiormq
from aiormq.abc import AbstractChannel, AbstractConnection

from mooq.basics.address import Address
from mooq.errors import BrokerConnectionError, Lost, Refused
from mooq.transports.rabbit.tls import tls_trouble

T = TypeVar("T")

REFUSALS: dict[type[Exception], int] = {
    aiormq.ChannelAccessRefused: Refused.ACCESS_REFUSED,
    aiormq.ChannelNotFoundEntity: Refused.NOT_FOUND,
    aiormq.ChannelLockedResource: Refused.RESOURCE_LOCKED,
    aiormq.ChannelPreconditionFailed: Refused.PRECONDITION_FAILED,
}
REFUSED = tuple(REFUSALS)
GONE = (
    aiormq.AMQPConnectionError,
    aiormq.ChannelInvalidStateError,
    aiormq.ChannelClosed,
    aiormq.InvalidFrameError,
    ConnectionError,
    RuntimeError,  # aiormq's "connection closed"
    StopAsyncIteration,  # raised by aiormq if the peer disconnected before the next read
)


async def answered(request: Awaitable[T]) -> T:
    """Return RabbitMQ's answer; raise :class:`Refused` or :class:`Lost` if there is none."""
    try:
        return await request
    except REFUSED as error:
        raise refusal(error) from error
    except TimeoutError as error:
        raise Lost("no answer from the broker in time") from error
    except GONE as error:
        raise Lost(f"the connection was closed: {error}") from error
    except asyncio.CancelledError as error:
        if was_cancelled():
            raise
        raise Lost("the connection was closed") from error
    except Exception as error:
        if is_nameless(error):
            raise Lost("the connection was closed") from error
        raise


async def opened(opening: Awaitable[T]) -> T:
    """Return an AMQP channel; raise :class:`Refused` if no more are allowed.

    RabbitMQ refuses by closing the connection, for example because of the user's limit.
    """
    return await _refused_by(aiormq.ConnectionNotAllowed, Refused.NOT_ALLOWED, opening)


async def controlled(request: Awaitable[T]) -> T:
    """Return RabbitMQ's answer to a request; raise :class:`Refused` if RabbitMQ fails at it.

    It then closes the connection. Asking again would not help.
    """
    failure = aiormq.exceptions.ConnectionInternalError
    return await _refused_by(failure, Refused.INTERNAL_ERROR, request)


async def _refused_by(closing: type[Exception], code: int, request: Awaitable[T]) -> T:
    """Return an answer; a connection closed with this error is a refusal with this code."""
    try:
        return await answered(request)
    except Lost as lost:
        if isinstance(lost.__cause__, closing):
            raise Refused(code, str(lost.__cause__.args[0])) from lost
        raise


def is_nameless(error: Exception) -> bool:
    """Return whether aiormq raised this for a connection that it closed without a reason."""
    return type(error) is Exception


async def while_open(
    what: AbstractChannel | AbstractConnection, request: Coroutine[Any, Any, None]
) -> None:
    """Await a request while its channel or connection is open; aiormq would wait forever."""
    writing = asyncio.ensure_future(request)
    closing = what.closing  # our own task, to be cancelled
    try:
        await asyncio.wait([writing, closing], return_when=asyncio.FIRST_COMPLETED)
    finally:
        closing.cancel()
        if not writing.done():
            writing.cancel()
    if writing.done():
        writing.result()


def to_the_end(request: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
    """Return a request that continues when its caller is cancelled: aiormq would close the channel.

    Its result is then ignored.
    """
    going_on = asyncio.ensure_future(request)
    going_on.add_done_callback(lambda done: done.cancelled() or done.exception())
    return asyncio.shield(going_on)


def was_cancelled() -> bool:
    """Return whether a CancelledError comes from the caller.

    aiormq raises the same error in pending requests when it closes.
    """
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def refusal(error: Exception) -> Refused:
    """Return RabbitMQ's own text for closing a channel."""
    return Refused(REFUSALS[type(error)], str(error.args[0]))


def explain(error: Exception, address: Address, timeout: float) -> BrokerConnectionError:
    """Return the error for a failed connect, with advice."""
    if isinstance(error, aiormq.ProbableAuthenticationError):
        return BrokerConnectionError.login_refused(address)
    if isinstance(error, aiormq.InvalidFrameError) and "Connection.OpenOk" in str(error):
        return BrokerConnectionError.no_virtual_host(address)
    cause = error.__cause__
    if isinstance(cause, OSError) and _is_refused(cause):
        return BrokerConnectionError.nothing_listens(address)
    if trouble := tls_trouble(cause):
        return BrokerConnectionError(f"cannot connect to {address}: {trouble}", transient=False)
    if isinstance(error, TimeoutError):
        return BrokerConnectionError.no_answer(address, timeout)
    return BrokerConnectionError(f"cannot connect to {address}: {_reason(error, address)}")


def _reason(error: Exception, address: Address) -> str:
    cause = error.__cause__
    if isinstance(cause, gaierror):
        return f"the host {address.host!r} is unknown ({cause.strerror}); check its name"
    if isinstance(cause, OSError) and not isinstance(cause, ConnectionError | SSLError):
        why = "; ".join(os.strerror(number) for number in sorted(_numbers(cause)))
        return f"{why or 'it cannot be reached'}; check host and port"
    what = "it closed the connection" if isinstance(error, StopAsyncIteration) else error
    return f"the server there is not RabbitMQ, or is not ready yet ({what}); check the port"


def _is_refused(error: OSError) -> bool:
    return isinstance(error, ConnectionRefusedError) or _numbers(error) == {errno.ECONNREFUSED}


def _numbers(error: OSError) -> set[int]:
    """Return the operating system's error numbers: one for each address of a host.

    For several addresses, asyncio raises a single error that contains them only in its text.
    """
    if error.errno is not None:
        return {error.errno}
    return {int(number) for number in re.findall(r"\[Errno (\d+)\]", str(error))}
