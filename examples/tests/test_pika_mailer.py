"""Tests of a blocking service, on both brokers: plain functions, no event loop."""

import threading

import pika
import pytest
from pika_mailer import Mailer, post


@pytest.fixture
def sent():
    return []


@pytest.fixture
def mailer(mooq_broker, sent):
    mailer = Mailer(mooq_broker.url, sent.append)
    thread = threading.Thread(target=mailer.run)
    thread.start()
    yield mailer
    mailer.stop()
    thread.join()


def test_mail_is_sent_and_acknowledged(mooq_broker, mailer, sent):
    post(mooq_broker.url, "Hello!")
    mooq_broker.idle()
    assert sent == ["Hello!"] == mooq_broker.recorded.acknowledged.msgs


def test_mail_is_retried(mooq_broker, mailer, sent, monkeypatch):
    attempts = []

    def fail_once(text):
        attempts.append(text)
        if len(attempts) == 1:
            raise OSError("the mail server is busy")

    monkeypatch.setattr(mailer, "_send", fail_once)
    post(mooq_broker.url, "Hello!")
    mooq_broker.idle()
    assert attempts == ["Hello!", "Hello!"]
    assert [one.redelivered for one in mooq_broker.recorded.delivered] == [False, True]


def test_a_refused_queue_raises_for_the_sender(mooq_faults, mooq_broker):
    mooq_faults.refuse("queue.declare", 403, "ACCESS_REFUSED - read only")
    with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="read only"):
        post(mooq_broker.url, "Hello!")
