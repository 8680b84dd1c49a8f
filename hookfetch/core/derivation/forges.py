"""Forges and sites whose archives' URLs have a form of their own. Pure."""

from hookfetch.core.derivation.place import Feed, Place, Rule, listing, name_in
from hookfetch.core.versions import in_file

# Hosts of a forge under another name than the forge's own. All others are known by the paths that they have.
_GITEA_HOSTS = frozenset({"codeberg.org", "gitea.com", "code.forgejo.org"})
_GITLAB_FILES = frozenset({"archive", "raw", "releases", "uploads"})


def _github(place: Place) -> Feed | None:
    if place.host not in ("github.com", "codeload.github.com", "www.github.com") or len(place.path) < 4:
        return None
    owner, name, section = place.path[0], place.path[1].removesuffix(".git"), place.path[2]
    released = place.path[2:4] == ("releases", "download")
    archived = section in ("archive", "tar.gz", "tarball", "zipball")
    tag = place.path[4:-1] if released else place.path[3:] if archived else ()
    return Feed(
        kind="github_atom",
        url=place.at(owner, name, "releases.atom" if released else "tags.atom", host="github.com"),
        sure="certain" if released or archived else "likely",
        origin="GitHub release" if released else "GitHub archive",
        name=name_in(tag, place.version),
    )


def _gitlab(place: Place) -> Feed | None:
    if "-" not in place.path[:-1]:
        return None
    cut = place.path.index("-")
    project, section = place.path[:cut], place.path[cut + 1]
    if len(project) < 2 or section not in _GITLAB_FILES:
        return None
    return Feed(
        kind="gitlab_atom",
        url=f"{place.at(*project)}/-/tags?format=atom",
        sure="certain",
        origin="GitLab archive",
        name=name_in(place.path[cut + 2 : cut + 3], place.version),
    )


def _gitea(place: Place) -> Feed | None:
    path = place.path
    released = path[2:4] == ("releases", "download") and len(path) == 6
    archived = path[2:3] == ("archive",) and len(path) == 4
    if not released and not archived:
        return None
    return Feed(
        kind="gitea_rss",
        url=place.at(*path[:2], "releases.rss" if released else "tags.rss"),
        sure="certain" if place.host in _GITEA_HOSTS else "likely",
        origin="Forgejo or Gitea release" if released else "Forgejo or Gitea archive",
        name=name_in(path[4:-1] if released else path[3:], place.version),
    )


def _sourcehut(place: Place) -> Feed | None:
    path = place.path
    if place.host != "git.sr.ht" or len(path) != 4 or path[2] != "archive":
        return None
    url = place.at(*path[:2], "refs", "rss.xml")
    name = name_in(path[3:], place.version)
    return Feed(kind="generic", url=url, sure="certain", origin="SourceHut archive", name=name)


def _gnome(place: Place) -> Feed | None:
    if place.host != "download.gnome.org" or place.path[0] != "sources" or len(place.path) != 4:
        return None
    url = place.at("sources", place.path[1], "cache.json")
    return Feed(kind="gnome_cache_json", url=url, sure="certain", origin="GNOME's downloads")


def _kernel(place: Place) -> Feed | None:
    kernels = ("pub", "linux", "kernel")
    if not place.host.endswith(".kernel.org") or place.path[:3] != kernels or len(place.path) != 5:
        return None
    if not place.file.startswith("linux-"):
        return None
    url = place.at("releases.json", host="www.kernel.org")
    return Feed(kind="kernel_releases_json", url=url, sure="certain", origin="kernel.org's releases")


def _sourceforge(place: Place) -> Feed | None:
    path = place.path
    host = place.host
    if host == "sourceforge.net" and path[0] in ("projects", "project") and len(path) > 2:
        project = path[1]
    elif host.endswith("downloads.sourceforge.net") or host == "dl.sourceforge.net":
        project = path[1] if path[0] == "project" and len(path) > 2 else path[0]
    else:
        return None
    file = path[-2] if place.file == "download" and len(path) > 1 else place.file
    spelled = in_file(file)
    return Feed(
        kind="sourceforge_rss",
        url=place.at("projects", project, "rss", host="sourceforge.net"),
        sure="certain",
        origin="SourceForge's files",
        name=spelled.name or None if spelled else None,
    )


def _launchpad(place: Place) -> Feed | None:
    if place.host != "launchpad.net" or "+download" not in place.path:
        return None
    return listing(place, place.at(place.path[0], "+download"), "likely", "Launchpad's downloads")


BY_HOST: tuple[Rule, ...] = (_github, _gnome, _kernel, _sourceforge, _launchpad, _sourcehut)
BY_PATH: tuple[Rule, ...] = (_gitlab, _gitea)
