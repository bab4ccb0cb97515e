"""pytest hooks. They are loaded in every run where mooq is installed, so they do very little.

``pip install 'mooq[pytest]'`` registers them (entry point ``pytest11``).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from mooq.testing.backends import backend_of, check_marks, is_marked
from mooq.testing.harness import Harness
from mooq.testing.settings import BACKENDS, add_options

if TYPE_CHECKING:
    from collections.abc import Generator

    from mooq.testing.broker import Broker

MARKERS = (
    "rabbit: uses a real RabbitMQ; -m 'not rabbit' deselects these tests and starts none",
    "mooq_allow_failures: callbacks may raise without failing the test",
    "mooq_redeliver: each message is delivered twice; mooq_redeliver(False): once",
    "mooq_allow_leftovers: with --mooq-strict, the test may leave messages and exceptions behind",
)
SELECTING = ("keyword", "markexpr", "deselect", "lf", "stepwise", "collectonly")
"""Options with which it is unknown what will run until everything is collected."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and settings."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Declare markers and fixtures; refuse invalid settings."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    Harness(config)
    from mooq.testing import fixtures
    from mooq.testing.wide_fixtures import wide_fixtures

    config.pluginmanager.register(fixtures, "mooq fixtures")
    config.pluginmanager.register(wide_fixtures(config), "mooq fixtures of wider scopes")
    settings = Harness.of(config).settings
    if settings.shows_timeline or settings.timelines is not None:
        from mooq.testing.timeline_plugin import TimelinePlugin

        config.pluginmanager.register(TimelinePlugin(settings.timelines), "mooq timeline")
    if settings.compares:
        from mooq.testing.parity_plugin import ParityPlugin

        config.pluginmanager.register(ParityPlugin(), "mooq parity")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker how to ask for RabbitMQ."""
    Harness.of(node.config).offer_to_worker(node.workerinput)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Ask for RabbitMQ at the first test that needs it, so that it boots during collection."""
    option = item.config.option
    if not any(getattr(option, name, None) for name in SELECTING):
        _ask_for([item], item.config)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Select by ``--mooq-backend``; run tests on RabbitMQ last, because it boots meanwhile."""
    backends = Harness.of(config).settings.backends
    kept: dict[str | None, list[pytest.Item]] = {None: [], "in_memory": [], "rabbit": []}
    for item in items:
        if _takes_rabbitmq(item):
            item.add_marker(pytest.mark.rabbit)
        backend = "rabbit" if item.get_closest_marker("rabbit") else backend_of(item)
        kept[backend].append(item)
    unwanted = [kept.pop(backend) for backend in BACKENDS["all"] if backend not in backends]
    if any(unwanted):
        config.hook.pytest_deselected(items=[item for some in unwanted for item in some])
    last = {id(item) for item in kept.get("rabbit", ())}
    wanted = {id(item) for some in kept.values() for item in some}
    items[:] = sorted(
        (item for item in items if id(item) in wanted), key=lambda item: id(item) in last
    )


def pytest_collection_finish(session: pytest.Session) -> None:
    """Ask for RabbitMQ as soon as it is known to be needed."""
    if not session.config.option.collectonly:
        _ask_for(session.items, session.config)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test with a wrong mark before its fixtures start anything."""
    check_marks(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Fail a test that forgot an ``await``, or whose callback failed without permission."""
    __tracebackhide__ = True
    brokers = _brokers_of(item)
    if not brokers:
        yield
        return
    from mooq.testing.forgotten import noticing_forgotten_awaits

    try:
        with noticing_forgotten_awaits():
            yield
            for broker in brokers:
                broker.allows_failures = is_marked(item, "mooq_allow_failures")
                broker.raise_failures("callbacks failed")
    except BaseException:
        for broker in brokers:
            broker.has_failed = True
        raise


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    """Stop RabbitMQ after the last test, before waiting for the workers of a stopped run."""
    harness = Harness.of(session.config)
    if harness.has_workers:
        harness.end()  # workers may be waiting for it
    try:
        yield
    finally:
        harness.end()


def pytest_report_header(config: pytest.Config) -> str | None:
    """Show which brokers tests get."""
    settings = Harness.of(config).settings
    if config.get_verbosity() < 0:
        return None
    backends = " and ".join(settings.backends)
    if "rabbit" not in settings.backends:
        return f"mooq: {backends}"
    when = "" if settings.rabbitmq.address is not None else ", started when a test needs it"
    return f"mooq: {backends}; {settings.rabbitmq}{when}"


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Show which RabbitMQ was used and how long it took, or why there was none."""
    summary = Harness.of(config).summary
    if summary is None or summary.answer is None:
        return
    from mooq.testing.lease import Failed, Unavailable

    assert summary.seconds is not None
    answer = summary.answer
    if isinstance(answer, Failed):
        terminalreporter.section("no RabbitMQ", red=True)
        terminalreporter.write_line(answer.reason)
    elif isinstance(answer, Unavailable):
        terminalreporter.write_line(f"mooq: no RabbitMQ: {answer.reason}", yellow=True)
    elif config.get_verbosity() >= 0:
        from mooq.basics.address import host_and_port
        from mooq.basics.wording import counted

        tests = counted(summary.virtual_hosts, "test")
        where = host_and_port(answer["host"], answer["port"])
        terminalreporter.write_line(
            f"mooq: RabbitMQ {answer['version']} {answer['how']} at {where}, ready in "
            f"{summary.seconds:.1f} s, for {tests}"
        )


def _brokers_of(item: pytest.Item) -> list[Broker]:
    """Return the brokers among a test's fixtures, of any scope."""
    module = sys.modules.get("mooq.testing.broker")
    if module is None:  # no test has used one, so do not spend time on loading it
        return []
    values = (getattr(one, "broker", one) for one in getattr(item, "funcargs", {}).values())
    found = [value for value in values if isinstance(value, module.Broker)]
    return list(dict.fromkeys(found))


def _ask_for(items: list[pytest.Item], config: pytest.Config) -> None:
    harness = Harness.of(config)
    if "rabbit" in harness.settings.backends and any(map(_takes_rabbitmq, items)):
        harness.ask()


def _takes_rabbitmq(item: pytest.Item) -> bool:
    return backend_of(item) == "rabbit" or "mooq_rabbitmq" in getattr(item, "fixturenames", ())
