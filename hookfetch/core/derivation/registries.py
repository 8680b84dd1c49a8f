"""Package registries, known by the paths of their files, whatever their hosts are called. Pure."""

import re
from urllib.parse import quote

from hookfetch.core.derivation.place import Certainty, Feed, Place, Rule
from hookfetch.core.versions import in_file

# Files by their digest (since 2016), and before by their project's name.
_PYTHON_FILE = re.compile(r"packages/(?:[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{60}|source/[^/]/[^/]+)/[^/]+")
_NPM_FILE = re.compile(r"(?P<name>(?:@[^/]+/)?[^/]+)/-/[^/]+\.tgz")
_CRATE = re.compile(r"(?:crates|api/v1/crates)/(?P<name>[A-Za-z0-9_-]+)/(?:[^/]+\.crate|[^/]+/download)")
_GEM = re.compile(r"(?:gems|downloads)/(?P<name>.+)-[0-9][^/]*\.gem")
_GO_FILE = re.compile(r"(?P<module>[^@]+)/@v/v[^/]+\.zip")


def _npm(place: Place) -> Feed | None:
    found = _NPM_FILE.fullmatch("/".join(place.path))
    if found is None:
        return None
    url = place.at(found["name"].replace("/", "%2f")).replace("%252f", "%2f")
    return Feed(kind="npm", url=url, sure="certain", origin="npm package")


def _crate(place: Place) -> Feed | None:
    found = _CRATE.fullmatch("/".join(place.path))
    if found is None:
        return None
    name = found["name"].lower()
    # As Cargo's registry index is laid out: 1/a, 2/ab, 3/a/abc, ab/cd/abcd.
    folders = {1: ("1",), 2: ("2",), 3: ("3", name[0])}.get(len(name), (name[:2], name[2:4]))
    host = place.host.removeprefix("static.")
    url = place.at(*folders, name, host=f"index.{host}")
    return Feed(kind="crates_sparse_index", url=url, sure="certain", origin="crate")


def _gem(place: Place) -> Feed | None:
    found = _GEM.fullmatch("/".join(place.path))
    if found is None:
        return None
    url = place.at("info", found["name"])
    return Feed(kind="rubygems_compact_index", url=url, sure="certain", origin="gem")


def _go(place: Place) -> Feed | None:
    found = _GO_FILE.fullmatch("/".join(place.path))
    if found is None:
        return None
    url = place.at(*found["module"].split("/"), "@v", "list")
    return Feed(kind="goproxy", url=url, sure="certain", origin="Go module")


def python_rule(index: str | None) -> Rule:
    """Return the rule for Python packages, whose index is at the address `index`, or where the host of its
    files says it (`files.example.org` of `example.org`)."""

    def rule(place: Place) -> Feed | None:
        spelled = in_file(place.file)
        if spelled is None or not spelled.name or not _PYTHON_FILE.fullmatch("/".join(place.path)):
            return None
        own = None if not place.host.startswith("files.") else f"https://{place.host.removeprefix('files.')}"
        begin = index or own
        if begin is None:
            return None
        name = re.sub(r"[-_.]+", "-", spelled.name).lower()  # PEP 503
        url = f"{begin}/pypi/{quote(name)}/json"
        sure: Certainty = "certain" if index else "likely"
        return Feed(kind="pypi_json", url=url, sure=sure, origin="Python package")

    return rule


REGISTRIES: tuple[Rule, ...] = (_npm, _crate, _gem, _go)
