"""Carrying out a plan of faults: who is hit, and how."""

import asyncio
import contextlib
import signal
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from tests.faults.disk import SmallDisk
from tests.faults.plan import LEADER, Fault
from tests.faults.processes import Member
from tests.support.broker import PrivateBroker
from tests.support.cluster import PrivateCluster

Say = Callable[[str], None]


class Hits:
    """Hits `members`, the nodes of `broker` (the leader of `queue` among them) and `disks`. `counts` says
    how often each target was hit."""

    def __init__(
        self,
        members: Sequence[Member],
        broker: PrivateBroker | PrivateCluster,
        queue: str,
        disks: Mapping[str, SmallDisk],
        say: Say,
    ) -> None:
        self._members = members
        self._cluster = broker if isinstance(broker, PrivateCluster) else None
        self._nodes = broker.nodes if isinstance(broker, PrivateCluster) else [broker]
        self._queue = queue
        self._disks = disks
        self._say = say
        self.counts: Counter[str] = Counter()

    async def carry_out(self, faults: Sequence[Fault]) -> None:
        """Return when all are over. While a disk is full the plan goes on."""
        async with asyncio.TaskGroup() as tasks:
            for number, fault in enumerate(faults, 1):
                await asyncio.sleep(fault.seconds)
                self._say(f"{number:3d}  {fault.kind} {fault.target} for {fault.lasting:.1f} s")
                if fault.kind == "fill":
                    tasks.create_task(self._disks[fault.target].fill(fault.lasting))
                else:
                    await self._hit(fault)
                self.counts[f"{fault.kind} {fault.target}"] += 1

    async def _hit(self, fault: Fault) -> None:
        if fault.target in {"broker", LEADER}:
            await self._hit_node(await self._node(fault), fault)
        elif fault.target in {"engine", "casd"}:
            self._hit_child(fault)
        else:
            several = [member for member in self._members if member.role == fault.target]
            member = several[fault.which % len(several)]
            await (member.freeze(fault.lasting) if fault.kind == "freeze" else member.kill(fault.lasting))

    async def _node(self, fault: Fault) -> PrivateBroker:
        if fault.target == LEADER and self._cluster is not None:
            try:
                return await asyncio.to_thread(self._cluster.leader_of, self._queue)
            except LookupError as error:
                self._say(f"     {error}: any node instead")
        return self._nodes[fault.which % len(self._nodes)]

    async def _hit_node(self, node: PrivateBroker, fault: Fault) -> None:
        if fault.kind == "freeze":
            node.freeze()
            try:
                await asyncio.sleep(fault.lasting)
            finally:
                node.thaw()
            return
        node.kill()
        await asyncio.sleep(fault.lasting)
        node.launch()  # from this, the main thread
        await asyncio.to_thread(node.wait_until_ready)

    def _hit_child(self, fault: Fault) -> None:
        word = {"engine": "hookfetch.engine", "casd": "buildbox-casd"}[fault.target]
        workers = [member for member in self._members if member.role == "worker"]
        found = [child for worker in workers for child in worker.children(word)]
        if found:  # there is none between a worker's start and its first job
            with contextlib.suppress(ProcessLookupError):
                found[fault.which % len(found)].send_signal(signal.SIGKILL)
