"""Hand-written programs, one for each rule of RabbitMQ that matters to users of mooq.

Their traces on RabbitMQ are in ``recorded/``. Add shrunk programs that Hypothesis found here too.
"""

from mooq.parity.reference import deliveries, failures, routing
from mooq.parity.reference.program import ReferenceProgram

__all__ = ["REFERENCE_PROGRAMS", "ReferenceProgram"]

REFERENCE_PROGRAMS = (
    *deliveries.REFERENCE_PROGRAMS,
    *failures.REFERENCE_PROGRAMS,
    *routing.REFERENCE_PROGRAMS,
)
"""All programs; their names are those of the files in ``recorded/``."""
