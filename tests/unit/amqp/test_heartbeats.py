"""Heartbeats: when one is due, and when a peer is missed."""

from __future__ import annotations

from mooq.amqp.heartbeats import Heartbeats


def test_no_heartbeat_is_sent_before_it_is_due() -> None:
    heartbeats = Heartbeats(2, 0.0)
    assert not heartbeats.is_due(0.9)
    assert heartbeats.is_due(1.0)
    assert not heartbeats.is_due(1.9)


def test_nobody_is_missed_without_heartbeats() -> None:
    heartbeats = Heartbeats(0, 0.0)
    assert not any(heartbeats.is_missed(float(second)) for second in range(100))
    assert not any(heartbeats.is_due(float(second)) for second in range(100))
