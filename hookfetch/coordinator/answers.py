"""What a coordinator answers to questions about its project. It only reads: a question that comes while
a long event is stored waits for that alone, never for the events behind it.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import structlog

from hookfetch.coordinator import content
from hookfetch.coordinator.feed_answers import asked_now, page_of_feeds
from hookfetch.coordinator.loader import Loader
from hookfetch.core.asset_questions import UsersAsked, UsersTold, users
from hookfetch.core.codec import Answered, Asked, dump_answer, load_question
from hookfetch.core.feed_questions import FeedCheckAsked, FeedCheckTold, FeedsAsked, FeedsTold
from hookfetch.core.globs import Glob
from hookfetch.core.jobs import CalledOff
from hookfetch.core.ports import Bus, Message, Subscription
from hookfetch.core.project_questions import ContentAsked, FollowersAsked, PlaceAsked, ProjectsAsked
from hookfetch.core.questions import (
    ENTRIES_MOST,
    EVENTS_MOST,
    FACTS_ASKED_MOST,
    JOBS_MOST,
    PAGE_MOST,
    ElementReport,
    ElementsAsked,
    OutcomesAsked,
    ProjectElements,
    ProjectOutcomes,
    ProjectReport,
    ProjectStory,
    SeenRef,
    SourceReport,
    StateAsked,
    StoryAsked,
    WhyAsked,
)
from hookfetch.core.recipe_questions import RecipeAsked, RecipeTold
from hookfetch.core.recipes import job_name
from hookfetch.core.repository import identify
from hookfetch.core.sources import Source
from hookfetch.core.standing import ElementStanding
from hookfetch.core.tracking import rules
from hookfetch.core.why import sentence, shown
from hookfetch.store import hooked, jobs, moves, outage, pause, recipes, refs, story
from hookfetch.store.database import Database
from hookfetch.store.observed import observed
from hookfetch.store.standing import standing
from hookfetch.upstreams.feed_status import FeedBoard

_log = structlog.get_logger(__name__)

_SEEN_MOST = 20  # refs of one source: a glob may match thousands


class Answers:
    """Answers for `project` while `epoch()` is that of an active coordinator, and is silent at 0."""

    def __init__(
        self,
        *,
        project: str,
        database: Database,
        bus: Bus,
        loader: Loader,
        epoch: Callable[[], int],
        clock: Callable[[], float],
        feeds: FeedBoard | None = None,
    ) -> None:
        self._project = project
        self._database = database
        self._bus = bus
        self._loader = loader
        self._epoch = epoch
        self._clock = clock
        self._feeds = feeds or FeedBoard()
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        """Begin to listen; the store must be open. Temporary when the bus is not there."""
        self._subscription = await self._bus.answer(self._on_message)

    async def stop(self) -> None:
        """Listen no more; what is being answered is finished."""
        if self._subscription is not None:
            await self._subscription.cancel()

    async def _on_message(self, message: Message) -> None:
        question = load_question(message.body)
        if isinstance(question, CalledOff) or not self._epoch():
            return
        if isinstance(question, FeedCheckAsked):
            await self._check_feeds(question)
            return
        answer = await self._database.run(partial(self._answer, question=question))
        if answer is not None:
            body = dump_answer(answer)
            await self._bus.publish_reply(question.reply_to, Message(id=question.id, body=body))

    async def _check_feeds(self, question: FeedCheckAsked) -> None:
        if question.project == self._project:
            told = FeedCheckTold(
                project=self._project,
                epoch=self._epoch(),
                at=self._clock(),
                feeds=asked_now(self._feeds, question),
            )
            await self._bus.publish_reply(question.reply_to, Message(id=question.id, body=dump_answer(told)))

    def _answer(self, db: sqlite3.Connection, question: Asked) -> Answered | None:
        match question:
            case StoryAsked():
                return self._story(db, question)
            case OutcomesAsked():
                return ProjectOutcomes(
                    project=self._project,
                    epoch=self._epoch(),
                    ended=story.outcomes(db, question.delivery_ids[:PAGE_MOST]),
                    unhandled=story.unhandled(db, question.facts[:FACTS_ASKED_MOST]),
                )
            case WhyAsked(project=self._project):
                return self._why(db, question)
            case StateAsked():
                return self._state(db)
            case RecipeAsked(projects=projects) if self._project in projects:
                return self._recipe(db, question.key)
            case UsersAsked(projects=projects) if self._project in projects:
                index = self._loader.index
                found = () if index is None else users(index.elements(), question)
                return UsersTold(project=self._project, epoch=self._epoch(), users=found)
            case ProjectsAsked() | ContentAsked() | FollowersAsked() | PlaceAsked():
                return content.told(db, self._project, self._epoch(), self._loader, question)
            case ElementsAsked(projects=projects) if not projects or self._project in projects:
                return self._elements(db, question)
            case FeedsAsked(projects=projects) if self._project in projects:
                told = page_of_feeds(db, self._feeds, self._loader, self._project, question)
                return FeedsTold(project=self._project, epoch=self._epoch(), feeds=told)
            case _:
                return None

    def _story(self, db: sqlite3.Connection, question: StoryAsked) -> ProjectStory:
        ids = story.related(db, question.delivery_id)
        events = story.events(db, ids)
        jobs = story.jobs_of_deliveries(db, ids)
        entries = story.entries_of_deliveries(db, ids)
        return ProjectStory(
            project=self._project,
            epoch=self._epoch(),
            events=events[:EVENTS_MOST],
            jobs=jobs[:JOBS_MOST],
            entries=entries[:ENTRIES_MOST],
            truncated=len(events) > EVENTS_MOST or len(jobs) > JOBS_MOST or len(entries) > ENTRIES_MOST,
        )

    def _state(self, db: sqlite3.Connection) -> ProjectReport:
        waiting, running, set_aside, oldest, last = story.counts(db)
        missed, missed_at = hooked.missed_in_all(db)
        return ProjectReport(
            project=self._project,
            epoch=self._epoch(),
            unhealthy=self._loader.unhealthy,
            paused=pause.paused(db),
            waiting=waiting,
            running=running,
            set_aside=set_aside,
            oldest_waiting_at=oldest,
            last_entry=last,
            missed_by_hooks=missed,
            last_missed_at=missed_at,
            revision=self._loader.revision,
            ahead=jobs.waiting_ahead(db),
            cache_away=outage.told(db),
        )

    def _elements(self, db: sqlite3.Connection, question: ElementsAsked) -> ProjectElements:
        globs = [Glob(text) for text in question.globs]
        found = [
            each
            for each in _all_standing(db, self._clock())
            if (not question.states or each.state in question.states)
            and (not globs or any(glob.matches(each.element) for glob in globs))
        ]
        after = question.after
        left = [
            each for each in found if after is None or (each.rank, self._project, each.element) > tuple(after)
        ]
        return ProjectElements(
            project=self._project,
            epoch=self._epoch(),
            paused=pause.paused(db) is not None,
            elements=tuple(left[: min(question.limit, PAGE_MOST)]),
            counts=dict(Counter(each.state for each in found)),
        )

    def _recipe(self, db: sqlite3.Connection, key: str) -> RecipeTold:
        recipe = recipes.find(db, key)
        return RecipeTold(
            project=self._project,
            epoch=self._epoch(),
            known=recipe is not None,
            open=recipe is not None and jobs.is_open(db, job_name(recipe.element, key)),
        )

    def _why(self, db: sqlite3.Connection, question: WhyAsked) -> ElementReport:
        index = self._loader.index
        element = None if index is None else index.element(question.element)
        proposed = refs.proposed(db, question.element)
        report = ElementReport(
            project=self._project,
            element=question.element,
            epoch=self._epoch(),
            now=self._clock(),
            known=element is not None,
            unhealthy=self._loader.unhealthy,
            paused=pause.paused(db),
            sources=tuple(
                _source(db, source, shown(proposed[source.index]) if source.index in proposed else None)
                for source in (() if element is None else element.sources)
            ),
            jobs=story.jobs_of_element(db, question.element),
            entries=story.entries_of_element(db, question.element),
        )
        stays = self._loader.policy.stays(question.element)
        mistake = None if element is None else element.mistake
        return replace(report, summary=sentence(report, stays, mistake, moves.of(db, question.element)))


def _all_standing(db: sqlite3.Connection, now: float) -> list[ElementStanding]:
    """Return what has an open job, and what beside that has a release that could not be taken."""
    found = {each.element: each for each in (*moves.standing(db, now), *standing(db, now))}
    return sorted(found.values(), key=lambda each: (each.rank, each.element))


def _source(db: sqlite3.Connection, source: Source, proposed: str | None) -> SourceReport:
    rule = rules(source)
    url = source.urls[0] if source.urls else None
    repository = None if url is None else identify(url)
    seen = (None if repository is None else observed(db, repository)) or {}
    patterns = [pattern for group in rule.choices for pattern in group] if rule is not None else []
    tags = rule.tags if rule is not None else ()
    return SourceReport(
        index=source.index,
        kind=source.kind,
        url=url,
        repository=repository,
        follows=tuple(dict.fromkeys(name for pattern in (*patterns, *tags) for name in pattern.names)),
        committed=None if source.ref is None else shown(source.ref),
        proposed=proposed,
        seen=tuple(
            SeenRef(ref=name, commit=ref.commit)
            for name, ref in sorted(seen.items())
            if rule is not None and rule.matches(name)
        )[:_SEEN_MOST],
        seen_since=None if repository is None or rule is None else story.seen_since(db, repository),
    )
