"""Failover between the nodes of a broker, the same for every broker."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque

from mooq.basics.address import Address
from mooq.errors import BrokerConnectionError
from mooq.transports.base import Transport


class NodesTransport(Transport):
    """A connection to the first of the given nodes that accepts it."""

    def __init__(self, *nodes: Address) -> None:
        super().__init__()
        self._nodes = deque(nodes)  # the first is the current node, or the next to try
        self._was_open = False

    @property
    def address(self) -> Address:
        return self._nodes[0]

    async def open(self, timeout: float) -> None:
        """Try each node once, the most recently lost one last.

        That node may need seconds to boot, or may not answer until the timeout. An error that is
        not transient ends the search, because nodes share users and virtual hosts.
        """
        if self._was_open:
            self._was_open = False
            self._nodes.rotate(-1)
        errors = []
        for _ in range(len(self._nodes)):
            try:
                await self._open(timeout)
            except BrokerConnectionError as error:
                if not error.transient or len(self._nodes) == 1:
                    raise
                errors.append(error)
                self._nodes.rotate(-1)
            else:
                self._was_open = True
                return
        raise BrokerConnectionError(
            f"cannot connect to any of {len(errors)} nodes: {'; '.join(map(str, errors))}"
        ) from errors[-1]

    @abstractmethod
    async def _open(self, timeout: float) -> None:
        """Connect to the node at ``address`` within ``timeout`` seconds, or raise."""
