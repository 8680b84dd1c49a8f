"""A loaded project as values: elements, their sources, and the refs committed in the branch."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from hookfetch.core.policy import Policy, PolicyKeys, PolicyRule, compiled

# BuildStream's source ref. A mapping is always the keys as they stand in the source: {"ref", "tags"} of
# git with tags, {"ref": {"sha256sum", "suffix"}} of pypi, {"sha256sum", "suffix"} of cpan, all scalars in
# it strings. Anything else is the value of `ref` itself: a string for most kinds, a list for cargo2.
Ref = JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source of an element as BuildStream loaded it.

    `index` counts from 0 within the element, across every source kind. `urls` are resolved:
    the primary URL first, then the project's mirrors of it. `track` holds the plugin's own
    tracking keys as written (`track`, `track-extra`, `track-tags`, `match`, `exclude`,
    `ref-format`, `path`); `ref` is the committed ref. `version` is that of an archive where the source says
    it, `version_guess` what BuildStream takes for it where it does not.
    """

    index: int
    kind: str
    urls: tuple[str, ...] = ()
    track: Mapping[str, JsonValue] = field(default_factory=dict)
    ref: Ref = None
    directory: str | None = None
    version: str | None = None
    version_guess: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """An element by its full name (`junction.bst:name.bst` behind a junction). `policy` is what its own
    public data say, `mistake` why they are not heeded. By `keys` its committed sources are cached, as far as
    a load knows them: the element's own key and each source's (`<kind>/<key>`)."""

    name: str
    kind: str
    sources: tuple[Source, ...] = ()
    policy: PolicyKeys | None = None
    mistake: str | None = None
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """What a project's alias stands for, and as what originals from there are kept for the loaded sources
    that use it: as mirrors of repositories (`git`) or as `files`."""

    name: str
    address: str
    kept_as: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Aliases:
    """The aliases of `project`, and its own mirrors by name, in the order in which they are tried: what each
    alias stands for there (None: a plugin makes each address anew)."""

    project: str
    aliases: tuple[Alias, ...]
    mirrors: Mapping[str, Mapping[str, tuple[str, ...]] | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedProject:
    """What BuildStream says of a project after a load: `name` is project.conf's, `revision` the commit that
    was loaded (None: a checkout as it was), `policy` the rules of its own file. `aliases` are its own, and
    then those of each project behind its junctions."""

    name: str
    elements: tuple[Element, ...]
    revision: str | None = None
    policy: tuple[PolicyRule, ...] = ()
    aliases: tuple[Aliases, ...] = ()

    def policy_over(self, configured: Policy) -> Policy:
        """Return what holds for the project: its own word comes to what is `configured` for it."""
        own = {element.name: element.policy for element in self.elements if element.policy is not None}
        return replace(configured, project=compiled(self.policy), own=own)

    def still(self, policy: Policy) -> frozenset[str]:
        """Return the elements that `policy` has stay as they are."""
        return frozenset(each.name for each in self.elements if policy.of(each.name).stays)
