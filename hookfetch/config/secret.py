"""Secrets stand in files of their own, whose paths the configuration holds. They are never logged."""

from collections.abc import Sequence
from pathlib import Path

from hookfetch.core.errors import ConfigurationError


def read_secrets(files: Sequence[Path], key: str) -> tuple[str, ...]:
    """Return the secrets in those of `files` that exist; ConfigurationError when none does, or one that does
    is empty or unreadable."""
    found = [file for file in files if file.exists()]
    return tuple(read_secret(file, key) for file in found or files)


def read_secret(path: Path, key: str) -> str:
    """Return a secret file's text without its last newline; ConfigurationError when empty or unreadable."""
    try:
        text = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {key}: the secret cannot be read: {error}") from error
    if not text:
        raise ConfigurationError(f"{path}: {key}: the secret is empty")
    return text
