"""Servers that list their folders, and the folder of any archive as the last guess. Pure."""

from itertools import pairwise

from hookfetch.core.derivation.place import Certainty, Feed, Place, Rule, listing

# Servers that list their folders, and under which other name where a name stands for any of many mirrors.
_LISTING_HOSTS = {
    "ftp.gnu.org": "ftp.gnu.org",
    "ftpmirror.gnu.org": "ftp.gnu.org",
    "archive.mozilla.org": "archive.mozilla.org",
    "ftp.mozilla.org": "archive.mozilla.org",
    "cdn.kernel.org": "cdn.kernel.org",
    "mirrors.edge.kernel.org": "mirrors.edge.kernel.org",
    "gstreamer.freedesktop.org": "gstreamer.freedesktop.org",
    "releases.pagure.org": "releases.pagure.org",
    "sourceware.org": "sourceware.org",
    "webkitgtk.org": "webkitgtk.org",
    "www.x.org": "www.x.org",
    "xorg.freedesktop.org": "xorg.freedesktop.org",
}
_AUTHORS = ("authors", "id")


def _cpan(place: Place) -> Feed | None:
    path = place.path
    if _AUTHORS not in pairwise(path):
        return None
    return listing(place, f"{place.at(*path[:-1])}/", "likely", "the author's folder on CPAN")


def _listed(place: Place) -> Feed | None:
    """Return the listing of a server that is known to list its folders."""
    host = place.host
    known = _LISTING_HOSTS.get(host)
    if known is None and not host.startswith(("ftp.", "download.", "downloads.", "download-mirror.")):
        return None
    return _folder(place, known, "likely" if known else "guess", f"the folder on {known or host}")


def _guessed(place: Place) -> Feed | None:
    return _folder(place, None, "guess", "the folder that it is in")


def _folder(place: Place, host: str | None, sure: Certainty, origin: str) -> Feed | None:
    """Return the listing that holds other versions: of the archive's folder, or of what is above the folder
    that is named by this very version."""
    folders = place.path[:-1]
    for depth, folder in enumerate(folders):
        if folder.removeprefix("v") == place.version:
            url = place.at(*folders[:depth], host=host)
            # Their names are versions, and of one thing.
            return Feed(kind="html_index", url=f"{url}/", sure=sure, origin=f"{origin}, above its version")
        if place.version in folder:
            return None  # what a listing calls the folder of another version cannot be told
    return listing(place, f"{place.at(*folders, host=host)}/", sure, origin)


FOLDERS: tuple[Rule, ...] = (_cpan, _listed, _guessed)
