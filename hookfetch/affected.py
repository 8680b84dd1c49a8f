"""Which elements would an event affect? Loads the project through the engine and asks the same
index that the coordinator asks. Changes nothing.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path

from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import ConfigurationError, Rejected
from hookfetch.core.matching import Index
from hookfetch.core.policy import Policy
from hookfetch.core.ports import Engine, Forge
from hookfetch.core.repository import RepositoryId, identify

Question = tuple[tuple[RepositoryId, ...], str]  # the repository's identities, and a full ref


async def affected(
    engine: Engine, project: str, policy: Policy, questions: Sequence[Question]
) -> tuple[str, ...]:
    """Return the affected elements of all `questions`, each once, where `policy` is configured; Permanent
    when the project does not load."""
    loaded = await engine.load(project)
    index = Index.of(loaded.elements, still=loaded.still(loaded.policy_over(policy)))
    found = (name for repositories, ref in questions for name in index.affected(repositories, ref))
    return tuple(dict.fromkeys(found))


def question(url: str, ref: str) -> Question:
    """Return the question for a repository's URL and a ref; a short one is a branch.

    ConfigurationError when the URL names no repository.
    """
    repository = identify(url)
    if repository is None:
        raise ConfigurationError(f"--repo: {url!r} names no repository on a host")
    return (repository,), ref if ref.startswith("refs/") else f"refs/heads/{ref}"


def questions_of(delivery: Path, hook: str, forge: Forge) -> list[Question]:
    """Return the questions in a saved delivery: the body in `delivery`, its headers beside it in
    `<name>.headers.json` (a mapping, or one under `headers`). Its signature is not asked for.

    ConfigurationError when a file cannot be read; Rejected when the forge does not know the form.
    """
    beside = delivery.with_name(f"{delivery.stem}.headers.json")
    try:
        body = delivery.read_bytes()
        headers = json.loads(beside.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{delivery}: the delivery cannot be read: {error}") from error
    headers = headers.get("headers", headers) if isinstance(headers, dict) else None
    if not isinstance(headers, dict):
        raise ConfigurationError(f"{beside}: is no mapping of headers")
    posted = Delivery(
        id=f"{hook}/{delivery.name}",
        hook=hook,
        headers={str(name).lower(): str(value) for name, value in headers.items()},
        body=body,
        received_at=time.time(),
    )
    facts = forge.parse(posted)
    if not facts:
        raise Rejected("forge", "the delivery tells of nothing")
    return [(fact.repositories, ref) for fact in facts if (ref := _ref(fact)) is not None]


def _ref(fact: object) -> str | None:
    tag = getattr(fact, "tag", None)
    return getattr(fact, "ref", None) or (f"refs/tags/{tag}" if tag else None)
