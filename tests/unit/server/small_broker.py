# mypy: ignore-errors
# ruff: noqa
"""A minimal broker with queues, for tests that do not depend on RabbitMQ's rules."""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace as NS
from typing import Any

from mooq.broker import effects, refusals
from mooq.broker.message import Message


class SmallBroker:
    def __init__(self, version="4.0", max_message_size=16777216):
        self.version = version
        self.cluster_name = "rabbit@localhost"
        self.max_message_size = max_message_size
        self.users = {"guest": "guest"}
        self.has_alarm = False
        self.outbox: deque = deque()
        self.queues: dict[str, Queue] = {}
        self.now = 0.0
        self.on_schedule = None
        self.connections = []

    def authenticate(self, u, p):
        if self.users.get(u) != p:
            raise refusals.login_refused()

    def open(self, user, vhost):
        if vhost != "/":
            raise refusals.no_virtual_host(vhost)
        c = Connection(self)
        self.connections.append(c)
        return c

    def advance(self, now):
        self.now = now

    def next_deadline(self):
        return None


class Queue:
    def __init__(self):
        self.ready = deque()
        self.consumers = deque()


class Connection:
    def __init__(self, broker):
        self.broker = broker
        self.effect_handler: Any = None
        self.channels = {}
        self.paused = False

    def channel(self, n):
        c = self.channels[n] = Channel(self)
        return c

    def close(self):
        for c in list(self.channels.values()):
            c.close()
        self.broker.connections.remove(self)

    def pause(self):
        self.paused = True

    def resume(self):
        self.paused = False
        for q in self.broker.queues.values():
            self.broker.connections[0].channels[1].pump(q) if self.broker.connections else None

    def content_header_arrived(self):
        if self.broker.has_alarm:
            self.broker.outbox.append(effects.Blocked(self, "low on memory"))
        return self.broker.has_alarm


class Channel:
    def __init__(self, connection):
        self.connection = connection
        self.broker = connection.broker
        self.effect_handler: Any = None
        self.confirms = 0
        self.selected = False
        self.tag = 0
        self.unacked = {}
        self.prefetch = 0
        self.n = 0

    def queue_declare(self, name, **kw):
        name = name or "amq.gen-" + "x" * 22
        q = self.broker.queues.get(name)
        if q is None:
            if kw["passive"]:
                raise refusals.no_queue(name, "/")
            q = self.broker.queues[name] = Queue()
        return NS(name=name, message_count=len(q.ready), consumer_count=len(q.consumers))

    def queue_delete(self, name, **kw):
        q = self.broker.queues.pop(name, None)
        if q:
            for c in q.consumers:
                self.broker.outbox.append(effects.ConsumerCancelled(c.channel, c.tag))
        return len(q.ready) if q else 0

    def queue_purge(self, name):
        q = self.broker.queues[name]
        n = len(q.ready)
        q.ready.clear()
        return n

    def channel_flow(self, active): ...

    def confirm_select(self):
        self.selected = True

    def exchange_declare(self, *a, **kw): ...
    def queue_bind(self, *a, **kw): ...
    def basic_qos(self, size, count, is_global):
        self.prefetch = count

    def basic_publish(self, exchange, key, mandatory, immediate, properties, body):
        if exchange and exchange != "x":
            raise refusals.no_exchange(exchange, "/")
        q = self.broker.queues.get(key)
        m = Message(body, exchange, key, properties)
        if q is not None:
            q.ready.append((m, False))
            self.pump(q)
        elif mandatory:
            self.broker.outbox.append(effects.Returned(self, 312, "NO_ROUTE", m))
        if self.selected:
            self.confirms += 1
            self.broker.outbox.append(effects.Confirmed(self, self.confirms, False, True))

    def pump(self, q):
        while q.ready:
            for _ in range(len(q.consumers)):
                c = q.consumers[0]
                q.consumers.rotate(-1)
                ch = c.channel
                if ch.connection.paused or (c.limit and c.n >= c.limit):
                    continue
                m, r = q.ready.popleft()
                ch.tag += 1
                if not c.no_ack:
                    ch.unacked[ch.tag] = (q, m, c)
                    c.n += 1
                self.broker.outbox.append(effects.Delivered(ch, c.tag, ch.tag, r, m))
                break
            else:
                return

    def basic_consume(self, queue, tag, *, no_local, no_ack, exclusive, arguments):
        q = self.broker.queues.get(queue)
        if q is None:
            raise refusals.no_queue(queue, "/")
        tag = tag or "ctag-1"
        q.consumers.append(NS(channel=self, tag=tag, no_ack=no_ack, n=0, limit=self.prefetch))
        self.pump(q)
        return tag

    def basic_cancel(self, tag):
        for q in self.broker.queues.values():
            q.consumers = deque(c for c in q.consumers if (c.channel, c.tag) != (self, tag))

    def basic_get(self, queue, no_ack):
        q = self.broker.queues.get(queue)
        if q is None:
            raise refusals.no_queue(queue, "/")
        if not q.ready:
            return None
        m, r = q.ready.popleft()
        self.tag += 1
        if not no_ack:
            self.unacked[self.tag] = (q, m, None)
        return NS(delivery_tag=self.tag, redelivered=r, message=m, message_count=len(q.ready))

    def basic_ack(self, tag, multiple):
        if tag not in self.unacked:
            raise refusals.Refusal("PRECONDITION_FAILED", f"unknown delivery tag {tag}")
        for t in [t for t in self.unacked if t <= tag] if multiple else [tag]:
            q, _, c = self.unacked.pop(t)
            if c:
                c.n -= 1
        self.pump(q)

    def basic_reject(self, tag, requeue):
        q, m, c = self.unacked.pop(tag)
        if c:
            c.n -= 1
        if requeue:
            q.ready.appendleft((m, True))
        self.pump(q)

    def basic_nack(self, tag, multiple, requeue):
        self.basic_reject(tag, requeue)

    def close(self):
        self.connection.channels = {
            n: c for n, c in self.connection.channels.items() if c is not self
        }
        qs = set()
        for q in self.broker.queues.values():
            q.consumers = deque(c for c in q.consumers if c.channel is not self)
        for q, m, _ in reversed(list(self.unacked.values())):
            q.ready.appendleft((m, True))
            qs.add(q)
        self.unacked = {}
        for q in qs:
            self.pump(q)
