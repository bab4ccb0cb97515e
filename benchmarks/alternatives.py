"""Gains and behaviour changes of a faster event loop and faster JSON libraries.

``python -m benchmarks.alternatives [amqp://guest:guest@localhost:5672/]`` measures those that are
installed (``pip install uvloop orjson msgspec python-rapidjson ujson``). With an address, it
measures uvloop on RabbitMQ as well.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from importlib.util import find_spec
from time import perf_counter
from typing import Any
from uuid import UUID

from benchmarks.in_memory import MESSAGE, through_mooq
from benchmarks.measuring import Measure, compare
from benchmarks.on_rabbitmq import consuming, mooq_consumer, mooq_publisher, publishing
from mooq.client import codec
from mooq.transports.message import Delivery, Message

MODULES = {
    "orjson": "orjson",
    "msgspec": "msgspec.json",
    "ujson": "ujson",
    "rapidjson": "rapidjson",
}
VALUES: dict[str, object] = {
    "NaN": math.nan,
    "set": {1},
    "bytes": b"x",
    "UUID": UUID(int=1),
    "datetime": datetime(2026, 1, 1, tzinfo=UTC),
    "Decimal": Decimal("1.5"),
    "tuple": (1, 2),
    "int of 70 bits": 2**70,
}
BODIES = {
    "'NaN'": b"NaN",
    "int of 100 bits": str(2**100).encode(),
    "half a character": b'"\\ud800"',
}
REPEATS = 20_000


def on_loop(measure: Measure, new_loop: Callable[[], asyncio.AbstractEventLoop]) -> Measure:
    """Measure on a new event loop in a separate thread."""

    def run() -> float:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(measure_it())

    async def measure_it() -> float:
        return await measure()

    return lambda: asyncio.to_thread(run)


async def loops(url: str | None) -> None:
    """Compare uvloop with asyncio's event loop."""
    import uvloop

    works = {"publish → callback": through_mooq(MESSAGE, 20_000)}
    if url is not None:
        works |= {
            "RabbitMQ, awaited publishes": publishing(mooq_publisher, url, 1_000, 1),
            "RabbitMQ, 256 publishes in flight": publishing(mooq_publisher, url, 5_000, 256),
            "RabbitMQ, consume and acknowledge": consuming(mooq_consumer, url, 5_000),
        }
    for name, work in works.items():
        await compare(
            f"{name}, on uvloop",
            on_loop(work, uvloop.new_event_loop),
            "on asyncio's loop",
            on_loop(work, asyncio.new_event_loop),
            "",
        )


def json_libraries() -> None:
    """Print the speed of each, and its results for values that mooq refuses or keeps exact."""
    body = codec.encode(MESSAGE)
    print("| library | encode | decode |", " | ".join([*VALUES, *BODIES]), "|")
    print("| --- |" + " --- |" * (2 + len(VALUES) + len(BODIES)))
    row("mooq", codec.encode, decode, body)
    for name, module in MODULES.items():
        if find_spec(name) is None:
            print(f"{name}: not installed")
            continue
        library: Any = import_module(module)
        if name == "msgspec":
            row(name, library.encode, library.decode, body)
        else:
            row(name, library.dumps, library.loads, body)


def row(
    name: str, encode: Callable[[Any], Any], decode: Callable[[bytes], Any], body: bytes
) -> None:
    """Print a library's results."""
    cells = [
        name,
        f"{seconds(encode, MESSAGE) * 1e6:.2f} µs",
        f"{seconds(decode, body) * 1e6:.2f} µs",
    ]
    cells += [outcome(encode, value) for value in VALUES.values()]
    cells += [outcome(decode, given) for given in BODIES.values()]
    print("|", " | ".join(cells), "|")


def decode(body: bytes) -> Any:
    """Decode a message for a callback, including the dict around it."""
    return codec.decode(Delivery(Message(body, "e", "k"), False, None))["msg"]


def seconds(work: Callable[[Any], Any], argument: object) -> float:
    """Return the seconds per call, the best of several measurements."""
    rounds = []
    for _ in range(5):
        start = perf_counter()
        for _ in range(REPEATS):
            work(argument)
        rounds.append((perf_counter() - start) / REPEATS)
    return min(rounds)


def outcome(work: Callable[[Any], Any], argument: Any) -> str:
    """Return the result or error as the cell of a table."""
    try:
        result = work(argument)
    except (TypeError, ValueError, OverflowError):
        return "refused"
    text = result.decode() if isinstance(result, bytes) else ascii(result)
    return f"`{text}`"


async def main() -> None:
    if find_spec("uvloop"):
        print("work | against | uvloop | asyncio | ratio |")
        await loops(sys.argv[1] if len(sys.argv) > 1 else None)
    else:
        print("uvloop: not installed")
    json_libraries()


if __name__ == "__main__":
    asyncio.run(main())
