"""The source caches of a project: where they are, what each holds, and the files by which it lets one in."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from hookfetch.config.secret import read_secret

_FILES = ("ca_file", "cert_file", "key_file", "access_token_file")


class SourceCacheConfig(BaseModel):
    """A server as BuildStream's user configuration has it: names (`index`: Remote Asset), blobs (`storage`:
    Remote Execution's CAS) or both (`all`); one without `push` is only fetched from. `ca_file`, `cert_file`
    and `key_file` are PEM; the token in `access_token_file` is sent over TLS alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+/?$")]
    type: Literal["index", "storage", "all"] = "all"
    push: bool = True
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    access_token_file: Path | None = None

    @property
    def is_index(self) -> bool:
        """Return whether it holds names."""
        return self.type != "storage"

    @property
    def is_storage(self) -> bool:
        """Return whether it holds blobs."""
        return self.type != "index"

    def below(self, folder: Path) -> Self:
        """Return it with its relative paths starting at `folder`."""
        files = {name: getattr(self, name) for name in _FILES}
        return self.model_copy(update={name: folder / file for name, file in files.items() if file})

    def credentials(self) -> dict[str, str]:
        """Return the text of each of its files by key; ConfigurationError when one is unreadable or empty."""
        files = {name: getattr(self, name) for name in _FILES}
        return {name: read_secret(file, f"source_cache.{name}") for name, file in files.items() if file}

    @model_validator(mode="after")
    def _has_its_files_together(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together")
        if not self.url.startswith("https://") and any(getattr(self, name) for name in _FILES):
            raise ValueError("ca_file, cert_file, key_file and access_token_file need an https:// url")
        return self


def _as_tables(value: Any) -> Any:
    if value is None:
        return ()
    return ({"url": value},) if isinstance(value, str) else value


def _complete(caches: tuple[SourceCacheConfig, ...]) -> tuple[SourceCacheConfig, ...]:
    pushed = [cache for cache in caches if cache.push]
    for what, found in (
        ("index", any(cache.is_index for cache in pushed)),
        ("storage", any(cache.is_storage for cache in pushed)),
    ):
        if caches and not found:
            raise ValueError(f"no {what} is pushed to: name a cache of type {what!r} or 'all' with push")
    return caches


# None, the URL of one server of type `all`, or tables.
SourceCaches = Annotated[
    tuple[SourceCacheConfig, ...], BeforeValidator(_as_tables), AfterValidator(_complete)
]
