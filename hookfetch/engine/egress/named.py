"""What the loaded project names, for all who connect on its behalf: this process, the threads that do it for
git, and the children that download archives. A file in the worker's temporary directory, since a forkserver's
children know no more of a later load; it is read when something is at a private address, which is seldom.
"""

import json
import os
from collections.abc import Iterable, Set
from pathlib import Path
from urllib.request import getproxies

from hookfetch.core.egress import Place, named_by

_NAME = "named.json"


def write_named(places: Iterable[Place]) -> None:
    """Have `places` be what is named from now on."""
    path = _path()
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(sorted(places)), encoding="ascii")
    partial.replace(path)


def read_named() -> Set[Place]:
    """Return the places that are named now; none before anything was loaded."""
    try:
        written = json.loads(_path().read_text(encoding="ascii"))
    except FileNotFoundError:
        return frozenset()
    return frozenset((host, port) for host, port in written)


def of_operator(accounts: Iterable[str], addresses: Iterable[str]) -> frozenset[Place]:
    """Return the places that the operator names: hosts (`name` or `name:port`) with `accounts`, those of
    `addresses`, and the proxies of the environment."""
    proxies = (value for name, value in getproxies().items() if name != "no")
    written = [*addresses, *(f"https://{account}" for account in accounts)]
    written += [proxy if "://" in proxy else f"http://{proxy}" for proxy in proxies]
    return frozenset(place for address in written for place in named_by(address))


def _path() -> Path:
    return Path(os.environ["TMPDIR"]) / _NAME
