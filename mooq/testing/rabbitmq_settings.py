"""Settings of a run's RabbitMQ, as its owner needs them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mooq.basics.address import Address

MANAGEMENT_PORT = 15672
UNIT = "rabbitmq.service"
LAUNCHED_TIMEOUT = 60.0  # seconds for a RabbitMQ that is started


class RabbitMQSettings(NamedTuple):
    """A launcher, or the address of a RabbitMQ that runs already."""

    launcher: str = "docker"
    is_launcher_named: bool = False
    address: Address | None = None
    management: tuple[str, int] | None = None
    images: tuple[str, ...] = ()
    unit: str = UNIT
    timeout: float = LAUNCHED_TIMEOUT

    def __str__(self) -> str:
        if self.address is not None:
            return f"RabbitMQ at {self.address}"
        if self.launcher == "docker":
            return f"RabbitMQ by docker, image {' or '.join(self.images)}"
        return f"RabbitMQ by {self.launcher}"

    def written(self) -> str:
        """Return the settings as a line, with the password that they may hold."""
        url = None if self.address is None else str.__str__(self.address.url)
        return json.dumps(self._replace(address=None)._asdict() | {"address": url})

    @classmethod
    def read(cls, line: str) -> RabbitMQSettings:
        """Return the settings that a line holds."""
        from mooq.basics.address import Address  # waits, since pytest loads this file in every run

        fields = json.loads(line)
        address, management = fields["address"], fields["management"]
        return cls(
            **fields
            | {
                "address": None if address is None else Address.from_url(address),
                "management": None if management is None else tuple(management),
                "images": tuple(fields["images"]),
            }
        )
