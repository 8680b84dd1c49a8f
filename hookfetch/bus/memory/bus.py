"""The bus of one process: asyncio, no broker. Facts, events and jobs stay their senders' until they
are handled or queued; only dead letters are on disk. It never serves another process."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

from hookfetch.bus.attempts import Backoff
from hookfetch.bus.consumer import Consumers
from hookfetch.bus.dead_letters import DeadLetterFolder
from hookfetch.bus.memory.inbox import MemoryInbox
from hookfetch.bus.memory.jobs import JobQueue, Worker
from hookfetch.bus.memory.lane import Coordinator, Lane
from hookfetch.bus.memory.log import Follower, LogWindow
from hookfetch.bus.memory.replays import Replays
from hookfetch.core.errors import Temporary
from hookfetch.core.jobs import Priority
from hookfetch.core.ports import DeadLetter, Handler, Inbox, Judge, Message, Subscription


class MemoryBus:
    """An in-process `Bus`; it satisfies the Protocol, and adds what follows.

    `dead_letters` is the folder of the dead letters. `log_limit` bounds the log, `job_limit` the
    waiting jobs of each priority. A sender of facts or events waits at most `patience` seconds for
    the consumer, which is more than all attempts with their pauses take.
    """

    def __init__(
        self,
        dead_letters: Path,
        *,
        log_limit: int = 100_000,
        job_limit: int = 10_000,
        patience: float = 300.0,
        backoff: Backoff | None = None,
    ) -> None:
        self._folder = DeadLetterFolder(dead_letters)
        self._backoff = backoff or Backoff()
        self._patience = patience
        self._log = LogWindow(log_limit)
        self._jobs = JobQueue(job_limit)
        self._lanes: dict[str, Lane] = {}
        self._bindings: dict[str, frozenset[str]] = {}
        self._inboxes: dict[str, MemoryInbox] = {}
        self._listeners: list[MemoryInbox] = []
        self._watched: dict[str, Replays] = {}
        self._consumers = Consumers()

    @property
    def outlives_process(self) -> bool:
        """Return False: the log ends with this process."""
        return False

    async def start(self) -> None:
        """Return: there is nothing to connect to."""

    async def close(self) -> None:
        """Cancel every consumer; running handlers are waited for."""
        await self._consumers.cancel()

    async def publish_fact(self, keys: Sequence[str], message: Message) -> None:
        """Return once every project bound to any of `keys` has handled the fact; Temporary when one
        of them did not (the others have, and a repeat changes nothing there)."""
        wanted = frozenset(keys)
        projects = [project for project, bound in self._bindings.items() if bound & wanted]
        sent = await asyncio.gather(
            *(self._lane(project).send(message) for project in projects), return_exceptions=True
        )
        for result in sent:
            if isinstance(result, BaseException):
                raise result

    async def publish_event(self, project: str, message: Message) -> None:
        """Return once the project's coordinator has handled the event; Temporary without one."""
        await self._lane(project).send(message)

    async def publish_job(self, project: str, priority: Priority, message: Message) -> None:
        """Return once the job is queued; Busy when too many wait."""
        await self._jobs.put(project, priority, Message(id=message.id, body=message.body))

    async def publish_entry(self, message: Message) -> None:
        """Append to the log, which forgets its oldest entry when it is full."""
        self._log.append(message)

    async def publish_reply(self, address: str, message: Message) -> None:
        """Return once the reply is queued; Busy when too many wait."""
        inbox = self._inboxes.get(address)
        if inbox is not None and not inbox.ended:
            inbox.put(message)

    async def publish_question(self, message: Message) -> None:
        """Return once everyone who answers has the question; Busy when too many wait with one of them."""
        for listener in self._listeners:
            if not listener.ended:
                listener.put(message)

    async def bury(self, letter: DeadLetter) -> None:
        """Return once the letter is on disk; Temporary when the folder is full or refuses."""
        await asyncio.to_thread(self._folder.add, letter)

    async def dead_letters(self) -> list[DeadLetter]:
        """Return the dead letters, oldest first."""
        return await asyncio.to_thread(self._folder.letters)

    async def exhume(self, letter_id: str) -> DeadLetter | None:
        """Remove the oldest dead letter of this id and return it, or None."""
        return await asyncio.to_thread(self._folder.take, letter_id)

    async def bind(self, project: str, keys: frozenset[str], *, keep: bool = False) -> None:
        """Make `keys` exactly the keys whose facts reach `project`, or, with `keep`, add them to those."""
        self._bindings[project] = keys | self._bindings.get(project, frozenset()) if keep else keys

    async def coordinate(
        self,
        project: str,
        handler: Handler,
        on_active: Callable[[], Awaitable[None]],
        on_passive: Callable[[], Awaitable[None]] | None = None,
    ) -> Subscription:
        """Consume a project's facts and events, or stand by while another coordinator does."""
        coordinator = Coordinator(self._lane(project), handler, on_active, on_passive)
        self._consumers.add(coordinator)
        self._replays(project)
        return coordinator

    async def recover(
        self,
        project: str,
        mark: Message,
        since: float | None,  # noqa: ARG002 (nothing is saved by it here)
    ) -> AsyncIterator[Message]:
        """Append `mark` and yield the project's records before it, all that are kept: it is known here
        who is the active one, since it asks."""
        records = self._log.records(f"{project}/")
        self._log.append(mark)
        for record in records:
            yield record

    async def work(self, handler: Handler, concurrency: int) -> Subscription:
        """Consume jobs, interactive ones first, at most `concurrency` at once."""
        worker = Worker(self._jobs, handler, concurrency, self.bury, self._backoff)
        self._consumers.add(worker)
        return worker

    async def follow(self, handler: Handler) -> Subscription:
        """Read the log from its first kept entry, then as it grows."""
        follower = Follower(self._log, handler, self._backoff)
        self._consumers.add(follower)
        return follower

    async def inbox(self, handler: Handler) -> Inbox:
        """Open an address for replies; at most 1000 wait."""
        inbox = MemoryInbox(f"inbox-{uuid.uuid4()}", handler)
        self._inboxes = {known.address: known for known in self._inboxes.values() if not known.ended}
        self._inboxes[inbox.address] = inbox
        self._consumers.add(inbox)
        return inbox

    async def answer(self, handler: Handler) -> Subscription:
        """Hear every question from now on; at most 1000 wait."""
        listener = MemoryInbox(f"questions-{uuid.uuid4()}", handler)
        self._listeners = [*(known for known in self._listeners if not known.ended), listener]
        self._consumers.add(listener)
        return listener

    async def sift(self, judge: Judge) -> None:
        """Ask `judge` about each dead letter, oldest first, until it says `stop`."""
        for letter in await asyncio.to_thread(self._folder.letters):
            verdict = await judge(letter)
            if verdict == "stop":
                return
            if verdict == "remove":
                await asyncio.to_thread(self._folder.sift, letter)

    async def revive(self, letter: DeadLetter) -> None:
        """Mark an event's letter durably; whoever runs its project takes it up within about a second."""
        if not letter.origin.startswith("project:"):
            raise Temporary(f"{letter.id}: in one process a {letter.origin} does not go through the bus")
        await asyncio.to_thread(self._folder.replay, letter)

    def _replays(self, project: str) -> None:
        known = self._watched.get(project)
        if known is None or known.ended:
            self._watched[project] = Replays(self._folder, self._lane(project))
            self._consumers.add(self._watched[project])

    def _lane(self, project: str) -> Lane:
        lane = self._lanes.get(project)
        if lane is None:
            lane = self._lanes[project] = Lane(project, self.bury, self._backoff, self._patience)
        return lane
