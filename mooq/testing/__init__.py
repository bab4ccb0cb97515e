"""Test support: a pytest plugin that gives every test its own broker.

::

    plugin.py              hooks: options, order, header, summary, failing a test
    settings.py            options, environment, ini file
    fixtures.py            mooq_broker, mooq_connection, mooq_channel, mooq_recorder, ...
    wide_fixtures.py       brokers of a class, a module, a package, a session
    backends.py            marks and parameters of a test
    standalone.py          running_broker(), for tests without fixtures
    parity_plugin.py       --mooq-parity: compares each test on both brokers
    timeline_plugin.py     --mooq-timeline: shows what happened in a failed test
    timeline.py            records as a table and as a drawing
    comparison.py          a test's result as lines to compare
    harness.py             per-process state, and access to the run's RabbitMQ
    broker.py              a test's broker
    sync_broker.py         the same for tests without an event loop
    waiting.py             waiting for a message
    observer.py            state of a test's connections
    observed_transport.py  transports that report to the observer
    clients/               other clients, observed through their AMQP traffic
    deaths.py              expired and dead-lettered messages
    recorder.py            published, delivered, acknowledged, rejected, unroutable
    idling.py              waiting until the broker is idle
    redelivering.py        delivering each message twice
    leftovers.py           messages and exceptions that a finished test leaves behind
    forgotten.py           calls that were never awaited
    arguments.py           arguments of mooq.connect() for a test's broker
    faults/                a network that can fail
    lease.py               requests from test processes to the run's owner
    rabbitmq_settings.py   settings of a run's RabbitMQ
    run_owner.py           starting and ending the owner, a process of its own
    owner_process.py       the owner: its replies to test processes
    run_node.py            its RabbitMQ, and a virtual host for every test
    server.py              a RabbitMQ from a launcher, or a running one
    virtual_hosts.py       virtual hosts, through the management API
    orphans.py             removing what dead owners left behind
    live_line.py           a progress line on a terminal

pytest loads plugin.py in every run where mooq is installed, so plugin.py loads other modules only
when they are used. Processes that run tests use lease.py and the modules below it; the owner uses
owner_process.py and the modules below it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mooq.testing.standalone import running_broker

__all__ = ["running_broker"]


def __getattr__(name: str) -> object:
    """Load a name when it is first used."""
    if name in __all__:
        from mooq.testing import standalone

        return getattr(standalone, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
