"""Tests of Celery tasks, on both brokers."""

import gc
import warnings

import pytest
from celery.contrib.testing.worker import start_worker
from celery_tasks import application


@pytest.fixture
def app(mooq_broker):
    app = application(mooq_broker.url)
    app.conf.broker_heartbeat = 1  # otherwise a worker in a thread ends 10 s late
    yield app
    app.close()
    with warnings.catch_warnings():  # Celery leaves sockets to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_task_is_queued(mooq_broker, app):
    app.tasks["total"].delay([1, 2])
    queued = mooq_broker.wait_for("published", routing_key="celery")
    assert queued.headers["task"] == "total"
    assert queued.msg[0] == [[1, 2]]


def test_task_is_done(mooq_broker, app):
    with start_worker(app, perform_ping_check=False, shutdown_timeout=30):
        assert app.tasks["total"].delay([1, 2]).get(timeout=30) == 3
        mooq_broker.idle()
    assert mooq_broker.recorded.acknowledged.where(queue_name="celery")
