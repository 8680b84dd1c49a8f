"""What is wrong with a hook, and what has to be done about it? Pure.

A hook is ours when it posts to our address, or when we made it and it posts to the same path of
another host, where `ingress.public_url` used to be. No other hook is ever touched.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit

from hookfetch.forges.api.values import FoundHook, Sent, Target

REPEATABLE = timedelta(days=3)  # GitHub keeps deliveries for so long; GitLab longer
MOST_ATTEMPTS = 4  # of one delivery, the first included

Action = Literal["keep", "create", "update", "replace", "delete"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong at `target`, or (`wrong` false) was seen to. `text` says what to do."""

    hook: str
    target: Target
    code: str
    text: str
    wrong: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What installing does to one hook; `hook` is None where it is yet to be made."""

    action: Action
    target: Target
    hook: int | None
    reason: str


def same_address(one: str, other: str) -> bool:
    """Return whether two URLs name one receiver."""
    return _address(one) == _address(other)


def ours(found: Sequence[FoundHook], url: str) -> list[FoundHook]:
    """Return the hooks that post to `url`, oldest first."""
    return sorted((hook for hook in found if same_address(hook.url, url)), key=lambda hook: hook.id)


def strays(found: Sequence[FoundHook], url: str) -> list[FoundHook]:
    """Return the hooks that post to the path of `url` on another host: perhaps ours, from before a move."""
    path = _address(url)[2]
    return [hook for hook in found if _address(hook.url)[2] == path and not same_address(hook.url, url)]


def faults(hook: FoundHook, events: Set[str]) -> list[tuple[str, str]]:
    """Return code and words of each setting of `hook` that is not as installing makes it."""
    missing = events - hook.events
    checks: Sequence[tuple[bool, str, str]] = (
        (not hook.active, "inactive", "it is switched off"),
        (bool(missing), "events", f"it does not send {', '.join(sorted(missing))}"),
        (not hook.json, "content_type", "it does not send JSON"),
        (not hook.verifies_tls, "insecure", "it does not check our certificate"),
        (hook.branch_filter is not None, "filter", "it sends some branches only"),
    )
    return [(code, words) for wrong, code, words in checks if wrong]


def installation(
    target: Target,
    found: Sequence[FoundHook],
    url: str,
    events: Set[str],
    *,
    made: int | None,
    told: bool,
    replaces_secret: bool,
) -> list[Step]:
    """Return the steps that leave one right hook for `url` at `target`; `keep` when nothing is to be done.

    `made` is the id of the hook made earlier, `told` whether it was given today's secret,
    `replaces_secret` whether an update could give it that.
    """
    mine = ours(found, url) or [hook for hook in strays(found, url) if hook.id == made]
    if not mine:
        return [Step(action="create", target=target, hook=None, reason="there is none")]
    first = next((hook for hook in mine if hook.id == made), mine[0])
    reasons = [words for _, words in faults(first, events)]
    if not same_address(first.url, url):
        reasons.append("it posts to an older address")
    action: Action = "update" if reasons else "keep"
    if not (told and first.id == made):
        reasons.append("it was not given today's secret")
        action = "update" if replaces_secret else "replace"
    steps = [Step(action=action, target=target, hook=first.id, reason="; ".join(reasons))]
    steps += [
        Step(action="delete", target=target, hook=hook.id, reason="everything would arrive twice")
        for hook in mine
        if hook is not first
    ]
    return steps


def judge(hook: str, target: Target, found: Sequence[FoundHook], url: str, events: Set[str]) -> list[Finding]:
    """Return what is wrong with our hook `hook` (its name) at `target`."""

    def finding(code: str, text: str) -> Finding:
        return Finding(hook=hook, target=target, code=code, text=text)

    mine = ours(found, url)
    if not mine:
        old = ", ".join(str(stray.id) for stray in strays(found, url))
        hint = f" (hook {old} posts to this path on another host)" if old else ""
        return [finding("missing", f"no hook posts to {url}{hint}: run `hookfetch hooks install`")]
    findings = [
        finding(code, f"hook {one.id}: {words}: run `hookfetch hooks install`")
        for one in mine[:1]
        for code, words in faults(one, events)
    ]
    if mine[0].disabled is not None:
        words = f"hook {mine[0].id}: the forge switched it off {mine[0].disabled} after failures"
        findings.append(finding("disabled", f"{words}: run `hookfetch hooks check --fix`"))
    if len(mine) > 1:
        ids = ", ".join(str(one.id) for one in mine)
        findings.append(finding("double", f"hooks {ids} all post here: run `hookfetch hooks install`"))
    return findings


def failing(answered: str) -> str:
    """Return what to do about a hook whose last delivery got `answered`."""
    if answered.startswith("401"):
        advice = (
            "the secret differs: each ingress needs the newest secret file, or make another with --rotate"
        )
    elif answered.startswith(("404", "405")):
        advice = "ingress.public_url leads elsewhere, or `hookfetch serve` was not restarted since"
    else:
        advice = "see that ingress.public_url can be reached from the forge and `hookfetch serve` runs"
    return f"its last delivery got {answered or 'no answer'}: {advice}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelivered:
    """A delivery of which no attempt succeeded: the newest attempt, and how many there were."""

    newest: Sent
    attempts: int

    @property
    def spent(self) -> bool:
        """Whether it was sent often enough."""
        return self.attempts >= MOST_ATTEMPTS


def undelivered(
    sent: Sequence[Sent], now: datetime, known: Callable[[str], bool] = lambda _: False
) -> list[Undelivered]:
    """Return the deliveries that failed each time and are not `known` here, oldest first.

    `sent` is newest first. What is too old to be repeated is left out, and so is what has no id:
    it could not be told apart from what did arrive.
    """
    attempts: dict[str, list[Sent]] = {}
    for one in sent:
        if one.delivery is not None:
            attempts.setdefault(one.delivery, []).append(one)
    return [
        Undelivered(newest=each[0], attempts=len(each))
        for delivery, each in reversed(attempts.items())
        if not any(one.ok for one in each)
        and (each[-1].at is None or now - each[-1].at < REPEATABLE)
        and not known(delivery)
    ]


def news(before: Mapping[tuple[str, Target, str], Finding], after: Sequence[Finding]) -> list[Finding]:
    """Return those of `after` that were not found before."""
    return [finding for finding in after if key(finding) not in before]


def key(finding: Finding) -> tuple[str, Target, str]:
    """Return what makes two findings the same one, however its words changed."""
    return finding.hook, finding.target, finding.code


def _address(url: str) -> tuple[str, str | None, str]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "", None, url
    host = parts.hostname
    if port is not None and port != {"http": 80, "https": 443}.get(parts.scheme):
        host = f"{host}:{port}"
    return parts.scheme, host, parts.path.rstrip("/") + (f"?{parts.query}" if parts.query else "")
