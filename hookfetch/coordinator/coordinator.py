"""One project's coordinator. Every event is stored with all that follows from it before it is
acknowledged; what is stored is then handed out by the outbox. It does no work on sources itself.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import structlog

from hookfetch.coordinator.execute import Execution
from hookfetch.coordinator.housekeeping import keep_house
from hookfetch.coordinator.loader import Loader
from hookfetch.coordinator.outbox import Outbox
from hookfetch.coordinator.recovery import recover
from hookfetch.coordinator.rest import Rest
from hookfetch.coordinator.view import StoredState
from hookfetch.core.codec import dump_question, dump_reply, load_event
from hookfetch.core.errors import Replaced, Temporary
from hookfetch.core.events import Event, Fact, SweptFact
from hookfetch.core.jobs import CalledOff, Progress, Reloaded, Reply
from hookfetch.core.moves import Patience
from hookfetch.core.observation import RefFact, is_swept
from hookfetch.core.operator_requests import PauseRequested, ResumeRequested
from hookfetch.core.ports import Bus, Message, Subscription
from hookfetch.core.state import RetryPolicy
from hookfetch.handlers import decide
from hookfetch.store import hooked, log, takeover
from hookfetch.store.database import Database
from hookfetch.upstreams.sweeps import Accept, Sweeping

_log = structlog.get_logger(__name__)

_PAUSE = 5.0  # seconds after a bug
_TOLD_WITHIN = 2.0  # seconds


class Coordinator:
    """Takes a project's events from the bus while it is the active one of its kind."""

    def __init__(
        self,
        *,
        project: str,
        database: Database,
        bus: Bus,
        loader: Loader,
        open_sweep: Callable[[Accept], AbstractAsyncContextManager[Sweeping]],
        retry: RetryPolicy,
        lease: float,
        clock: Callable[[], float],
        patience: Patience = Patience(),  # noqa: B008 (frozen)
    ) -> None:
        """`lease` is how many seconds a job may be with the workers before it is handed out again."""
        self._project = project
        self._database = database
        self._bus = bus
        self._loader = loader
        self._retry = retry
        self._patience = patience
        self._clock = clock
        self._outbox = Outbox(project=project, database=database, bus=bus, loader=loader, clock=clock)
        self._lease = lease
        self._open_sweep = open_sweep
        self._rest = Rest()
        self._sweep: Sweeping | None = None
        self._log_id = ""
        self._epoch = 0
        self._subscription: Subscription | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def epoch(self) -> int:
        """Return the epoch that this coordinator began last, 0 while it only stands by."""
        return self._epoch

    async def start(self) -> None:
        """Open the store and consume; ConfigurationError when the store cannot be used."""
        await self._database.open()
        if not self._bus.outlives_process:
            await self._database.run(_republish_all)
            await self._outbox.publish_entries()
            await self._loader.restore_bindings()
        self._subscription = await self._bus.coordinate(
            self._project, self._on_message, self._activate, self._stand_by
        )

    async def stop(self) -> None:
        """Leave: what is being handled is finished, what is stored waits for the next start."""
        if self._subscription is not None:
            await self._subscription.cancel()
        await self._end_tasks()
        await self._database.close()

    async def _end_tasks(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def accept(self, facts: Sequence[SweptFact]) -> None:
        """Handle what the sweep found, as if a forge had sent it."""
        for fact in facts:
            await self._handle(fact)

    async def _activate(self) -> None:
        """Start an epoch, the first or after the connection to the broker was lost: results of earlier
        ones are stale, so their jobs run again. A standby has loaded nothing before this."""
        await self._stand_by()
        self._log_id, epoch = await recover(self._project, self._database, self._bus, self._clock)
        self._outbox.epoch = epoch
        self._loader.log_id = self._log_id
        await self._rest.read(self._database)
        await self._loader.attempt()
        self._epoch = epoch
        _log.info("coordinating", project=self._project, epoch=epoch)
        keep = partial(keep_house, self._database, self._lease, self._clock, self._outbox.wake)
        self._tasks = [
            asyncio.create_task(_for_ever(work))
            for work in (self._keep_loaded, self._keep_sweeping, self._outbox.run, keep)
        ]

    async def _stand_by(self) -> None:
        """Work no more: the bus says that another coordinator is, or may be, the active one."""
        if self._epoch:
            _log.info("standing by", project=self._project, epoch=self._epoch)
        self._epoch = 0
        await self._end_tasks()

    async def _keep_loaded(self) -> None:
        await self._loader.keep(self._on_loaded)

    def _on_loaded(self) -> None:
        self._outbox.wake()
        if self._sweep is not None:
            self._sweep.refresh()

    async def _keep_sweeping(self) -> None:
        await self._loader.ready.wait()
        while True:  # until this task is cancelled
            rested = self._rest.paused
            await self._rest.until(False)
            async with self._open_sweep(self.accept) as self._sweep:
                try:
                    self._sweep.refresh()
                    if rested:
                        self._sweep.ask_all_now()
                    await self._rest.until(True)
                finally:
                    self._sweep = None

    async def _on_message(self, message: Message) -> None:
        await self._handle(load_event(message.body))

    async def _handle(self, event: Event) -> None:
        execution = await self._database.run(partial(self._decide_and_store, event=event))
        if execution is None:
            return
        if isinstance(event, PauseRequested | ResumeRequested):
            await self._rest.read(self._database)
            # An order that was answered outlives this coordinator and its disk, if the bus is there at all.
            if not await self._outbox.empty(_TOLD_WITHIN):
                _log.warning("pause not published yet", project=self._project, delivery_id=execution.cause)
        self._outbox.wake()
        if (reload := execution.reload) is not None:
            await self._reload(execution.cause, event.id, reload.reply_to)
        if execution.called_off:
            await self._call_off(CalledOff(id=event.id, epoch=self._epoch, attempts=execution.called_off))
        for each in execution.answers:
            await self._send(each.reply_to, each.reply.request_id, each.reply)
        for reply_to, progress in execution.told:
            await self._send(reply_to, f"{event.id}/{progress.job_id}", progress)

    def _decide_and_store(self, db: sqlite3.Connection, event: Event) -> Execution | None:
        now = self._clock()
        cause = event.delivery_id if isinstance(event, Fact) else event.id
        if not log.note(db, event.id, cause, event.type, now):
            _log.info("repeated", delivery_id=cause, event_id=event.id)
            return None
        if isinstance(event, RefFact) and not is_swept(event):
            hooked.tell(db, event, now)
        state = StoredState(
            db=db,
            now=now,
            index=self._loader.index,
            own=self._loader.own,
            unhealthy=self._loader.unhealthy,
            epoch=self._epoch,
            retry=self._retry,
            patience=self._patience,
            policy=self._loader.policy,
            supplied_rules=self._loader.supplied_rules,
            aliases=self._loader.aliases,
        )
        commands = decide(event, state)
        execution = Execution(
            db=db,
            project=self._project,
            log_id=self._log_id,
            event_id=event.id,
            cause=cause,
            now=now,
            policy=self._loader.policy,
            index=self._loader.index,
        )
        execution.run(commands)
        _log.info(
            "handled",
            delivery_id=cause,
            event_type=event.type,
            project=self._project,
            follows=[f"{type(command).__name__} {_subject(command)}".strip() for command in commands],
        )
        return execution

    async def _call_off(self, called_off: CalledOff) -> None:
        try:
            await self._bus.publish_question(Message(id=called_off.id, body=dump_question(called_off)))
        except Temporary as error:
            # A worker that does not hear it, for this or because the process ends here, works on for
            # nothing: what it says of the attempt is stale.
            _log.warning("not called off", jobs=list(called_off.attempts), reason=str(error))

    async def _reload(self, cause: str, request_id: str, reply_to: str | None) -> None:
        if reply_to is None:
            self._loader.reload(cause)
        elif not self._loader.reload(cause, partial(self._reloaded, request_id, reply_to)):
            reason = f"as many as may wait for {self._project} to be loaded already"
            reply = Reply(request_id=request_id, outcome="unavailable", element="", reason=reason)
            await self._send(reply_to, request_id, reply)

    async def _reloaded(self, request_id: str, reply_to: str, loaded: Reloaded | str) -> None:
        """Tell a client what a load found, or why the branch does not load."""
        if isinstance(loaded, str):
            reply = Reply(request_id=request_id, outcome="failed", element="", reason=loaded)
        else:
            reply = Reply(request_id=request_id, outcome="reloaded", element="", reloaded=loaded)
        await self._send(reply_to, request_id, reply)

    async def _send(self, reply_to: str, message_id: str, told: Reply | Progress) -> None:
        try:
            await self._bus.publish_reply(reply_to, Message(id=message_id, body=dump_reply(told)))
        except Temporary as error:  # the client's own deadline ends its wait; asking again is harmless
            _log.warning("reply lost", request_id=message_id, reason=str(error))


async def _for_ever(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `work`, which ends by itself only when another coordinator has taken over; a bug in it is
    logged, and it begins anew."""
    while True:
        try:
            await work()
        except Replaced as error:
            _log.warning("work ended", work=str(work), reason=str(error))
            return
        except Exception:  # noqa: BLE001 (logged; the coordinator would stand still without it)
            _log.exception("began anew", work=str(work))
        await asyncio.sleep(_PAUSE)


def _republish_all(db: sqlite3.Connection) -> None:
    takeover.begin_new_log_if_restored(db)
    log.unpublish_all(db)


def _subject(command: object) -> str:
    for name in ("element", "job_id", "reason"):
        value = getattr(command, name, None)
        if value is not None:
            return str(value)
    return ""
