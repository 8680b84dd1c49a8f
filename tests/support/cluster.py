"""A private RabbitMQ of several nodes, each to be killed and started again. Like the single broker it is on
127.0.0.1 only, and gone afterwards."""

import contextlib
import subprocess
from types import TracebackType

from tests.support.broker import PrivateBroker, ensure_installed
from tests.support.erlang import PortMapper


class PrivateCluster:
    """Nodes that have found each other; entering starts them (about 20 s for three), leaving ends all."""

    def __init__(self, size: int = 3) -> None:
        self._stack = contextlib.ExitStack()
        self._mapper = PortMapper()
        self.nodes = [PrivateBroker(mapper=self._mapper) for _ in range(size)]
        self.url = f"amqp://guest:guest@{','.join(node.place for node in self.nodes)}/"
        # A node that sees fewer than half of the others stops serving; a frozen one is missed after 5 s.
        settings = (
            "cluster_formation.peer_discovery_backend = classic_config\n"
            "cluster_formation.discovery_retry_limit = 1\ncluster_formation.discovery_retry_interval = 100\n"
            "cluster_formation.randomized_startup_delay_range.min = 0\n"
            "cluster_formation.randomized_startup_delay_range.max = 1\n"
            "cluster_partition_handling = pause_minority\nnet_ticktime = 5\n"
        )
        for number, node in enumerate(self.nodes, 1):
            settings += f"cluster_formation.classic_config.nodes.{number} = {node.name}\n"
        for node in self.nodes:
            node.settings = settings

    def __enter__(self) -> "PrivateCluster":
        ensure_installed()
        try:
            self._stack.enter_context(self._mapper)
            for node in self.nodes:  # one after the other: each joins those that are there
                self._stack.enter_context(node)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def leader_of(self, queue: str) -> PrivateBroker:
        """Return the node that leads `queue`, as the first node that answers says; LookupError when none
        does, or the queue has no leader now."""
        for node in self.nodes:
            with contextlib.suppress(subprocess.SubprocessError):
                rows = node.ctl("list_queues", "--no-table-headers", "--local", "name", "leader").splitlines()
                leaders = dict(row.split("\t") for row in rows)
                for each in self.nodes:
                    if leaders.get(queue) == each.name:
                        return each
        raise LookupError(f"{queue} has no leader")
