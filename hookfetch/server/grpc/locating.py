"""Where the sources of an element are: part of SourceService. It asks the coordinator; no work is done."""

from collections.abc import Iterable

from hookfetch.core.project_questions import Place, PlaceAsked, PlaceTold
from hookfetch.server.grpc.admission.admitted import visible
from hookfetch.server.grpc.checks import named, served
from hookfetch.server.grpc.errors import not_found, unavailable
from hookfetch.server.grpc.messages import source_messages
from hookfetch.server.grpc.questions import Questions, all_of, newest
from hookfetch.server.originals.names import mirror_address
from hookfetch.v1 import sources_pb2


class Locating:
    """Answers for the elements of `projects`; `originals` is the address at which clients find originals,
    None where none are served."""

    def __init__(self, questions: Questions, projects: Iterable[str], originals: str | None = None) -> None:
        self._questions = questions
        self._projects = frozenset(projects)
        self._originals = originals

    async def locate(self, request: sources_pb2.LocateRequest) -> sources_pb2.LocateResponse:
        """Return where an element's sources are; Refused where there is no such element or no answer."""
        project, element = request.project, request.element
        named("project", project)
        named("element", element)
        served([project], visible(self._projects))
        answers = await self._questions.ask(
            lambda key, inbox: PlaceAsked(id=key, reply_to=inbox, project=project, element=element),
            all_of([project]),
        )
        told = newest(answers, PlaceTold).get(project)
        if told is None or not told.loaded:
            raise unavailable(f"no coordinator of {project!r} that has loaded it answered")
        if not told.known:
            raise not_found("element", element, f"{project!r} has no element {element!r}")
        messages = source_messages(place.source for place in told.places)
        return sources_pb2.LocateResponse(
            sources=[
                sources_pb2.LocatedSource(source=message, key=place.key, original=self._original(place))
                for message, place in zip(messages, told.places, strict=True)
            ],
            element_key=told.element_key,
        )

    def _original(self, place: Place) -> str | None:
        if self._originals is None or place.original is None or place.source.url is None:
            return None
        return mirror_address(self._originals, place.original, place.source.url)
