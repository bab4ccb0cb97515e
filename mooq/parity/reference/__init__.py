"""Programs written by hand, one for each rule of RabbitMQ's that users of mooq meet.

What each RabbitMQ made of them is kept in ``recorded/``; a program that hypothesis found, shrunk,
belongs here too.
"""

from mooq.parity.reference import deliveries, failures, routing
from mooq.parity.reference.program import ReferenceProgram

__all__ = ["REFERENCE_PROGRAMS", "ReferenceProgram"]

REFERENCE_PROGRAMS = (
    *deliveries.REFERENCE_PROGRAMS,
    *failures.REFERENCE_PROGRAMS,
    *routing.REFERENCE_PROGRAMS,
)
"""The programs, by the names of their records."""
