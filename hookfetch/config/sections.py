"""The sections of the configuration: frozen values with sound defaults (docs/configuration.md has all)."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    field_validator,
    model_validator,
)

from hookfetch.config.access import GrantConfig
from hookfetch.config.caches import SourceCaches
from hookfetch.config.policy import PolicyConfig
from hookfetch.config.secret import read_secret
from hookfetch.config.supplied import SuppliedConfig
from hookfetch.core.errors import ConfigurationError

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Listen = Annotated[str, Field(pattern=r"^(\[[0-9a-fA-F:]+\]|[^\s:]+):\d{1,5}$")]
BaseUrl = Annotated[
    str, Field(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$"), AfterValidator(lambda url: url.rstrip("/"))
]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$"), AfterValidator(str.lower)]
# A path as a forge has it: parts of letters, digits, `_`, `-` and `.`, none of them dots alone.
_PART = r"[A-Za-z0-9_.-]*[A-Za-z0-9_-][A-Za-z0-9_.-]*"
RepositoryPath = Annotated[str, Field(pattern=rf"^{_PART}(/{_PART})+$", max_length=255)]
GroupPath = Annotated[str, Field(pattern=rf"^{_PART}(/{_PART})*$", max_length=255)]
# As git check-ref-format has it, narrowed to what needs no escape anywhere.
BranchName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*$", max_length=200)
]
# A URL as git takes it, `host:path`, or a path.
Repository = Annotated[str, Field(pattern=r"^[^\s\x00-\x1f-][^\s\x00-\x1f]*$", max_length=2000)]
ApiUrl = Annotated[
    str,
    Field(pattern=r"^(https://[^\s/?#@]+|http://(127\.0\.0\.1|localhost)(:[0-9]+)?)(/[^\s?#]*)?$"),
    AfterValidator(lambda url: url.rstrip("/")),
]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class IngressConfig(_Section):
    """Where forges post to. 202 waits for the disk, or for the broker's confirm: `durable`. `max_body`,
    `max_head` and `spool_max` are bytes (GitHub sends up to 25 MB), time-outs seconds, `connections` and
    `per_address` how many at once.
    Relayed deliveries are kept for `keep_days`, at most `keep_bytes` of them."""

    listen: Listen = "127.0.0.1:8080"
    public_url: BaseUrl | None = None
    max_body: Annotated[int, Field(gt=0)] = 25 * 1024 * 1024
    max_head: Annotated[int, Field(ge=1024, le=1024**2)] = 32 * 1024
    head_timeout: Annotated[float, Field(gt=0)] = 10.0
    body_timeout: Annotated[float, Field(gt=0)] = 10.0
    idle_timeout: Annotated[float, Field(gt=0)] = 75.0
    connections: Annotated[int, Field(gt=0)] = 800
    per_address: Annotated[int, Field(gt=0)] = 256
    trusted_proxies: tuple[IPvAnyNetwork, ...] = ()
    allow_from: tuple[IPvAnyNetwork, ...] = ()
    spool_max: Annotated[int, Field(gt=0)] = 1024**3
    durable: Literal["disk", "broker"] = "disk"
    keep_days: Annotated[float, Field(gt=0)] = 7.0  # GitHub redelivers for three
    keep_bytes: Annotated[int, Field(ge=0)] = 1024**3


class GrpcConfig(_Section):
    """Where clients connect to, over TLS with `tls_cert` and `tls_key`; with `client_ca` they show a
    certificate that it signed. `anonymous` is what those may who show nothing: everything if it is left out,
    no `[[caller]]` is there and nobody else can reach the address, and else nothing.
    `max_message` is the bytes of a request, `streams` the calls at once of a connection, `calls_per_caller`
    of a caller, `work_per_caller` those of them that ask for work or change something. Of elements of its own
    a caller brings `supplied_at_once`, `supplied_per_minute` and `supplied_per_hour`."""

    listen: Listen = "127.0.0.1:50052"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None
    anonymous: tuple[GrantConfig, ...] | None = None
    max_message: Annotated[int, Field(ge=1024, le=64 * 1024**2)] = 4 * 1024**2
    streams: Annotated[int, Field(gt=0)] = 2000
    calls_per_caller: Annotated[int, Field(gt=0)] = 2000
    work_per_caller: Annotated[int, Field(gt=0)] = 200
    supplied_at_once: Annotated[int, Field(ge=0)] = 4
    supplied_per_minute: Annotated[int, Field(ge=0)] = 30
    supplied_per_hour: Annotated[int, Field(ge=0, le=10_000)] = 300

    @model_validator(mode="after")
    def _tls_is_whole(self) -> "GrpcConfig":
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("`tls_cert` and `tls_key` belong together")
        if self.client_ca is not None and self.tls_cert is None:
            raise ValueError("`client_ca` needs `tls_cert` and `tls_key`")
        return self


class OriginalsConfig(_Section):
    """Where clients get what this machine's workers keep of upstreams; nowhere without `listen`. `public_url`
    is what they reach it by. `per_address` bounds connections, and requests through `trusted_proxies`,
    `processes` those of git; `deadline` and `stall` are seconds for an answer, and for a client to take a
    piece of it."""

    listen: Listen | None = None
    public_url: BaseUrl | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    connections: Annotated[int, Field(gt=0)] = 400
    per_address: Annotated[int, Field(gt=0)] = 64
    processes: Annotated[int, Field(gt=0)] = 16
    deadline: Annotated[float, Field(gt=0)] = 3600.0
    stall: Annotated[float, Field(gt=0)] = 60.0
    trusted_proxies: tuple[IPvAnyNetwork, ...] = ()

    @model_validator(mode="after")
    def _tls_is_whole(self) -> "OriginalsConfig":
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("`tls_cert` and `tls_key` belong together")
        return self


class BusConfig(_Section):
    """In-process without a URL. Files keep a broker's user and password out of this one: `url_file` holds
    the whole URL, `user_file` and `password_file` complete one. `ca_file`, `cert_file` and `key_file` are
    PEM, for `amqps`. `consumer_timeout` is what the broker has, in seconds: AMQP does not tell it."""

    url: str | None = None
    url_file: Path | None = None
    user_file: Path | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    confirm_timeout: Annotated[float, Field(gt=0)] = 10.0
    consumer_timeout: Annotated[float, Field(gt=0)] = 1800.0

    def broker_url(self) -> str | None:
        """Return the AMQP URL with user and password, or None for the in-process bus; ConfigurationError
        when a file is unreadable, or there is no URL to complete."""
        url = self.url if self.url_file is None else read_secret(self.url_file, "bus.url_file")
        if self.user_file is None and self.password_file is None:
            return url
        if url is None:
            raise ConfigurationError("bus.user_file, bus.password_file: need bus.url beside them")
        scheme, slashes, rest = url.partition("://")
        place = rest.rpartition("@")[2] if "@" in rest.partition("/")[0] else rest
        known = rest.removesuffix(place).removesuffix("@").partition(":")
        user, password = known[0], known[2]
        if self.user_file is not None:
            user = quote(read_secret(self.user_file, "bus.user_file"), safe="")
        if self.password_file is not None:
            password = quote(read_secret(self.password_file, "bus.password_file"), safe="")
        return f"{scheme}{slashes}{user}:{password}@{place}"


class SweepConfig(_Section):
    """How often every followed repository is asked: between `interval_least` and `interval_most` seconds,
    by when it moved last. `concurrency` and `per_host` are how many at once, `rate` how many a second of
    one host; all three are the process's."""

    interval_least: Annotated[float, Field(gt=0)] = 60.0
    interval_most: Annotated[float, Field(gt=0)] = 15360.0  # 256 times the least: 4 h 16 min
    concurrency: Annotated[int, Field(gt=0, le=64)] = 16
    per_host: Annotated[int, Field(gt=0, le=64)] = 4
    rate: Annotated[float, Field(gt=0)] = 5.0
    timeout: Annotated[float, Field(gt=0)] = 20.0

    @model_validator(mode="after")
    def _least_is_least(self) -> "SweepConfig":
        if self.interval_most < self.interval_least:
            raise ValueError("interval_most is less than interval_least")
        return self


