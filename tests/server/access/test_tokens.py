import secrets
import uuid
from hmac import compare_digest
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hookfetch.core.access import SCOPES, Caller, grant
from hookfetch.core.errors import ConfigurationError
from hookfetch.server.access import tokens
from hookfetch.server.access.access import Access, Known, NotKnown, open_access
from hookfetch.server.access.tokens import checked, digest_of, owner_of
from hookfetch.server.access.watch import TokenWatch

GOOD = "0f3c9d7e5b2a8046c3d91e7a"


def test_random_tokens_are_taken() -> None:
    made = [secrets.token_hex(16), secrets.token_urlsafe(32), str(uuid.uuid4()), GOOD, f"glpat-{GOOD}"]
    assert [checked(token, "here") for token in made] == made


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (GOOD[:-1], "has fewer than 24 characters"),
        ("a" * 64, "repeats itself"),
        ("abababababababababababababababab", "repeats itself"),
        ("passwordpasswordpassword", "repeats itself"),
        ("correct horse battery staple 12345", "is not one word"),
        (GOOD + "\n" + GOOD, "is not one word"),
        (GOOD + "é", "is not one word"),
        (secrets.token_hex(4000), "has more than 4096"),
    ],
)
def test_a_token_that_can_be_guessed_or_not_sent_is_refused(token: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^here: the token {reason}.*openssl rand -hex 32"):
        checked(token, "here")


def test_all_digests_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return compare_digest(one, other)

    monkeypatch.setattr(tokens.hmac, "compare_digest", compare)
    known = {name: [digest_of(name)] for name in ("first", "second", "third")}
    assert owner_of("first", known) == ("first", digest_of("first"))
    assert len(compared) == 3
    assert owner_of("fourth", known) is None
    assert len(compared) == 6


def known(name: str) -> Known:
    return Known(caller=Caller(name, (grant(SCOPES, ["*"]),)))


def test_nobody_configured_means_that_nothing_shown_is_looked_at() -> None:
    assert open_access().identify("whatever").caller.may("admin", "p")
    assert not open_access().identify(None).named


async def test_files_are_read_again_when_they_change(tmp_path: Path) -> None:
    files = [tmp_path / "today", tmp_path / "tomorrow"]
    files[0].write_text(GOOD + "\n")
    access = Access([known("ci")])
    watch = TokenWatch(access, {"ci": files})
    watch.load()
    passed = access.identify(GOOD)
    other = secrets.token_hex(16)
    files[1].write_text(other)  # both hold while it is replaced
    await watch.look()
    assert access.identify(other).caller is access.identify(GOOD).caller
    files[0].unlink()
    await watch.look()
    assert not access.holds(passed)
    with pytest.raises(NotKnown):
        access.identify(GOOD)
    assert access.holds(access.identify(other))


@pytest.mark.parametrize("content", ["", "short", "\n"])
async def test_a_file_that_turns_bad_opens_nothing_and_says_so(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(GOOD)
    access = Access([known("ci")])
    watch = TokenWatch(access, {"ci": [file]})
    watch.load()
    file.write_text(content)
    with capture_logs() as lines:
        await watch.look()
    assert [line["event"] for line in lines] == ["token_not_accepted", "tokens_read"]
    assert GOOD not in str(lines)
    with pytest.raises(NotKnown):
        access.identify(GOOD)


def test_two_callers_with_one_token_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(GOOD)
    watch = TokenWatch(Access([known("a"), known("b")]), {"a": [file], "b": [file]})
    with pytest.raises(ConfigurationError, match="caller b: has the same token as a"):
        watch.load()


def test_a_caller_without_a_token_is_refused_at_start(tmp_path: Path) -> None:
    watch = TokenWatch(Access([known("ci")]), {"ci": [tmp_path / "none"]})
    with pytest.raises(ConfigurationError, match="caller ci: the secret cannot be read"):
        watch.load()
