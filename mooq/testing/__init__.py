"""The harness for tests: a pytest plugin that gives every test a broker of its own.

::

    plugin.py              hooks: options, order, header, summary, a test's verdict
    settings.py            options, environment, ini file
    fixtures.py            mooq_broker, mooq_connection, mooq_channel, mooq_recorder, ...
    wide_fixtures.py       brokers of a class, a module, a package, a session
    backends.py            marks and parameters of a test
    standalone.py          running_broker(), for tests without pytest's fixtures
    parity_plugin.py       --mooq-parity: whether each test does the same on both brokers
    timeline_plugin.py     --mooq-timeline: what happened in a test that fails
    timeline.py            records as a table and as a drawing
    comparison.py          a test's outcome as lines that must be equal
    harness.py             per-process state, and access to the run's RabbitMQ
    broker.py              the broker that a test holds
    sync_broker.py         the same for tests without an event loop
    waiting.py             waiting for a message
    observer.py            state of a test's connections
    observed_transport.py  transports that tell the observer what happens
    clients/               clients of any kind, observed by the AMQP that they speak
    deaths.py              expired and dead-lettered messages
    recorder.py            published, delivered, acknowledged, rejected, unroutable
    idling.py              waiting until nothing is left to happen
    redelivering.py        each message twice
    leftovers.py           messages and exceptions that a finished test leaves behind
    forgotten.py           calls that a test forgot to await
    arguments.py           arguments of mooq.connect() that lead to a test's broker
    faults/                a network that can fail
    lease.py               requests of a process that runs tests to the run's owner
    rabbitmq_settings.py   how a run is to have RabbitMQ
    run_owner.py           the start and the end of the process that owns RabbitMQ
    owner_process.py       that process: its replies to the processes that run tests
    run_node.py            its RabbitMQ, and a virtual host for every test
    server.py              a RabbitMQ from a launcher, or one that runs already
    virtual_hosts.py       virtual hosts, by the management API
    orphans.py             removal of what dead owners left behind
    live_line.py           a line on the terminal while RabbitMQ starts

pytest loads plugin.py in every run where mooq is installed, so it loads nothing else before it is
used; lease.py and what is below it is for processes that run tests, owner_process.py and what is
below it for the one that owns RabbitMQ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mooq.testing.standalone import running_broker

__all__ = ["running_broker"]


def __getattr__(name: str) -> object:
    """Load what is used when it is used."""
    if name in __all__:
        from mooq.testing import standalone

        return getattr(standalone, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
