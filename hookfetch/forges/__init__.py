"""One file a forge: verify a delivery, turn it into facts.

Pure, but for `load_forges`, which asks the installed packages which forges there are.
"""

from collections.abc import Mapping
from dataclasses import fields
from importlib.metadata import entry_points

from hookfetch.core.errors import ConfigurationError
from hookfetch.core.ports import Forge, ForgeFactory, HookOptions

_GROUP = "hookfetch.forges"
_CONTRACT = ("verify", "delivery_id", "parse")
_NO_OPTIONS = HookOptions()


def load_forges() -> Mapping[str, ForgeFactory]:
    """Return every installed forge by the name that a hook's configuration uses.

    ConfigurationError when two packages offer different forges under one name, since which of
    them checks a signature must not depend on the order of installation, or when one is no forge.
    """
    forges: dict[str, ForgeFactory] = {}
    places: dict[str, str] = {}
    for entry in entry_points(group=_GROUP):
        if places.setdefault(entry.name, entry.value) != entry.value:
            raise ConfigurationError(
                f"the forge {entry.name!r} is installed twice: {places[entry.name]} and {entry.value}"
            )
        try:
            factory = entry.load()
            forge = factory(_NO_OPTIONS)
        except (ImportError, AttributeError, TypeError) as error:
            raise ConfigurationError(f"the forge {entry.name!r} cannot be loaded: {error}") from error
        if not all(callable(getattr(forge, name, None)) for name in _CONTRACT):
            raise ConfigurationError(f"the forge {entry.name!r} is none: {entry.value} lacks its functions")
        forges[entry.name] = factory
    return forges


def configured_forge(factory: ForgeFactory, options: HookOptions) -> Forge:
    """Return the forge for a hook; ConfigurationError names an option that it has no use for, or lacks."""
    heeded = getattr(factory, "HEEDS", None)
    given = [item.name for item in fields(options) if getattr(options, item.name)]
    for name in given:
        if heeded is not None and name not in heeded:
            raise ConfigurationError(f"{name}: this forge has no use for it")
    for name in getattr(factory, "NEEDS", ()):
        if name not in given:
            raise ConfigurationError(f"{name} is required: this forge's deliveries do not say it")
    return factory(options)
