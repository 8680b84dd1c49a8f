"""Where does the upstream of an archive tell of its releases? A file's URL in, the feed's address and kind
out. Pure: nothing is asked whether it exists.

The rules are tried in turn: what is sure comes first, and a listing of the archive's own folder is the last
guess. How a feed of a kind is read is `hookfetch.feeds`.
"""

from hookfetch.core.derivation.folders import FOLDERS
from hookfetch.core.derivation.forges import BY_HOST, BY_PATH
from hookfetch.core.derivation.place import Certainty, Feed, parse
from hookfetch.core.derivation.registries import REGISTRIES, python_rule

__all__ = ["Certainty", "Feed", "derive"]


def derive(url: str, version: str, python_index: str | None = None) -> Feed | None:
    """Return the feed of the archive at the http(s) address `url`, which holds `version`; None where not even
    a guess is possible. `python_index` is the address of the Python package index, whose files have a host
    of their own."""
    place = parse(url, version)
    if place is None:
        return None
    rules = (*BY_HOST, *REGISTRIES, python_rule(python_index), *BY_PATH, *FOLDERS)
    return next(filter(None, (rule(place) for rule in rules)), None)
