"""Which BuildStream the engine was written against. Imports nothing of BuildStream itself."""

from importlib.metadata import PackageNotFoundError, version

from packaging.specifiers import SpecifierSet

from hookfetch.core.errors import ConfigurationError

# Private names may change in any release: a new one needs a run of the contract test first.
SUPPORTED = SpecifierSet("~=2.8.1")

# What the shortcut stands in for; `make test` compares both ways with these.
SHORTCUT = {
    "BuildStream": "2.8.1",
    "buildstream-plugins": "2.8.0",
    "buildstream-plugins-community": "2.4.0",
    "dulwich": "1.2.21",
}


def other_than_the_shortcuts() -> str | None:
    """Return which installed package is of another version than the shortcut was written against, or None."""
    for name, wanted in SHORTCUT.items():
        installed = version(name)
        if installed != wanted:
            return f"{name} {wanted} is needed, and {installed} is installed"
    return None


def check_buildstream() -> None:
    """Return if the installed BuildStream is supported; ConfigurationError with both versions otherwise."""
    try:
        installed = version("BuildStream")
    except PackageNotFoundError as error:
        raise ConfigurationError(f"BuildStream{SUPPORTED} is needed, and none is installed") from error
    if installed not in SUPPORTED:
        raise ConfigurationError(f"BuildStream{SUPPORTED} is needed, and {installed} is installed")
