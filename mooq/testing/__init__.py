"""The harness for tests: a pytest plugin that gives every test a broker of its own.

::

    plugin.py         what pytest calls: options, order, header, summary, a test's verdict
    settings.py       what was asked for: options, environment, ini file
    fixtures.py       mooq_broker, mooq_connection, mooq_channel, mooq_connect, mooq_recorder …
    wide_fixtures.py  … and brokers of a class, a module, a package, a session
    backends.py       what a test is marked and parametrized with
    standalone.py     running_broker(), for tests without pytest's fixtures
    agreement.py      --mooq-parity: whether each test comes to the same on both brokers
    comparison.py     … as lines in which only what must be equal is left
    harness.py        what one process of a run knows of the run's RabbitMQ
    broker.py         the broker that a test holds
    watch.py          … what is told of its connections
    watched_transport.py
                      … by transports around theirs: the one seam, above both brokers
    recorder.py       … what was published, delivered, acknowledged, rejected, unroutable
    idling.py         … when nothing is left to happen
    leftovers.py      … what a finished test leaves behind
    forgotten.py      calls that a test forgot to await
    lease.py          how a process that runs tests asks for the run's one RabbitMQ
    run_owner.py      the run's owner, which answers: light, until somebody asks
    serving.py        … with a RabbitMQ and a virtual host for every test
    nodes.py          … from a launcher, ready to make virtual hosts
    virtual_hosts.py  … by the management API
    orphans.py        what dead owners left behind, and its removal
    reaper.py         the process that sees to it as soon as its owner is dead
    story.py          what became of it
    live_line.py      … and what is awaited, on a terminal

pytest loads plugin.py in every run where mooq is installed, so it loads nothing else before it is
used; lease.py and what is below it is for processes that run tests, run_owner.py and what is
below it for the one that owns the run.
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
