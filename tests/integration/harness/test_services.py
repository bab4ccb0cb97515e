"""idle(), wait_for() and records with services on every client library."""

from __future__ import annotations

import pika
import pytest

from mooq.testing.idling import NotIdle
from mooq.testing.recorder import Event, Records
from mooq.testing.sync_broker import SyncBroker
from mooq.testing.waiting import NotRecorded
from tests.integration.harness.services import DEAD, JOBS, RESULTS, Service, job_of


def jobs_in(records: Records) -> list[str]:
    return [job_of(message) for message in records.where(queue_name=JOBS).msgs]


def test_idle_waits_until_every_job_is_done(mooq_broker: SyncBroker, service: Service) -> None:
    jobs = [f"job {number}" for number in range(5)]
    service.send(*jobs)
    mooq_broker.idle()
    assert sorted(service.done) == jobs
    recorded = mooq_broker.recorded
    assert sorted(jobs_in(recorded.acknowledged)) == jobs
    results = recorded.published.where(routing_key=RESULTS)
    assert sorted(results.msgs) == [f"{job} done" for job in jobs]


def test_records_show_the_outcome_of_a_message(mooq_broker: SyncBroker, service: Service) -> None:
    service.send("bad")
    mooq_broker.idle()
    recorded = mooq_broker.recorded
    assert jobs_in(recorded.delivered) == ["bad"] == jobs_in(recorded.rejected)
    assert not recorded.acknowledged.where(queue_name=JOBS)
    assert not recorded.published.where(routing_key=RESULTS)


def test_idle_reports_running_jobs(mooq_broker: SyncBroker, service: Service) -> None:
    service.may_go_on.clear()
    service.send("slow")
    mooq_broker.wait_for("delivered", queue_name=JOBS)
    with pytest.raises(NotIdle, match=rf"(queue '{JOBS}' not settled|callback still running)"):
        mooq_broker.idle(timeout=0.05)
    service.may_go_on.set()
    mooq_broker.idle()
    assert service.done == ["slow"]


@pytest.mark.mooq_redeliver
def test_every_job_is_redelivered(mooq_broker: SyncBroker, service: Service) -> None:
    service.send("a", "b")
    mooq_broker.idle()
    assert sorted(service.done) == ["a", "a", "b", "b"]
    delivered = mooq_broker.recorded.delivered.where(queue_name=JOBS)
    assert sorted(one.redelivered for one in delivered) == [False, False, True, True]


def test_wait_for_returns_a_recorded_message(mooq_broker: SyncBroker, service: Service) -> None:
    service.send("one")
    found = mooq_broker.wait_for(
        Event.PUBLISHED, routing_key=RESULTS, matching=lambda record: record.msg == "one done"
    )
    assert found.exchange_name == ""
    with pytest.raises(NotRecorded) as caught:
        mooq_broker.wait_for("rejected", queue_name=JOBS, timeout=0.01)
    assert str(caught.value).startswith(
        "waited 0.01 s for a message rejected with queue 'jobs'; recorded instead: "
    )
    assert "<published: 'one done' (exchange '', key 'results')>" in str(caught.value)
    with pytest.raises(ValueError, match="event must be one of 'published', 'unroutable'"):
        mooq_broker.wait_for("lost")


def test_dead_letter_is_recorded_when_it_arrives(mooq_broker: SyncBroker, service: Service) -> None:
    service.send("bad")
    mooq_broker.idle()
    with pika.BlockingConnection(pika.URLParameters(mooq_broker.url)) as connection:
        _, properties, _ = connection.channel().basic_get(DEAD, auto_ack=True)
    assert properties is not None, "nothing was dead-lettered"
    (dead,) = mooq_broker.recorded.dead_lettered
    assert (dead.queue_name, job_of(dead.msg)) == (JOBS, "bad")
    assert not mooq_broker.recorded.expired
