"""Celery with the test's broker as broker and result backend."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, chain

from mooq.testing.broker import Broker
from tests.integration.celery_worker import collect_sockets, worker_of
from tests.integration.inbox import LONGEST_WAIT

SHOP = """
import os
from celery import Celery

app = Celery("shop", broker=os.environ["BROKER"], backend="rpc://")
app.conf.worker_prefetch_multiplier = 1

@app.task
def process_id():
    return os.getpid()
"""


@pytest.fixture(autouse=True)
def sockets_left_by_celery() -> Iterator[None]:
    """Collect Celery's sockets when the test no longer refers to them."""
    yield
    collect_sockets()


@contextmanager
def working(broker: Broker) -> Iterator[tuple[Celery, dict[str, Any]]]:
    """Run a worker in a thread; yield the application and its tasks by name."""
    app = Celery("shop", broker=broker.url, backend="rpc://", set_as_current=False)
    attempts: list[int] = []

    @app.task(shared=False)
    def add(x: int, y: int) -> int:
        return x + y

    @app.task(bind=True, max_retries=3, shared=False)
    def fail_twice(self: Any, answer: str) -> str:
        attempts.append(self.request.retries)
        if len(attempts) < 3:
            raise self.retry(countdown=0.05)
        return answer

    tasks = {"add": add, "fail_twice": fail_twice, "attempts": attempts}
    with worker_of(app):
        yield app, tasks


def test_chained_tasks_pass_on_their_results(mooq_broker: Broker) -> None:
    with working(mooq_broker) as (_, tasks):
        add = tasks["add"]
        steps = chain(add.s(1, 2), add.s(10), add.s(100))
        assert steps().get(timeout=LONGEST_WAIT) == 113


def test_failed_celery_task_is_retried(mooq_broker: Broker) -> None:
    with working(mooq_broker) as (_, tasks):
        assert tasks["fail_twice"].delay("done").get(timeout=LONGEST_WAIT) == "done"
        assert tasks["attempts"] == [0, 1, 2]


def test_task_with_a_countdown_is_delayed(mooq_broker: Broker) -> None:
    with working(mooq_broker) as (_, tasks):
        later = tasks["add"].apply_async((2, 3), countdown=0.1, expires=60, priority=5)
        assert later.get(timeout=LONGEST_WAIT) == 5


def test_worker_answers_remote_control(mooq_broker: Broker) -> None:
    with working(mooq_broker) as (app, _):
        (answer,) = app.control.ping(timeout=LONGEST_WAIT, limit=1)
        assert list(answer.values()) == [{"ok": "pong"}]


@pytest.mark.skipif(sys.platform == "win32", reason="Celery's prefork pool does not run there")
def test_prefork_worker_does_tasks_in_a_child(
    mooq_broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    monkeypatch.setenv("BROKER", mooq_broker.url)
    monkeypatch.setenv("C_FORCE_ROOT", "1")
    command = ["celery", "-A", "shop", "worker", "--pool=prefork", "--concurrency=1"]
    options = ["--without-mingle", "--without-gossip", "--loglevel=ERROR"]
    app = Celery("client", broker=mooq_broker.url, backend="rpc://", set_as_current=False)
    with subprocess.Popen([sys.executable, "-m", *command, *options], cwd=tmp_path) as worker:
        try:
            done_by = app.send_task("shop.process_id").get(timeout=LONGEST_WAIT)
        finally:
            worker.terminate()
    app.close()
    assert done_by != worker.pid
