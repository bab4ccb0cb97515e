"""Fuzzing of mooq's API with random arguments and damaged frames.

``python -m benchmarks.fuzz_inputs --url amqp://… [--calls N] [--conversations N] [--seed N]``
makes the same calls with random arguments in memory and on RabbitMQ, in a virtual host without
other clients. Both must have the same outcome: the same result, deliveries or documented error.
Then it connects to RabbitMQ through a proxy that damages the answers. Each conversation must end
within its timeouts, successfully or with one of mooq's errors.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import string
import sys
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import mooq
from mooq.basics.address import Address
from mooq.testing.arguments import arguments_of
from mooq.testing.faults.tcp import Proxy, Route

DOCUMENTED = (mooq.MooqError, TypeError, ValueError)
NAMED = string.ascii_letters + string.digits + " -_.:@#,/+"
ODD = "é✓\0\n\t\"'\\*#.%?|\ud800\U0001f430٣ﬁ"
OTHERS: list[object] = [None, True, 5, 1.5, b"bytes", [], ["a"], {}, ("a", "b"), object(), len]
LENGTHS = [1, 2, 3, 3, 3, 8, 126, 127, 128, 254, 255, 256, 300]
KINDS = ["direct", "fanout", "topic", "headers", "x-random", "Fanout", "", "x" * 200]
MOST_AT_ONCE = 16  # conversations
LONGEST = 60.0  # seconds for one, including closing

Outcome = tuple[str, object]


class Chance:
    """Generates arguments, many of which are valid or nearly valid."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self._messages: list[Callable[[], object]] = [
            lambda: self.text(ODD + NAMED),
            lambda: self.random.choice([0, -1, 2**63, 2**64, 10**400, 0.1, -0.0, 1e308, 5e-324]),
            lambda: self.random.choice([float("nan"), float("inf"), -float("inf")]),
            lambda: self.random.choice(OTHERS),
            lambda: {self.label(): self.message() for _ in range(self.random.randrange(4))},
            lambda: [self.message() for _ in range(self.random.randrange(4))],
            lambda: (self.message(), self.message()),
            lambda: {"a": [1, self.text(ODD), {"b": None}], "c": self.random.random()},
            lambda: self.nested(self.random.choice([5, 50, 500, 5_000])),
            lambda: "x" * self.random.choice([1_000, 20_000]),
            lambda: {self.text(NAMED)},
        ]

    def text(self, letters: str) -> str:
        """Return a text of these letters, often with a length at the limit."""
        return "".join(self.random.choices(letters, k=self.random.choice(LENGTHS)))

    def name(self) -> Any:
        """Return a name, or another value in its place."""
        known = self.random.choice("abcdefgh")
        odd = self.random.choice(OTHERS)
        some, any_ = self.text(NAMED), self.text(ODD + NAMED)
        return self.random.choice([known, known, some, any_, f"amq.{some}", "", odd])

    def key(self) -> Any:
        """Return a routing key with words, wildcards or unusual characters."""
        words = ["a", "b", "*", "#", "", "**", "#a", "é", self.text(NAMED)]
        if self.random.random() < 0.1:
            return self.name()
        return ".".join(self.random.choices(words, k=self.random.randrange(5)))

    def message(self) -> Any:
        """Return a value that JSON may or may not support."""
        return self.random.choice(self._messages)()

    def label(self) -> object:
        """Return a dict key, usually a text."""
        return self.random.choice([*["a", "b", self.text(ODD + NAMED)] * 3, 1, None, b"k", ("t",)])

    @staticmethod
    def nested(depth: int) -> object:
        """Return nested lists."""
        value: list[object] = []
        for _ in range(depth):
            value = [value]
        return value

    def headers(self) -> Any:
        """Return headers, or another value in their place."""
        if self.random.random() < 0.8:
            return None
        if self.random.random() < 0.2:
            return self.random.choice(OTHERS)
        return {self.label(): self.message() for _ in range(self.random.randrange(4))}

    def call(self) -> tuple[str, dict[str, Any]]:
        """Return the name and the arguments of a call."""
        name = self.random.choice(["producer", "consumer", "get", "delete", *["publish"] * 6])
        make: dict[str, Callable[[], dict[str, Any]]] = {
            "producer": lambda: {"exchange_name": self.name(), "exchange_type": self.kind()},
            "consumer": lambda: {
                "queue_name": self.name() or "a",
                "routing_keys": [self.key() for _ in range(self.random.randrange(3))],
                "exchange_name": self.random.choice(["all", "all", "all", self.name()]),
                "exchange_type": self.kind(),
                "prefetch_count": self.random.choice([*[1, 100, 65535] * 4, 0, -1, 65536, "1"]),
            },
            "get": lambda: {"queue_name": self.name()},
            "delete": lambda: {"queue_name": self.name()},
            "publish": lambda: {
                "exchange_name": self.random.choice(["all", "all", self.name()]),
                "msg": self.message(),
                "routing_key": self.key(),
                "headers": self.headers(),
                "message_id": self.random.choice([*[None, "m"] * 4, self.name()]),
                "mandatory": self.random.choice([*[True, False] * 6, None]),
            },
        }
        return name, make[name]()

    def kind(self) -> Any:
        """Return an exchange type, usually that of the exchange's name."""
        return self.random.choice([*["topic"] * 6, *KINDS, *OTHERS])


