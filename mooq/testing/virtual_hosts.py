"""A virtual host for every test, so that tests can keep fixed names.

The management API creates them. Some are created ahead of the tests that will use them, so that no
test waits. They are deleted afterwards, because each existing one makes the next more expensive.
docs/testing.md compares the cost with other approaches.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import uuid
from collections import deque
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from socket import gaierror
from typing import Any, NamedTuple
from urllib.parse import quote

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from mooq.basics.address import host_and_port
from mooq.errors import BrokerConnectionError

ANSWER_TIMEOUT = 30.0  # seconds for one answer
AHEAD = 3  # virtual hosts, for each worker
AT_ONCE = 2  # requests
ASKED_AGAIN = 0.1  # seconds after a failure
UNAUTHORISED = (401, 403)
INTERNAL_SERVER_ERROR = 500


class Management(NamedTuple):
    """The management API of one RabbitMQ, used as an administrator.

    Every method raises :class:`~mooq.BrokerConnectionError` if RabbitMQ fails; with ``transient``
    False if it refuses the user.
    """

    host: str
    port: int
    username: str
    password: str

    def __repr__(self) -> str:
        return f"<management API at {host_and_port(self.host, self.port)} as {self.username!r}>"

    def version(self) -> str:
        """Return RabbitMQ's version."""
        return str(self._ask("GET", "overview")["rabbitmq_version"])

    def make(self, name: str, description: str) -> None:
        """Create a virtual host; its creator gets all permissions in it."""
        self._ask("PUT", f"vhosts/{quote(name, safe='')}", {"description": description})

    def delete(self, name: str) -> None:
        """Delete a virtual host, everything in it, and every connection to it."""
        self._ask("DELETE", f"vhosts/{quote(name, safe='')}")

    def descriptions(self) -> dict[str, str]:
        """Return the description of each virtual host.

        RabbitMQ answers 500 while one of them is being deleted, and is then asked again.
        """
        asking = Retrying(
            retry=retry_if_exception_type(_Failure),
            stop=stop_after_delay(ANSWER_TIMEOUT),
            wait=wait_fixed(ASKED_AGAIN),
            reraise=True,
        )
        hosts = asking(self._ask, "GET", "vhosts")
        return {host["name"]: host.get("description", "") for host in hosts}

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        login = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
        text = None if body is None else json.dumps(body)
        with closing(HTTPConnection(self.host, self.port, timeout=ANSWER_TIMEOUT)) as http:
            try:
                http.request(method, f"/api/{path}", text, headers)
                response = http.getresponse()
                said = response.read()
            except (OSError, HTTPException) as error:
                raise self._failed(_reason(error)) from error
        if response.status in UNAUTHORISED:
            raise self._failed(
                f"it refuses user {self.username!r} ({response.status}); the harness needs an "
                f"administrator: `rabbitmqctl set_user_tags {self.username} administrator`",
                transient=False,
            )
        if response.status == INTERNAL_SERVER_ERROR:
            raise self._failed(f"{response.status} {said.decode(errors='replace')}", kind=_Failure)
        if response.status >= 300 and (method, response.status) != ("DELETE", 404):
            raise self._failed(f"{response.status} {said.decode(errors='replace')}")
        try:
            return json.loads(said) if method == "GET" else None
        except ValueError as error:
            raise self._failed("the server there is not RabbitMQ") from error

    def _failed(
        self,
        reason: str,
        *,
        transient: bool = True,
        kind: type[BrokerConnectionError] = BrokerConnectionError,
    ) -> BrokerConnectionError:
        return kind(
            f"RabbitMQ's management API at {host_and_port(self.host, self.port)}, which gives "
            f"every test its virtual host, failed: {reason}",
            transient=transient,
        )


class _Failure(BrokerConnectionError):
    """RabbitMQ failed to carry out a request of the management API."""


def _reason(error: OSError | HTTPException) -> str:
    """Return why a request failed, without the texts of Python's libraries."""
    if isinstance(error, TimeoutError):
        return f"no answer within {ANSWER_TIMEOUT:g} s"
    if isinstance(error, gaierror):
        return "the host is unknown; check its name"
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return "the server there does not speak HTTP, or closed the connection"


class VirtualHosts:
    """Unused virtual hosts, some created ahead, and the deletion of used ones."""

    def __init__(self, management: Management, description: str) -> None:
        self._management = management
        self._description = description
        self._stock: deque[asyncio.Task[str]] = deque()
        self._deleting: set[asyncio.Task[None]] = set()
        self._given: set[str] = set()
        self._at_once = asyncio.Semaphore(AT_ONCE)

    def prepare(self, count: int) -> None:
        """Create virtual hosts until this many are ready or in progress."""
        while len(self._stock) < count:
            self._stock.append(asyncio.create_task(self._make()))

    async def take(self, ahead: int) -> str:
        """Return an unused virtual host, and create others ahead.

        Raises :class:`~mooq.BrokerConnectionError`.
        """
        self.prepare(1)
        making = self._stock.popleft()
        self.prepare(ahead)
        name = await making
        self._given.add(name)
        return name

    def release(self, name: str) -> None:
        """Delete a virtual host in the background, with everything in it."""
        self._given.discard(name)
        deleting = asyncio.create_task(self._delete(name))
        self._deleting.add(deleting)
        deleting.add_done_callback(self._deleting.discard)

    async def close(self) -> None:
        """Delete all of them, and return when they are gone."""
        for making in self._stock:
            with suppress(BrokerConnectionError):
                self._given.add(await making)
        for name in list(self._given):
            self.release(name)
        if self._deleting:
            await asyncio.wait(self._deleting)

    async def abandon(self) -> None:
        """Do not delete them: RabbitMQ ends with the run."""
        tasks = [*self._stock, *self._deleting]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _make(self) -> str:
        name = f"mooq-{uuid.uuid4().hex[:12]}"
        async with self._at_once:
            await asyncio.to_thread(self._management.make, name, self._description)
        return name

    async def _delete(self, name: str) -> None:
        async with self._at_once:
            with suppress(BrokerConnectionError):  # if the run was stopped, RabbitMQ is gone
                await asyncio.to_thread(self._management.delete, name)
