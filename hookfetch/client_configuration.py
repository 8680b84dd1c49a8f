"""What a client of BuildStream needs in its user configuration to get a project's sources and their originals
from here. Pure: the configuration and a loaded project in, a mapping and what there is to know about it out.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from hookfetch.config import Config, ProjectConfig
from hookfetch.config.caches import SourceCacheConfig
from hookfetch.core.errors import ConfigurationError
from hookfetch.core.sources import Alias, Aliases, LoadedProject
from hookfetch.server.originals.names import Kind, mirror_address

_NAME = "hookfetch"  # of the mirror
_EVERYWHERE = frozenset({"0.0.0.0", "[::]"})  # noqa: S104 - compared, not bound


@dataclass(frozen=True, slots=True)
class ClientConfiguration:
    """A user configuration as BuildStream reads it, and lines for the person who hands it on."""

    content: Mapping[str, Any]
    notes: Sequence[str] = field(default_factory=list)


def originals_urls(config: Config) -> list[str]:
    """Return where clients find the originals of this machine, nothing where none are served;
    ConfigurationError when that cannot be known."""
    section = config.originals
    if section.public_url is not None:
        return [section.public_url]
    if section.listen is None:
        return []
    if section.listen.rpartition(":")[0] in _EVERYWHERE:
        what = f"originals.public_url: is needed where originals.listen is {section.listen}"
        raise ConfigurationError(f"{what}, which no client can connect to")
    return [f"{'http' if section.tls_cert is None else 'https'}://{section.listen}"]


def client_configuration(
    project: ProjectConfig,
    loaded: LoadedProject,
    originals: Sequence[str],
    is_private: Callable[[str], bool],
    *,
    tokens: bool,
    tracks: bool,
    gateway: str | None = None,
    shares_storage: bool = False,
) -> ClientConfiguration:
    """Return the configuration for clients of `project` as it was `loaded`: its source caches, to be pulled
    from, and mirrors at each of `originals` before the upstreams and the project's own mirrors.

    `is_private` says of which addresses originals are kept for the project alone: they are served where
    clients show `tokens`. With `tracks` clients also track at mirrors first. At a `gateway` (the address of
    `grpc.listen` as clients have it) they ask for names, and the caches for content alone. With
    `shares_storage` they keep content there too, and none themselves; ConfigurationError where there is none.
    """
    notes = [_note(cache) for cache in project.source_cache if cache.cert_file or cache.access_token_file]
    notes += [_token_note(url) for url in originals if tokens]
    notes += [_gateway_note(gateway)] if gateway is not None and tokens else []
    caches = _caches(project, gateway)
    projects: dict[str, Any] = {}
    for aliases in loaded.aliases:
        content: dict[str, Any] = {"source-caches": caches} if project.source_cache else {}
        kept = [alias for alias in aliases.aliases if alias.kept_as]
        served = [alias for alias in kept if tokens or not is_private(alias.address)]
        notes += _notes(aliases, served)
        mirrors = [mirror for number, url in enumerate(originals) if (mirror := _mirror(number, url, served))]
        if mirrors:  # else the project's own stand as they are
            own = [{"name": name, "aliases": _lists(of)} for name, of in aliases.mirrors.items() if of]
            content["mirrors"] = [*mirrors, *own]
            notes += [
                f"{aliases.project}: its mirror {name!r} is a plugin's and is left out: add it to `mirrors`"
                for name, of in aliases.mirrors.items()
                if of is None
            ]
        if content:
            projects[aliases.project] = content
    # By default BuildStream tracks at the upstream alone.
    track = {"track": {"source": "all"}} if originals and tracks else {}
    cache = {"cache": {"storage-service": _storage(project)}} if shares_storage else {}
    return ClientConfiguration({"projects": projects, **track, **cache}, notes)


def _mirror(number: int, url: str, served: Sequence[Alias]) -> dict[str, Any] | None:
    aliases = {alias.name: list(_addresses(url, alias)) for alias in served}
    aliases = {name: addresses for name, addresses in aliases.items() if addresses}
    name = _NAME if number == 0 else f"{_NAME}-{number + 1}"
    return {"name": name, "aliases": aliases} if aliases else None


def _addresses(url: str, alias: Alias) -> Iterator[str]:
    kinds: tuple[Kind, ...] = ("git", "files")
    for kind in kinds:
        if kind in alias.kept_as and (address := mirror_address(url, kind, alias.address)) is not None:
            yield address


def _caches(project: ProjectConfig, gateway: str | None) -> dict[str, Any]:
    if gateway is None:
        return {"servers": [_server(cache) for cache in project.source_cache]}
    names = {"url": gateway, "type": "index", "push": False}
    storages = [{**_server(cache), "type": "storage"} for cache in project.source_cache if cache.is_storage]
    # Of several indexes BuildStream takes the last one's word: the project's own are left out.
    return {"override-project-caches": True, "servers": [names, *storages]}


def _server(cache: SourceCacheConfig) -> dict[str, Any]:
    return {"url": cache.url, "type": cache.type, "push": False, **_auth(cache)}


def _storage(project: ProjectConfig) -> dict[str, Any]:
    """Return the first storage that workers push to: what is cached is there."""
    for cache in project.source_cache:
        if cache.is_storage and cache.push:
            return {"url": cache.url, **_auth(cache)}
    raise ConfigurationError(f"--shared-storage: project {project.name} has no source cache to share")


def _auth(cache: SourceCacheConfig) -> dict[str, Any]:
    return {"auth": {"server-cert": str(cache.ca_file)}} if cache.ca_file else {}


def _note(cache: SourceCacheConfig) -> str:
    what = f"{cache.url}: wants a certificate or a token"
    return f"{what}; the service's own is not for clients: add theirs as `auth`"


def _gateway_note(url: str) -> str:
    return f"{url}: wants a token: add the path of a file with it as `auth: {{access-token: …}}`"


def _token_note(url: str) -> str:
    host = urlsplit(url).hostname
    return f"{url}: wants a token: in the client's ~/.netrc `machine {host} login hookfetch password TOKEN`"


def _notes(aliases: Aliases, served: Sequence[Alias]) -> Iterator[str]:
    for alias in aliases.aliases:
        if alias.kept_as and alias not in served:
            what = f"{aliases.project}: {alias.name} ({alias.address}) wants an account"
            yield f"{what}: its originals are not served, and clients go there themselves"


def _lists(aliases: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {alias: list(addresses) for alias, addresses in aliases.items()}
