"""A forge's REST API is asked within bounds, and the token goes to it alone."""

import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from hookfetch.core.errors import HookfetchError, Permanent, Temporary
from hookfetch.forges.api import account_of, client, hook_api
from hookfetch.forges.api.client import ApiClient
from hookfetch.forges.api.values import HookApi, Refused, Target
from tests.forges.api.standin import TOKEN, StandIn, Trouble, running, stand_in

URL = "https://hooks.test/hooks/h"
REPOSITORY = Target("repository", "owner/name")
HOOKS = "/hooks"
FORGES = ["github", "gitlab", "gitea"]


@pytest.fixture(autouse=True)
def _quick_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_PAUSE", 0.01)  # seconds, not 0.5


@asynccontextmanager
async def asking(
    address: str, forge: str = "github", *, token: str = TOKEN, timeout: float = 5.0, patience: float = 1.0
) -> AsyncIterator[HookApi]:
    async with aiohttp.ClientSession() as session:
        account = account_of(forge, address, token)
        yield hook_api(forge, ApiClient(session, account, timeout=timeout, patience=patience))


async def failure(address: str, forge: str = "github", **how: object) -> HookfetchError:
    async with asking(address, forge, **how) as api:  # type: ignore[arg-type]
        with pytest.raises(HookfetchError) as raised:
            await api.hooks(REPOSITORY)
    line = str(raised.value)
    assert "\n" not in line
    assert TOKEN not in "".join(traceback.format_exception(raised.value))
    return raised.value


def fill(there: StandIn, count: int) -> None:
    there.hooks["owner/name"] = []
    for number in range(count):
        config = {"url": f"https://other.test/{number}", "content_type": "json"}
        gitlab = {"url": config["url"]}
        settings = gitlab if there.forge == "gitlab" else {"type": "gitea", "config": config}
        there.add("owner/name", settings)


@pytest.mark.parametrize("forge", FORGES)
async def test_every_page_of_hooks_is_read(forge: str) -> None:
    async with stand_in(forge, page=2) as there:
        fill(there, 5)
        async with asking(there.address, forge) as api:
            found = await api.hooks(REPOSITORY)
    assert len(found) == len({hook.id for hook in found}) == 5
    assert len(there.requests) == 3


async def test_more_pages_than_are_looked_at_are_an_error_not_a_part() -> None:
    async with stand_in("github", page=1) as there:
        fill(there, 11)
        error = await failure(there.address)
    assert isinstance(error, Permanent)
    assert "more than 10 hooks" in str(error)


@pytest.mark.parametrize(
    ("forge", "status", "advice"),
    [
        ("github", 401, "hook.api.token_file"),
        ("github", 403, "admin:repo_hook"),
        ("github", 404, "admin:org_hook"),
        ("gitlab", 403, "Maintainer"),
        ("gitea", 404, "write:repository"),
        ("github", 422, "ingress.public_url"),
        ("github", 301, "its new path"),
    ],
)
async def test_a_refusal_is_one_line_that_says_what_to_do(forge: str, status: int, advice: str) -> None:
    async with stand_in(forge) as there:
        there.trouble("GET", HOOKS, Trouble(status, {"Location": "https://elsewhere.test/"}))
        error = await failure(there.address, forge)
        assert len(there.requests) == 1
    assert isinstance(error, Refused)
    assert error.status == status
    assert advice in str(error)
    assert "(trouble)" in str(error) or status == 301


async def test_a_wrong_token_is_named() -> None:
    async with stand_in("github") as there:
        error = await failure(there.address, token="another")
    assert "hook.api.token_file" in str(error)


async def test_a_rate_limit_is_waited_for_within_patience() -> None:
    async with stand_in("github") as there:
        fill(there, 1)
        spent = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}
        there.trouble("GET", HOOKS, Trouble(403, spent), Trouble(429, {"Retry-After": "0"}))
        async with asking(there.address) as api:
            assert len(await api.hooks(REPOSITORY)) == 1
    assert len(there.requests) == 3


@pytest.mark.parametrize("headers", [{"Retry-After": "3600"}, {"Retry-After": "soon"}, {}])
async def test_a_longer_rate_limit_is_left_for_later(headers: dict[str, str]) -> None:
    async with stand_in("gitlab") as there:
        there.trouble("GET", HOOKS, Trouble(429, headers, "Retry later\n"))
        error = await failure(there.address, "gitlab")
        assert len(there.requests) == 1
    assert isinstance(error, Temporary)
    assert "rate limit" in str(error)


