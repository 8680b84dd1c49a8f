"""What an ingress answers to questions about the deliveries that it accepted."""

from collections.abc import Sequence
from typing import Protocol

from hookfetch.core.codec import Asked, dump_answer, load_question
from hookfetch.core.delivery_questions import (
    RECEPTIONS_MOST,
    REPLAYS_MOST,
    Accepted,
    DeliveriesAsked,
    DeliveryAnswer,
    ReplayAsked,
    Replayed,
)
from hookfetch.core.errors import HookfetchError, Temporary
from hookfetch.core.jobs import CalledOff
from hookfetch.core.kept import DeliveryFilter, DeliveryRecord
from hookfetch.core.ports import Bus, Message, Subscription
from hookfetch.core.questions import PAGE_MOST, StoryAsked


class Kept(Protocol):
    """An ingress's deliveries; see `server.deliveries`."""

    async def list(
        self, wanted: DeliveryFilter, limit: int, before: tuple[float, str] | None = None
    ) -> Sequence[DeliveryRecord]:
        """Return at most `limit` deliveries, newest first."""

    async def receptions(self, delivery_ids: Sequence[str], limit: int) -> Sequence[DeliveryRecord]:
        """Return each reception of these ids, oldest first; of more than `limit` the newest."""

    async def replay(self, delivery_id: str) -> str:
        """Send a delivery again and return its new id."""


class IngressAnswers:
    """Answers as the ingress `name`, which no other has."""

    def __init__(self, name: str, deliveries: Kept, bus: Bus) -> None:
        self._name = name
        self._deliveries = deliveries
        self._bus = bus
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        """Begin to listen. Temporary when the bus is not there."""
        self._subscription = await self._bus.answer(self._on_message)

    async def stop(self) -> None:
        """Listen no more; what is being answered is finished."""
        if self._subscription is not None:
            await self._subscription.cancel()

    async def _on_message(self, message: Message) -> None:
        question = load_question(message.body)
        if isinstance(question, CalledOff):
            return
        answer = await self._answer(question)
        if answer is not None:
            body = dump_answer(answer)
            await self._bus.publish_reply(question.reply_to, Message(id=question.id, body=body))

    async def _answer(self, question: Asked) -> DeliveryAnswer | None:
        match question:
            case StoryAsked(delivery_id=delivery_id):
                records = await self._related(delivery_id)
            case DeliveriesAsked(wanted=wanted, before=before):
                limit = min(question.limit, PAGE_MOST)
                records = list(await self._deliveries.list(wanted, limit, before))
            case ReplayAsked(ingress=self._name, delivery_id=delivery_id):
                return await self._replay(delivery_id)
            case _:
                return None
        return Accepted(ingress=self._name, records=tuple(records)) if records else None

    async def _related(self, delivery_id: str) -> list[DeliveryRecord]:
        first = delivery_id.partition("~")[0]
        ids = [first, *(f"{first}~{number}" for number in range(1, REPLAYS_MOST + 1))]
        wanted = tuple(dict.fromkeys((*ids, delivery_id)))
        return list(await self._deliveries.receptions(wanted, RECEPTIONS_MOST))

    async def _replay(self, delivery_id: str) -> Replayed:
        try:
            return Replayed(delivery_id=await self._deliveries.replay(delivery_id))
        except HookfetchError as error:
            return Replayed(refused=str(error), temporary=isinstance(error, Temporary))
