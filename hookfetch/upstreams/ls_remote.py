"""A repository's refs by `git ls-remote`, for what is not http(s): ssh and the git protocol."""

from collections.abc import Mapping, Sequence

from hookfetch.core.observation import RemoteRef
from hookfetch.upstreams.advertisement import RefCollector
from hookfetch.upstreams.git import LOCAL, git


async def ls_remote(
    url: str, prefixes: Sequence[str], timeout: float, *, local: bool = False
) -> Mapping[str, RemoteRef]:
    """Return the refs below any of `prefixes` of the repository at `url`, within `timeout` seconds; `local`
    allows a path of this machine. Raises what `git` does."""
    environment = LOCAL if local else None
    return _parse(await git(["ls-remote", "--", url], timeout, environment=environment), tuple(prefixes))


def _parse(output: bytes, prefixes: tuple[str, ...]) -> Mapping[str, RemoteRef]:
    refs = RefCollector(prefixes)
    for line in output.splitlines():
        oid, _, name = line.partition(b"\t")
        if name.endswith(b"^{}"):
            refs.peel(oid.decode("ascii", "replace"), name.removesuffix(b"^{}"))
        else:
            refs.add(oid.decode("ascii", "replace"), name)
    return refs.refs
