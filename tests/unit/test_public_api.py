"""The public API: names, signatures, errors and lazy imports."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

import mooq
from mooq import errors

PACKAGE = Path(mooq.__file__).parent

# Names


def test_public_names_are_unchanged() -> None:
    assert " ".join(mooq.__all__) == (
        "BadExchange BadQueue BrokerConnectionError BrokerInternalError Channel Connection "
        "ConsumeTimeout ConsumerQueueNotFound ExchangeNotFound InMemoryBroker InMemoryChannel "
        "InMemoryConnection IncomingMessage ManualDelivery MessageUnroutable MooqError NoReply "
        "NothingToConsume PublishUnconfirmed RabbitMQBroker RabbitMQChannel RabbitMQConnection "
        "Recovery Retry "
        "connect forwardable_headers queue_arguments"
    )


def test_version_matches_the_package() -> None:
    assert mooq.__version__ == version("mooq")


@pytest.mark.parametrize("name", mooq.__all__)
def test_public_name_exists_and_is_documented(name: str) -> None:
    value = getattr(mooq, name)
    assert value.__name__ == name
    assert value.__doc__
    assert name in dir(mooq)


def test_unknown_name_raises_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'mooq' has no attribute 'Conection'$"):
        getattr(mooq, "Conection")  # noqa: B009 - type checkers know it too


# Signatures: parameters of 2017 come first; later ones are keyword-only with a default

RECOVERY = "recovery=Recovery(attempts=None, first_wait=0.1, longest_wait=10.0)"
OPTIONS = "heartbeat=10, channel_max=0, client_name=None, client_properties=None"
CONNECTION = (
    "(*, host, port, username='guest', password='guest', virtual_host='/', ssl=None, timeout=10.0, "
    f"further_nodes=(), {RECOVERY}, {OPTIONS})"
)
CHANNEL = f"(*, internal_chan, loop, dispatcher=None, recover=None, {RECOVERY}, enter=None)"
CONNECTION_METHODS = {
    "connect": "(self)",
    "create_channel": "(self)",
    "close": "(self, *, timeout=10.0)",
    "process_events": "(self, num_cycles=None)",
    "get_broker": "(self, *, host, port)",
    "__aenter__": "(self)",
    "__aexit__": "(self, kind, error, traceback)",
}
CHANNEL_METHODS = {
    "register_producer": "(self, *, exchange_name, exchange_type)",
    "register_consumer": (
        "(self, queue_name=None, routing_keys=[''], *, exchange_name, exchange_type, callback, "
        "prefetch_count=100, dead_letter_exchange=None, undecodable_as_bytes=False, "
        "queue_arguments=None, binding_arguments=None, replies=False, manual=False, retry=None)"
    ),
    "publish": (
        "(self, *, exchange_name, msg, routing_key='', mandatory=False, headers=None, "
        "message_id=None, timeout=30.0, content_type=None, content_encoding=None, "
        "persistent=True, correlation_id=None, reply_to=None, expiration=None, priority=None, "
        "type=None, timestamp=None, user_id=None, app_id=None)"
    ),
    "consume": (
        "(self, queue_name, callback, *, prefetch_count=100, undecodable_as_bytes=False, "
        "replies=False, manual=False, retry=None)"
    ),
    "declare_exchange": (
        "(self, exchange_name, exchange_type, *, durable=True, auto_delete=False, "
        "internal=False, arguments=None)"
    ),
    "declare_queue": (
        "(self, queue_name, *, durable=True, exclusive=False, auto_delete=False, arguments=None)"
    ),
    "bind_queue": "(self, queue_name, exchange_name, routing_key='', *, arguments=None)",
    "request": (
        "(self, *, exchange_name, msg, routing_key='', timeout=30.0, headers=None, "
        "content_type=None, content_encoding=None, priority=None, type=None, app_id=None)"
    ),
    "get": "(self, queue_name, timeout=None, *, undecodable_as_bytes=False)",
    "delete_queue": "(self, queue_name)",
    "close": "(self, *, timeout=10.0)",
    "__aenter__": "(self)",
    "__aexit__": "(self, kind, error, traceback)",
}
BROKER_METHODS = {
    "run": "(self, is_running=None)",
    "close": "(self)",
    "__aenter__": "(self)",
    "__aexit__": "(self, kind, error, traceback)",
}
SIGNATURES = {
    "connect": (
        "(host='localhost', port=5672, broker='rabbit', *, username=None, password=None, "
        f"virtual_host=None, ssl=None, timeout=10.0, url=None, {RECOVERY}, "
        f"{OPTIONS})"
    ),
    "RabbitMQConnection": CONNECTION,
    "InMemoryConnection": CONNECTION,
    "RabbitMQChannel": CHANNEL,
    "InMemoryChannel": CHANNEL,
    "RabbitMQBroker": (
        "(*, host, port, launcher=None, username='guest', password='guest', virtual_host='/', "
        "image=None, unit='rabbitmq.service', timeout=60.0)"
    ),
    "InMemoryBroker": (
        "(*, host, port, users=None, virtual_hosts=('/',), channel_max=2047, "
        "consumer_timeout=None, version='4.0')"
    ),
} | {
    f"{kind}{noun}.{method}": signature
    for kind in ("RabbitMQ", "InMemory")
    for noun, methods in (
        ("Connection", CONNECTION_METHODS),
        ("Channel", CHANNEL_METHODS),
        ("Broker", BROKER_METHODS),
    )
    for method, signature in methods.items()
}


def find(path: str) -> Callable[..., Any]:
    found: Callable[..., Any] = attrgetter(path)(mooq)
    return found


@pytest.mark.parametrize(("path", "signature"), SIGNATURES.items())
def test_public_signature_is_unchanged(path: str, signature: str) -> None:
    whole = inspect.signature(find(path))
    bare = [each.replace(annotation=each.empty) for each in whole.parameters.values()]
    assert str(inspect.Signature(bare)) == signature


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("InMemoryBroker", "'host' and 'port'"),
        ("RabbitMQBroker", "'host' and 'port'"),
        ("RabbitMQConnection", "'host' and 'port'"),
        ("InMemoryConnection", "'host' and 'port'"),
        ("Connection.get_broker", "'host' and 'port'"),
        ("Channel.publish", "'exchange_name' and 'msg'"),
        ("Channel.register_producer", "'exchange_name' and 'exchange_type'"),
    ],
)
def test_positional_arguments_error_names_the_keywords(path: str, missing: str) -> None:
    with pytest.raises(TypeError, match=f"missing 2 required keyword-only arguments: {missing}$"):
        find(path)("one", "two")


async def test_extra_positional_argument_shows_the_call() -> None:
    with pytest.raises(TypeError, match=r"passed by name: write InMemoryBroker\(host=…, port=…\)"):
        mooq.InMemoryBroker("h", host="h", port=1)  # type: ignore[arg-type]
    publish = find("Channel.publish")
    with pytest.raises(TypeError, match=r"by name: write publish\(exchange_name=…, msg=…\)"):
        await publish(None, "log", exchange_name="log", msg=1)


@pytest.mark.parametrize("path", SIGNATURES)
def test_public_signature_is_fully_typed(path: str) -> None:
    signature = inspect.signature(find(path))
    untyped = [
        name
        for name, each in signature.parameters.items()
        if each.annotation is each.empty and name != "self"
    ]
    assert not untyped
    assert find(path).__doc__ or path.endswith("__")


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in SIGNATURES
        if path == "connect" or ("." in path and not path.endswith("get_broker"))
    ],
)
def test_broker_operations_are_coroutines(path: str) -> None:
    assert inspect.iscoroutinefunction(find(path))


@pytest.mark.parametrize("noun", ["Connection", "Channel"])
@pytest.mark.parametrize("kind", ["RabbitMQ", "InMemory"])
def test_both_brokers_share_their_client_classes(kind: str, noun: str) -> None:
    face, shared = getattr(mooq, kind + noun), getattr(mooq, noun)
    assert issubclass(face, shared)
    assert {name for name in vars(face) if not name.startswith("_")} <= {"channel_class"}


# Errors


def drawn_errors() -> dict[str, tuple[str, ...]]:
    """Return the bases of each error in the tree in the docstring of errors.py."""
    assert errors.__doc__ is not None
    tree = errors.__doc__.partition("::\n")[2].partition("\n\nWrong arguments")[0]
    path: list[str] = []
    drawn: dict[str, tuple[str, ...]] = {}
    for line in tree.strip("\n").splitlines():
        branch, name, meaning = re.fullmatch(r"    ([ │├└─]*)(\w+) *(.*)", line).groups()  # type: ignore[union-attr]
        path[len(branch) // 4 :] = [name]
        also = re.match(r"also an? (\w+)", meaning)
        drawn[name] = (*path[-2:-1], *([also[1]] if also else []))
        assert meaning or not branch, f"the tree does not say what {name} means"
    return drawn


def raised_errors() -> dict[str, type[errors.MooqError]]:
    return {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.MooqError)
    }


def test_documented_error_tree_matches_the_classes() -> None:
    assert len(drawn_errors()) == 12
    assert {name: bases or ("Exception",) for name, bases in drawn_errors().items()} == {
        name: tuple(base.__name__ for base in error.__bases__)
        for name, error in raised_errors().items()
    }


def test_every_error_is_public_and_documented() -> None:
    for name, error in raised_errors().items():
        assert name in mooq.__all__
        assert error.__dict__["__doc__"]


def test_every_error_is_in_a_method_docstring() -> None:
    documented = "".join(find(path).__doc__ or "" for path in SIGNATURES)
    unheard_of = {
        name for name in raised_errors() if f":class:`~mooq.{name}`" not in documented
    } - {"MooqError"}
    assert not unheard_of


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (mooq.BrokerConnectionError, ConnectionError),
        (mooq.PublishUnconfirmed, ConnectionError),
        (mooq.ConsumeTimeout, TimeoutError),
    ],
)
def test_error_is_also_its_builtin_error(error: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(error, builtin)


def test_connection_errors_are_transient_by_default() -> None:
    assert mooq.BrokerConnectionError("lost").transient
    assert not mooq.BrokerConnectionError("closed", transient=False).transient
    assert mooq.PublishUnconfirmed("no answer").transient


# The package


HEAVY = {"aio_pika", "aiormq", "pamqp", "testcontainers", "docker", "pytest", "tenacity"}

IN_MEMORY_PROGRAM = """
import asyncio, mooq

