"""The stand-in does notice what is not as described: a check that finds nothing proves nothing."""

import pytest

from tests.forges.api.described import Description


@pytest.mark.parametrize(
    ("forge", "method", "path", "query", "body"),
    [
        ("github", "POST", "/repos/o/r/hooks", {}, {"events": "push"}),
        ("github", "POST", "/repos/o/r/hooks", {}, {"secret": "outside of config"}),
        ("github", "GET", "/repos/o/r/hooks", {"limit": "50"}, None),
        ("github", "PUT", "/repos/o/r/hooks/1", {}, {}),
        ("github", "POST", "/orgs/o/hooks/1/deliveries/2/redeliver", {}, None),
        ("github", "POST", "/orgs/o/hooks", {}, {"name": "web", "config": {"content_type": "json"}}),
        ("github", "POST", "/orgs/o/hooks/1/tests", {}, None),
        ("gitlab", "POST", "/projects/o%2Fr/hooks", {}, {"push_events": True}),
        ("gitlab", "POST", "/projects/o/r/hooks", {}, {"url": "https://h.test"}),
        ("gitlab", "POST", "/projects/1/hooks", {}, {"url": "https://h.test", "signing_token": "plain"}),
        ("gitlab", "GET", "/groups/g/hooks/1/events", {"per_page": "100"}, None),
        ("gitea", "POST", "/repos/o/r/hooks", {}, {"config": {}}),
        ("gitea", "PATCH", "/repos/o/r/hooks/1", {}, {"config": {"insecure": False}}),
        ("gitea", "GET", "/repos/o/r/hooks/1/deliveries", {}, None),
    ],
)
def test_a_request_that_is_not_described_is_noted(
    forge: str, method: str, path: str, query: dict[str, str], body: object
) -> None:
    assert Description(forge).problems_of_request(method, path, query, body)


@pytest.mark.parametrize(
    ("forge", "path", "body"),
    [
        ("github", "/repos/o/r/hooks", [{"id": 1}]),
        ("gitlab", "/projects/1/hooks", [{"id": 1, "url": "u", "created_at": "t", "push_events": 1}]),
        ("gitea", "/repos/o/r/hooks", [{"id": "1"}]),
    ],
)
def test_an_answer_that_is_not_as_described_is_noted(forge: str, path: str, body: object) -> None:
    assert Description(forge).problems_of_answer("GET", path, 200, body)