class UpstreamConfig(_Section):
    """The account at a git server, for the sweep: sent to `host` alone, over TLS or to this machine."""

    host: Annotated[str, Field(pattern=r"^(\[[0-9a-f:]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?$")]
    user: Annotated[str, Field(pattern=r"^[^\s:@/]+$")]
    password_file: Path


class EngineConfig(_Section):
    """Warm BuildStream processes. `deadline` is a job's, in seconds; a process is replaced
    after `recycle_after` jobs. An upstream that sends nothing for `stall` seconds is given up, and one that
    drips for twice as long. Without `shortcut` every source is staged by BuildStream itself.
    Of originals and what is known of staged sources at most `mirrors_bytes` are kept, and of staged sources
    at most `cache_bytes` by each process. An archive of a new release has at most `archive_bytes`. A client's
    element has `supplied_deadline` and `supplied_bytes`."""

    processes: Annotated[int, Field(gt=0, le=32)] = 2
    deadline: Annotated[float, Field(gt=0)] = 1200.0
    recycle_after: Annotated[int, Field(gt=0)] = 1000
    stall: Annotated[float, Field(gt=0)] = 60.0
    shortcut: bool = True
    cache_lease: Annotated[float, Field(ge=0)] = 3600.0  # seconds; shorter than what the source cache expires
    mirrors_bytes: Annotated[int, Field(ge=0)] = 50 * 1024**3
    archive_bytes: Annotated[int, Field(ge=1)] = 8 * 1024**3
    cache_bytes: Annotated[int, Field(ge=1024**2)] = 10 * 1024**3
    supplied_deadline: Annotated[float, Field(gt=0)] = 300.0
    supplied_bytes: Annotated[int, Field(ge=1024**2)] = 2 * 1024**3