class Called:
    """One of the two brokers."""

    def __init__(self, conn: mooq.Connection, chan: mooq.Channel) -> None:
        self._conn = conn
        self._chan = chan
        self._given: deque[object] = deque(maxlen=1_000)
        self._place = f"{conn.host}:{conn.port}"

    async def begin(self) -> None:
        """Declare a queue that gets everything published to the exchange ``all``."""
        await self._consume("seen", ["#"], exchange_name="all", exchange_type="topic")

    async def _consume(self, *arguments: Any, **named: Any) -> None:
        async def nothing(_: mooq.IncomingMessage) -> None: ...

        async with await self._conn.create_channel() as chan:  # closes the consumer too
            await chan.register_consumer(*arguments, callback=nothing, **named)

    async def outcome(self, name: str, arguments: dict[str, Any]) -> Outcome:
        """Return the outcome of a call."""
        try:
            return "done", await self._call(name, dict(arguments))
        except DOCUMENTED as error:
            return type(error).__name__, str(error).replace(self._place, "HERE")

    async def _call(self, name: str, arguments: dict[str, Any]) -> object:
        if name == "get":
            return await self._get(**arguments)
        verbs: dict[str, Callable[..., Awaitable[object]]] = {
            "producer": self._chan.register_producer,
            "consumer": self._consume,
            "delete": self._chan.delete_queue,
            "publish": self._chan.publish,
        }
        self._given.append(arguments.get("message_id"))
        await verbs[name](**arguments)
        if name != "publish" or arguments["exchange_name"] != "all":
            return None
        return await self._get("seen")

    async def _get(self, queue_name: str) -> dict[str, Any]:
        message = dict(await self._chan.get(queue_name))
        if message["message_id"] not in self._given:
            del message["message_id"]  # generated by mooq
        return message


async def compare(address: Address, calls: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Return the number of calls per outcome, and every difference between the brokers."""
    chance, found, wrong = Chance(seed), Counter[str](), list[str]()
    async with (
        mooq.InMemoryBroker(host="fuzzed", port=1, virtual_hosts=[address.virtual_host]),
        await mooq.connect(**arguments_of("rabbit", address)) as rabbit,
        await mooq.connect(
            "fuzzed", 1, "in_memory", virtual_host=address.virtual_host
        ) as in_memory,
    ):
        both = [Called(conn, await conn.create_channel()) for conn in (in_memory, rabbit)]
        for one in both:
            await one.begin()
        for number in range(calls):
            name, arguments = chance.call()
            try:
                memory, real = [await one.outcome(name, arguments) for one in both]
            except Exception as error:  # noqa: BLE001 - undocumented errors are what this looks for
                wrong.append(f"{number}: {name} {arguments!r:.300}: {error!r}")
                break  # the brokers may differ from here on
            found[f"{name}: {memory[0]}"] += 1
            if memory != real and repr(memory) != repr(real):  # NaN is not equal to itself
                wrong.append(
                    f"{number}: {name} {arguments!r:.300}: {memory!r:.300} but {real!r:.300}"
                )
                if len(wrong) == 10:
                    break
    return found, wrong


class Damaging(Route):
    """Passes on RabbitMQ's answers with random bytes changed, removed or added."""

    random = Random(0)

    def damaged(self, data: bytes) -> bytes:
        """Return the bytes that arrive for a frame."""
        if self.random.random() < 0.94:
            return data
        at = self.random.randrange(len(data))
        some = self.random.randbytes(self.random.choice([0, 1, 1, 4, 50]))
        return data[:at] + some + data[at + self.random.choice([0, 1, len(some)]) :]


async def converse(proxy: Proxy) -> str:
    """Run one conversation; return its outcome."""
    try:
        async with (
            asyncio.timeout(LONGEST),
            await mooq.connect(**proxy.arguments, timeout=1.0) as conn,
        ):
            chan = await conn.create_channel()
            for number in range(3):
                await chan.publish(exchange_name="all", msg=number, timeout=0.5)
    except mooq.MooqError as error:
        return type(error).__name__
    return "done"


async def damage(address: Address, conversations: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Return the number of conversations per outcome, and those with another error than mooq's."""
    Damaging.random = Random(seed)
    found, wrong = Counter[str](), list[str]()
    proxy = Proxy(arguments_of("rabbit", address), Damaging)
    at_once = asyncio.Semaphore(MOST_AT_ONCE)

    async def one() -> None:
        async with at_once:
            try:
                found[f"conversation: {await converse(proxy)}"] += 1
            except Exception as error:  # noqa: BLE001 - other errors are what this looks for
                wrong.append(f"a conversation ended in {error!r}")

    try:
        async with asyncio.TaskGroup() as all_of_them:
            for _ in range(conversations):
                all_of_them.create_task(one())
    finally:
        await proxy.close()
    return found, wrong


async def fuzz(address: Address, calls: int, conversations: int, seed: int) -> list[str]:
    """Run both, print the results, and return the failures."""
    found, wrong = await compare(address, calls, seed)
    damaged, also_wrong = await damage(address, conversations, seed)
    for what, times in sorted((found + damaged).items()):
        print(f"{times:7,} {what}")
    wrong += also_wrong
    print(f"seed {seed}: {found.total():,} calls on each broker, {conversations:,} conversations, ")
    print(f"{len(wrong)} that were neither success nor a documented error, or that differed")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--calls", type=int, default=95_000)
    parser.add_argument("--conversations", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.disable()  # damaged frames cause many log lines
    address = Address.from_url(options.url)
    wrong = asyncio.run(fuzz(address, options.calls, options.conversations, options.seed))
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