async def main():
    async with mooq.InMemoryBroker(host="h", port=1):
        async with await mooq.connect("h", 1, broker="in_memory") as conn:
            chan = await conn.create_channel()

            async def callback(message):
                arrived.append(message["msg"])

            arrived = []
            await chan.register_consumer(
                exchange_name="e", exchange_type="topic", routing_keys="#", callback=callback
            )
            await chan.publish(exchange_name="e", msg=1)
            await conn.process_events(num_cycles=1)
            assert arrived == [1]

asyncio.run(main())
"""


@pytest.mark.parametrize(
    "program",
    ["import mooq", "from mooq import *; RabbitMQConnection, RabbitMQBroker", IN_MEMORY_PROGRAM],
    ids=["importing mooq", "importing every name", "using the broker in memory"],
)
def test_heavy_dependencies_are_loaded_lazily(program: str) -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "mooq" in loaded
    assert not HEAVY & {name.partition(".")[0] for name in loaded}


def test_package_has_a_py_typed_file() -> None:
    assert (PACKAGE / "py.typed").is_file()


def test_no_module_is_longer_than_400_lines() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert len(lengths) > 20
    assert {path: length for path, length in lengths.items() if length > 400} == {}


def test_module_docstrings_begin_with_noun_or_verb() -> None:
    firsts = {path: _first_word(path) for path in PACKAGE.rglob("*.py")}
    questions = {"What", "Who", "Which", "When", "How"}
    assert {path: word for path, word in firsts.items() if word in questions} == {}


def _first_word(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text())) or "Missing").split()[0]