class RetryConfig(_Section):
    """An element that fails is tried again after `first` seconds, doubled up to `most`;
    after `attempts` failures in a row it is set aside for `quarantine` seconds."""

    first: Annotated[float, Field(gt=0)] = 5.0
    most: Annotated[float, Field(gt=0)] = 600.0
    attempts: Annotated[int, Field(gt=0)] = 5
    quarantine: Annotated[float, Field(gt=0)] = 86400.0


class HookApiConfig(_Section):
    """Where a hook is to be registered: the forge's API at `url`, and its repositories (`owner/name`) and
    groups (GitHub: organisations). The token is not sent without TLS, except to this machine."""

    token_file: Path
    url: ApiUrl | None = None
    repositories: tuple[RepositoryPath, ...] = ()
    groups: tuple[GroupPath, ...] = ()


class HookCheckConfig(_Section):
    """How `serve` looks after hooks with an `api`: seconds between two checks and for one answer, and
    repositories of one hook asked at once."""

    interval: Annotated[float, Field(gt=0)] = 900.0
    timeout: Annotated[float, Field(gt=0)] = 20.0
    concurrency: Annotated[int, Field(gt=0, le=64)] = 4


class HookConfig(_Section):
    """A hook is `/hooks/<name>`. Each file holds one secret, and those after the first may not be there yet;
    a GitLab signing token starts with `whsec_`.
    The rest is as in `HookOptions`; which forge heeds what, docs/forges.md says."""

    name: Name
    forge: str
    secret_files: Annotated[tuple[Path, ...], Field(min_length=1)]
    allow_from: tuple[IPvAnyNetwork, ...] = ()
    base_url: BaseUrl | None = None
    sha1: bool = False
    header: HeaderName | None = None
    api: HookApiConfig | None = None

    @field_validator("name")
    @classmethod
    def _is_no_look(cls, value: str) -> str:
        if value == "sweep":  # a delivery's id begins with its hook's name, and the sweep's looks with this
            raise ValueError("the name 'sweep' is taken by the sweep")
        return value


class ProjectConfig(_Section):
    """A BuildStream project and the cache its sources go to (URL of a server with index and storage;
    without one, updates are announced as not cached).

    `repository` is the URL or path of its git repository, of which hookfetch keeps a clone: each of
    `branches` is loaded, and again when it is pushed to. With `path` instead a checkout is read where it
    is, as it is, when hookfetch starts."""

    name: Name
    path: Path | None = None
    repository: Repository | None = None
    branches: tuple[BranchName, ...] = ()
    source_cache: SourceCaches = ()
    options: dict[str, str] = {}
    targets: tuple[str, ...] = ("**.bst",)
    policy: tuple[PolicyConfig, ...] = ()
    supplied: SuppliedConfig = SuppliedConfig()

    @field_validator("repository")
    @classmethod
    def _runs_no_helper(cls, value: str | None) -> str | None:
        if value is not None and "::" in value.partition("[")[0]:
            raise ValueError("git's remote helpers (`name::address`) are not used")
        return value

    @model_validator(mode="after")
    def _is_in_one_place(self) -> "ProjectConfig":
        if (self.path is None) == (self.repository is None):
            raise ValueError("needs either `repository` and `branches`, or `path`")
        if (self.repository is None) != (not self.branches):
            raise ValueError("`repository` and `branches` belong together")
        if len(set(self.branches)) < len(self.branches):
            raise ValueError("a branch is named twice")
        return self

    def each_branch(self) -> "tuple[ProjectConfig, ...]":
        """Return a project a branch, each with a name of its own, `<name>@<branch>`: it has its own index,
        refs, jobs and log. A checkout is one project under its own name."""
        return tuple(
            self.model_copy(update={"name": f"{self.name}@{quote(branch, safe='')}", "branches": (branch,)})
            for branch in self.branches
        ) or (self,)
