"""Elements that clients bring: what is left of one once it was read, and where its sources may lead. Pure.

What a client wrote goes no further than who reads it (`hookfetch.supplied`). All others, BuildStream too, get
these values alone, in which every text has passed a strict pattern.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from pydantic import JsonValue

from hookfetch.core.egress import Place, named_by
from hookfetch.core.errors import HookfetchError
from hookfetch.core.sources import Ref

Wants = Literal["track", "fetch"]

# As `core.recipes` has it: the job is in no way of any element's, and moves no ref.
_JOB = "supplied|"


class NotAllowed(HookfetchError):
    """A client's element has what it may not; `field` is its place within the text, empty for all of it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppliedSource:
    """One source of a client's element: what BuildStream and the plugin of its `kind` read, without the
    ref. Each address in `config` begins with an alias."""

    kind: str
    config: dict[str, JsonValue]
    ref: Ref = None

    def addresses(self) -> Iterable[tuple[str, str]]:
        """Yield each address, after the place within the source where it stands."""
        yield "url", str(self.config["url"])
        modules = self.config.get("submodules")
        for path, module in modules.items() if isinstance(modules, dict) else ():
            if isinstance(module, dict) and "url" in module:
                yield f"submodules[{path}].url", str(module["url"])


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppliedRules:
    """Of which `kinds` the sources of clients' elements may be, and which `hosts` may be at private
    addresses: over http, too, if they are this machine."""

    kinds: frozenset[str] = frozenset()
    hosts: frozenset[Place] = frozenset()

    @property
    def plain(self) -> bool:
        """Return whether anything may be asked for over http."""
        return any(_is_this_machine(host) for host, _ in self.hosts)


def job_name(sources: Sequence[SuppliedSource], wants: Wants) -> str:
    """Return the name under which the one job stands that does what all who bring these sources want."""
    written = [[source.kind, source.config, source.ref] for source in sources]
    digest = hashlib.sha256(json.dumps(written, sort_keys=True).encode()).hexdigest()
    return f"{_JOB}{wants}:{digest}"


def is_supplied(name: str) -> bool:
    """Return whether the job of this name is one for a client's element."""
    return name.startswith((f"{_JOB}track:", f"{_JOB}fetch:"))


def require_allowed(
    sources: Sequence[SuppliedSource], rules: SuppliedRules, aliases: Mapping[str, str]
) -> None:
    """Return if `sources` are of kinds that `rules` allow and each address is open to a client, as the
    project's `aliases` have it; else raise NotAllowed."""
    for index, source in enumerate(sources):
        place = f"sources[{index}]"
        if source.kind not in rules.kinds:
            raise NotAllowed(f"{place}.kind", f"{source.kind!r} is not among {_listed(rules.kinds)}")
        for where, written in source.addresses():
            alias, _, path = written.partition(":")
            base = aliases.get(alias)
            if base is None:
                raise NotAllowed(f"{place}.{where}", f"the project has no alias {alias!r}")
            # Else the path could go on with the name of the host.
            why = (
                closed(base + path, rules) if base.count("/") >= 3 else "leads to a host of a client's choice"
            )
            if why is not None:
                raise NotAllowed(f"{place}.{where}", f"the alias {alias!r} {why}")


def closed(address: str, rules: SuppliedRules) -> str | None:
    """Return why a client's element may not lead to `address`; None where it may."""
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        return "leads to no address"
    if "@" in parts.netloc:
        return "leads to an address with an account"
    if parts.scheme == "https" and host:
        return None
    if parts.scheme == "http" and host and _is_this_machine(host) and named_by(address) & rules.hosts:
        return None
    return f"leads to {parts.scheme or 'no scheme'}, where https alone is open to clients"


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listed(kinds: frozenset[str]) -> str:
    return ", ".join(sorted(kinds)) or "none: the project takes no elements of clients"