async def test_reading_is_repeated_after_a_5xx_and_in_the_end_given_up() -> None:
    async with stand_in("github") as there:
        fill(there, 1)
        there.trouble("GET", HOOKS, *[Trouble(502)] * 2)
        async with asking(there.address) as api:
            assert len(await api.hooks(REPOSITORY)) == 1
        there.trouble("GET", HOOKS, *[Trouble(503)] * 3)
        assert isinstance(await failure(there.address), Temporary)
    assert len(there.requests) == 6


async def test_making_a_hook_is_not_repeated_blindly() -> None:
    async with stand_in("github") as there:
        fill(there, 0)
        there.trouble("POST", HOOKS, Trouble(502))
        async with asking(there.address) as api:
            with pytest.raises(Temporary):
                await api.create(REPOSITORY, URL, "secret")
    assert len(there.requests) == 1


async def test_a_slow_answer_is_given_up() -> None:
    async with stand_in("github") as there:
        fill(there, 1)
        there.trouble("GET", HOOKS, *[Trouble(200, seconds=2.0)] * 3)
        error = await failure(there.address, timeout=0.1)
    assert isinstance(error, Temporary)
    assert "did not answer" in str(error)


async def test_nobody_there_is_temporary_and_names_the_address() -> None:
    error = await failure("http://127.0.0.1:1")
    assert isinstance(error, Temporary)
    assert "http://127.0.0.1:1" in str(error)


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    for _ in range(200):
        await response.write(b" " * 65536)
    return response


def saying(text: str, **headers: str) -> Callable[[web.Request], web.Response]:
    return lambda _: web.Response(text=text, headers=headers)


async def test_a_huge_answer_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_ANSWER", 1_000_000)

    async def answer(request: web.Request) -> web.StreamResponse:
        return await endless(request)

    async with running(answer) as address:
        error = await failure(address)
    assert "more than 1000000 bytes" in str(error)


@pytest.mark.parametrize("text", ["<html>", "{}", "[1]", '[{"id": "7"}]', "[" * 100_000])
async def test_an_answer_that_is_no_list_of_hooks_is_one_line(text: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        return saying(text)(request)

    async with running(answer) as address:
        assert isinstance(await failure(address), Permanent)


async def test_the_token_does_not_follow_a_page_or_a_redirect_to_another_host() -> None:
    strangers: list[web.Request] = []

    async def stranger(request: web.Request) -> web.Response:
        strangers.append(request)
        return web.json_response([])

    async with running(stranger) as elsewhere:

        async def next_page(_: web.Request) -> web.Response:
            return web.json_response([], headers={"Link": f'<{elsewhere}/hooks>; rel="next"'})

        async def redirect(_: web.Request) -> web.Response:
            return web.Response(status=307, headers={"Location": f"{elsewhere}/hooks"})

        async with running(next_page) as address:
            assert "another host" in str(await failure(address))
        async with running(redirect) as address:
            assert "307" in str(await failure(address))
    assert strangers == []


@pytest.mark.parametrize("address", ["http://[", "http://h:port/", "/hooks?page=2"])
async def test_a_next_page_at_no_address_ends_the_question_in_one_line(address: str) -> None:
    asked = 0

    async def next_page(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        link = {"Link": f'<{address}>; rel="next"'} if asked == 1 else {}
        return web.json_response([], headers=link)

    async with running(next_page) as here, asking(here) as api:
        if address.startswith("/"):  # of the same host
            assert list(await api.hooks(REPOSITORY)) == []
        else:
            with pytest.raises(Permanent, match="next page"):
                await api.hooks(REPOSITORY)


async def test_a_refusal_says_the_forges_own_words_bounded_and_on_one_line() -> None:
    async with stand_in("gitlab") as there:
        said = '{"message": {"url": ["is blocked:\\n%s"]}}' % ("x" * 1000)
        there.trouble("GET", HOOKS, Trouble(400, body=said))
        error = await failure(there.address, "gitlab")
    assert "is blocked" in str(error)
    assert len(str(error)) < 400


def test_an_account_shows_no_token() -> None:
    for forge in FORGES:
        assert TOKEN not in repr(account_of(forge, "https://forge.test", TOKEN))
