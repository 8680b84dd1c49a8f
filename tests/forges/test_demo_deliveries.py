"""The demo's deliveries are believed and read like a forge's own."""

import time
from collections.abc import Callable

import pytest

from hookfetch.core.errors import Rejected
from hookfetch.core.events import BranchDeleted, BranchPushed, TagPushed, UpstreamFact
from hookfetch.core.repository import identify
from hookfetch.demo.deliveries import github_push, gitlab_push
from tests.forges.corpus import FORGES, NEW, NULL, OLD, SIGNING_TOKEN, delivery

Push = Callable[[str, str, str, str, str, str], tuple[dict[str, str], bytes]]
URL = "http://127.0.0.1:8123/group/lib.git"
SENDERS = [("github", github_push, "s"), ("gitlab", gitlab_push, "s"), ("gitlab", gitlab_push, SIGNING_TOKEN)]
EACH_SENDER = pytest.mark.parametrize(("name", "push", "secret"), SENDERS, ids=["github", "token", "signed"])


def receive(name: str, sent: tuple[dict[str, str], bytes], secret: str) -> UpstreamFact:
    headers, body = sent
    lowered = {header.lower(): value for header, value in headers.items()}
    FORGES[name].verify(lowered, body, [secret], time.time())
    assert FORGES[name].delivery_id(lowered, b"{}") == "d-1"
    (fact,) = FORGES[name].parse(delivery(lowered, body))
    return fact


@EACH_SENDER
def test_a_demo_push_is_believed_and_names_the_repository(name: str, push: Push, secret: str) -> None:
    fact = receive(name, push(URL, "refs/heads/main", OLD, NEW, secret, "d-1"), secret)
    assert isinstance(fact, BranchPushed)
    assert (fact.ref, fact.before, fact.after, fact.target) == ("refs/heads/main", OLD, NEW, NEW)
    assert identify(URL) in fact.repositories
    assert URL in fact.urls


@EACH_SENDER
def test_a_demo_push_may_make_a_tag_or_delete_a_branch(name: str, push: Push, secret: str) -> None:
    tag = receive(name, push(URL, "refs/tags/v1", NULL, NEW, secret, "d-1"), secret)
    gone = receive(name, push(URL, "refs/heads/wip", OLD, NULL, secret, "d-1"), secret)
    assert isinstance(tag, TagPushed)
    assert isinstance(gone, BranchDeleted)


@EACH_SENDER
def test_a_demo_push_is_refused_with_another_secret(name: str, push: Push, secret: str) -> None:
    headers, body = push(URL, "refs/heads/main", OLD, NEW, secret, "d-1")
    lowered = {header.lower(): value for header, value in headers.items()}
    with pytest.raises(Rejected):
        FORGES[name].verify(lowered, body, ["another", "whsec_b3RoZXI="], time.time())
