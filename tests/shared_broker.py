"""Skipping of tests that need software which a machine may lack."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

from mooq.testing.server import Missing as MissingError

__all__ = ["READY_TIMEOUT", "MissingError", "leave_out"]

READY_TIMEOUT = 150.0  # seconds for RabbitMQ to boot


def leave_out(reason: str) -> NoReturn:
    """Skip a test that needs missing software; fail it if RabbitMQ is required."""
    if os.environ.get("MOOQ_REQUIRE_RABBITMQ") == "1":
        pytest.fail(f"MOOQ_REQUIRE_RABBITMQ is set, but {reason}", pytrace=False)
    pytest.skip(reason)
