"""Which BuildStream the engine was written against. Imports nothing of BuildStream itself."""

from importlib.metadata import PackageNotFoundError, version

from packaging.specifiers import SpecifierSet

from hookfetch.core.errors import ConfigurationError

# Private names may change in any release: a new one needs a run of the contract test first.
SUPPORTED = SpecifierSet("~=2.8.1")


def check_buildstream() -> None:
    """Return if the installed BuildStream is supported; ConfigurationError with both versions otherwise."""
    try:
        installed = version("BuildStream")
    except PackageNotFoundError as error:
        raise ConfigurationError(f"BuildStream{SUPPORTED} is needed, and none is installed") from error
    if installed not in SUPPORTED:
        raise ConfigurationError(f"BuildStream{SUPPORTED} is needed, and {installed} is installed")
