"""An ingress's deliveries for those who ask: list them, look at one, send one again.

It shows no header whose value proves who sent a delivery, and changes nothing but by a replay.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import Permanent
from hookfetch.core.kept import DeliveryFilter, DeliveryRecord, KeptDelivery
from hookfetch.spool.archive import Archive
from hookfetch.spool.book import DeliveryBook

LIST_MOST = 1000
# Deliveries on disk and not yet taken that a question looks at, the oldest ones.
WAITING_MOST = 1000

_SECRET_WORDS = ("authorization", "cookie", "password", "secret", "signature", "token", "api-key", "apikey")


class Relaying(Protocol):
    """The part of a relay that is asked."""

    def held(self) -> Sequence[Delivery]:
        """Return what was taken from the spool and is not done, oldest first."""

    @property
    def waits_for(self) -> str | None:
        """Return why deliveries wait: the bus's or the spool's last error; None while all is well."""


class Spool(Protocol):
    """The part of a spool that is asked."""

    async def append(self, delivery: Delivery) -> None:
        """Return once `delivery` is durable; Busy when it was not accepted."""

    async def waiting(self, limit: int) -> "Sequence[Delivery]":
        """Return deliveries not yet taken, as far as they are seen from here, oldest first; they stay."""


class Deliveries:
    """The deliveries of one ingress. It accepts into the first of `spools`, and has a relay for each.
    `clock` gives Unix seconds."""

    def __init__(
        self,
        spools: Sequence[Spool],
        archive: Archive,
        book: DeliveryBook,
        relays: Sequence[Relaying],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._spools = spools
        self._archive = archive
        self._book = book
        self._relays = relays
        self._clock = clock

    async def list(
        self, wanted: DeliveryFilter, limit: int, before: tuple[float, str] | None = None
    ) -> list[DeliveryRecord]:
        """Return at most `limit` (and `LIST_MOST`) deliveries, newest first.

        `before` goes on after a page: the `received_at` and `id` of its last record. Of the deliveries
        that wait, those on their way are listed and the `WAITING_MOST` oldest on disk. Temporary
        when the disk refuses.
        """
        limit = min(limit, LIST_MOST)
        waiting = [
            record
            for delivery in await self._waiting()
            if wanted.admits(record := self._record(delivery))
            and (before is None or (record.received_at, record.id) < before)
        ]
        kept = await self._book.records(wanted, limit, before)
        return _both(kept, waiting)[:limit]

    async def find(self, delivery_id: str) -> KeptDelivery | None:
        """Return the newest delivery of this id, or None when there is no record of it. Temporary
        when the disk refuses."""
        for delivery in reversed(await self._waiting()):
            if delivery.id == delivery_id:
                return _kept(self._record(delivery), delivery)
        record = await self._book.find(delivery_id)
        return None if record is None else _kept(record, await self._body(record))

    async def receptions(self, delivery_ids: Sequence[str], limit: int) -> Sequence[DeliveryRecord]:
        """Return each reception of these ids, oldest first; of more than `limit` the newest. Temporary when
        the disk refuses."""
        wanted = frozenset(delivery_ids)
        waiting = [self._record(each) for each in await self._waiting() if each.id in wanted]
        kept = await self._book.receptions(delivery_ids, limit)
        return _both(kept, waiting)[:limit][::-1]

    async def replay(self, delivery_id: str) -> str:
        """Send the newest delivery of this id the whole way again, under the returned new id, so that
        what knew the first takes it as another one. It is durable when this returns; asked twice, it is
        sent twice.

        Permanent when it is unknown here, waits still, or its body is no longer kept. Busy when the
        spool is full or away, Temporary when the disk refuses.
        """
        record = await self._book.find(delivery_id)
        if record is None:
            raise Permanent(f"{delivery_id}: no delivery of this id was relayed here")
        delivery = await self._body(record)
        if delivery is None:
            raise Permanent(f"{delivery_id}: its body is no longer kept: have the forge send it again")
        first = delivery_id.partition("~")[0]
        again = f"{first}~{await self._book.next_replay(first, self._clock())}"
        await self._spools[0].append(replace(delivery, id=again, received_at=self._clock()))
        return again

    async def _waiting(self) -> "Sequence[Delivery]":
        # The held ones last: what the relay takes meanwhile is then in both, and not in neither.
        stored = [each for spool in self._spools for each in await spool.waiting(WAITING_MOST)]
        held = [delivery for relay in self._relays for delivery in relay.held()]
        known = {(delivery.id, delivery.received_at) for delivery in held}
        return [*held, *(each for each in stored if (each.id, each.received_at) not in known)]

    async def _body(self, record: DeliveryRecord) -> Delivery | None:
        if record.place is None:
            return None
        found = await asyncio.to_thread(self._archive.read, record.place)
        # A file that someone put in the place of another holds another delivery.
        return found if found is not None and found.id == record.id else None

    def _record(self, delivery: Delivery) -> DeliveryRecord:
        return DeliveryRecord(
            id=delivery.id,
            hook=delivery.hook,
            received_at=delivery.received_at,
            relayed_at=None,
            bytes=len(delivery.body),
            outcome="waiting",
            reason=next((relay.waits_for for relay in self._relays if relay.waits_for), None),
        )


def shown_headers(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the headers that may be shown, with `(hidden)` for what proves who sent the delivery."""
    return tuple(
        (name, "(hidden)" if any(word in name for word in _SECRET_WORDS) else text)
        for name, text in sorted(headers.items())
    )


def _both(kept: Sequence[DeliveryRecord], waiting: Sequence[DeliveryRecord]) -> list[DeliveryRecord]:
    """Return records and what waits, newest first."""
    # Relayed between the two looks, it is in both; what it became is the newer answer.
    known = {(record.id, record.received_at) for record in kept}
    both = [*kept, *(record for record in waiting if (record.id, record.received_at) not in known)]
    return sorted(both, key=lambda record: (record.received_at, record.id), reverse=True)


def _kept(record: DeliveryRecord, delivery: Delivery | None) -> KeptDelivery:
    if delivery is None:
        return KeptDelivery(record=record, headers=None, body=None)
    return KeptDelivery(record=record, headers=shown_headers(delivery.headers), body=delivery.body)
