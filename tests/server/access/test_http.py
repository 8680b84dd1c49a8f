import base64

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from hookfetch.core.access import Caller, Scope, grant
from hookfetch.server.access.access import ANONYMOUS, Access, Known, NotKnown
from hookfetch.server.access.http import caller_of_http
from hookfetch.server.access.originals import ByGrants

TOKEN = "0f3c9d7e5b2a8046c3d91e7a"


def access_of(scopes: list[Scope], projects: list[str], anonymous: Caller | None = None) -> Access:
    access = Access([Known(caller=Caller("ci", (grant(scopes, projects),)))], anonymous)
    access.renew("ci", [TOKEN])
    return access


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "authorization", [f"Bearer {TOKEN}", f"bearer  {TOKEN} ", basic("git", TOKEN), basic("", TOKEN)]
)
def test_a_token_is_a_bearer_s_or_a_password(authorization: str) -> None:
    access = access_of(["originals"], ["*"])
    headers = CIMultiDict({"authorization": authorization})
    assert caller_of_http(access, headers).caller.name == "ci"


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Basic", "Basic !!", f"Token {TOKEN}", basic(TOKEN, ""), basic("git", "no")],
)
def test_nobody_is_known_by_anything_else(authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    with pytest.raises(NotKnown) as refused:
        caller_of_http(access_of(["originals"], ["*"]), headers)
    assert TOKEN not in str(refused.value)


def may(access: Access, project: str | None, authorization: str | None = None) -> bool:
    headers = {} if authorization is None else {"Authorization": authorization}
    return ByGrants(access)(make_mocked_request("GET", "/originals/git/x", headers=headers), project)


def test_originals_are_for_the_projects_of_a_grant_alone() -> None:
    access = access_of(["originals"], ["gnome"])
    assert may(access, "gnome", basic("git", TOKEN))
    assert not may(access, "sdk", basic("git", TOKEN))
    assert may(access, None, basic("git", TOKEN))
    assert not may(access_of(["read"], ["gnome"]), None, basic("git", TOKEN))


def test_git_is_asked_who_it_is_where_nobody_may_read_unknown() -> None:
    with pytest.raises(web.HTTPUnauthorized) as asked:
        may(access_of(["originals"], ["gnome"]), None)
    assert asked.value.headers["WWW-Authenticate"].startswith("Basic ")


def test_who_shows_nothing_reads_what_is_configured() -> None:
    anyone = Caller(ANONYMOUS, (grant(["originals"], ["open"]),))
    access = access_of(["originals"], ["gnome"], anyone)
    assert may(access, None)
    assert may(access, "open")
    assert not may(access, "gnome")
