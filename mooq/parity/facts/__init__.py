"""Programs written by hand, one for each rule of RabbitMQ's that users of mooq meet.

What each RabbitMQ made of them is kept in ``recorded/``; a program that hypothesis found, shrunk,
belongs here too.
"""

from mooq.parity.facts import delivering, failing, routing
from mooq.parity.facts.fact import Fact

__all__ = ["FACTS", "Fact"]

FACTS = (*delivering.FACTS, *failing.FACTS, *routing.FACTS)
"""The programs, by the names of their records."""
