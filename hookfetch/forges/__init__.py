"""One file a forge: verify a delivery, turn it into facts.

Pure, but for `load_forges`, which asks the installed packages which forges there are.
"""

from collections.abc import Mapping
from importlib.metadata import entry_points

from hookfetch.core.errors import ConfigurationError
from hookfetch.core.ports import Forge

_GROUP = "hookfetch.forges"
_CONTRACT = ("verify", "delivery_id", "parse")


def load_forges() -> Mapping[str, Forge]:
    """Return every installed forge by the name that a hook's configuration uses.

    ConfigurationError when two packages offer different forges under one name, since which of
    them checks a signature must not depend on the order of installation, or when one is no forge.
    """
    forges: dict[str, Forge] = {}
    places: dict[str, str] = {}
    for entry in entry_points(group=_GROUP):
        if places.setdefault(entry.name, entry.value) != entry.value:
            raise ConfigurationError(
                f"the forge {entry.name!r} is installed twice: {places[entry.name]} and {entry.value}"
            )
        try:
            forge = entry.load()
        except (ImportError, AttributeError) as error:
            raise ConfigurationError(f"the forge {entry.name!r} cannot be loaded: {error}") from error
        if not all(callable(getattr(forge, name, None)) for name in _CONTRACT):
            raise ConfigurationError(f"the forge {entry.name!r} is none: {entry.value} lacks its functions")
        forges[entry.name] = forge
    return forges
