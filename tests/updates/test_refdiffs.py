"""What a bot wrote into the files of real projects is what a plan of the same refs writes."""

from hookfetch.core.jobs import Change
from hookfetch.updates.planning import plan
from tests.edits.refdiffs import CASES, Case
from tests.edits.test_refdiffs import _MORE
from tests.updates.test_planning import Texts

_CONF = "name: real\nelement-path: elements\n"


def only_refs(case: Case) -> bool:
    changes = case.request["changes"]
    return (
        case.mechanical
        and not case.request["variables"]
        and case.name not in _MORE
        and all(
            change["url_before"] == change["url_after"] and not change.get("other_keys") for change in changes
        )
    )


def as_announced(case: Case) -> list[Change]:
    announced = []
    for change in case.full_request()["changes"]:
        url = change["url_before"]
        if url is not None and "://" not in url:
            url = "https://host/" + url.partition(":")[2]
        announced.append(
            Change(
                index=change["source_index"],
                kind=change["kind"],
                url=None if url is None or "%{" in url else url,
                base=change["ref_before"],
                previous=None,
                ref=change["ref_after"],
            )
        )
    return announced


def test_refs_that_bots_and_people_wrote_are_planned_byte_for_byte() -> None:
    cases = [case for case in CASES if only_refs(case)]
    assert len(cases) > 500
    for case in cases:
        path = case.request["path"]
        element = path.removeprefix("elements/")
        planned = plan({element: as_announced(case)}, Texts({"project.conf": _CONF, path: case.before}))
        assert planned.refused == {}, case.name
        assert [(file.path, file.after) for file in planned.files] == [(path, case.after)], case.name
