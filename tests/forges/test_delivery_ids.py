"""By what a delivery is known again: the forge's own id, or its bytes where they say which delivery it is."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.forges.corpus import FORGES, NEW, OLD

# What a push of OLD to NEW looks like, and where in it stands which push it was.
GERRIT = {
    "type": "ref-updated",
    "refUpdate": {"oldRev": OLD, "newRev": NEW, "refName": "refs/heads/main", "project": "a"},
    "eventCreatedOn": 1710524703,
}
AZURE = {"id": "03c164c2", "eventType": "git.push", "createdDate": "2016-09-19T13:03:27Z", "resource": {}}
GITEE = {"before": OLD, "after": NEW, "ref": "refs/heads/main", "timestamp": "1633686089510", "sign": "a"}
PAGURE = {"msg": {"old_commit": OLD, "end_commit": NEW}, "msg_id": "2024-43d5", "topic": "git.receive"}
ANITYA = {"message": {"upstream_versions": ["2"]}, "project": {"updated_on": 1701202688.0}}
NAMED_WITHIN: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "gerrit": (GERRIT, "eventCreatedOn"),
    "azure_devops": (AZURE, "id"),
    "gitee": (GITEE, "timestamp"),
    "pagure": (PAGURE, "msg_id"),
    "anitya": (ANITYA, "project"),
}


def body(payload: Mapping[str, Any]) -> bytes:
    return json.dumps(payload).encode()


@pytest.mark.parametrize("name", NAMED_WITHIN)
def test_the_same_bytes_are_one_delivery_and_the_same_push_at_another_time_is_another(name: str) -> None:
    payload, field = NAMED_WITHIN[name]
    there, again = body(payload), body({**payload, field: "another"})
    first = FORGES[name].delivery_id({"x-attempt": "1"}, there)
    assert first is not None
    assert first.startswith("sha256-")
    assert FORGES[name].delivery_id({"x-attempt": "2"}, there) == first
    assert FORGES[name].delivery_id({}, again) not in (first, None)


def test_what_harness_sends_does_not_tell_a_repeat_from_a_second_push() -> None:
    assert FORGES["harness"].delivery_id({}, body({"old_sha": OLD, "sha": NEW})) is None


def test_an_old_gitlab_s_event_and_body_together_are_one_hook_of_one_push() -> None:
    gitlab = FORGES["gitlab"]
    main, wip = body({"ref": "refs/heads/main"}), body({"ref": "refs/heads/wip"})
    one = {"x-gitlab-event-uuid": "e1", "x-gitlab-webhook-uuid": "h"}
    first = gitlab.delivery_id(one, main)
    assert first is not None
    assert gitlab.delivery_id(dict(one), main) == first
    assert gitlab.delivery_id(one, wip) != first
    assert gitlab.delivery_id({**one, "x-gitlab-event-uuid": "e2"}, main) != first
    assert gitlab.delivery_id({}, main) is None
