"""Makes secrets and their files. Nothing that exists is ever written over."""

import base64
import os
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hookfetch.core.errors import ConfigurationError
from hookfetch.forges.api.values import SecretForm
from hookfetch.forges.signatures import SIGNING_TOKEN_PREFIX

_BYTES = 32


def new_secret(form: SecretForm) -> str:
    """Return a fresh secret of 32 random bytes; `signing` is Standard Webhooks' `whsec_` form."""
    if form == "signing":
        return SIGNING_TOKEN_PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode("ascii")
    return secrets.token_urlsafe(_BYTES)


def form_of(secret: str) -> SecretForm:
    """Return which form `secret` has."""
    return "signing" if secret.startswith(SIGNING_TOKEN_PREFIX) else "plain"


def todays(files: Sequence[Path]) -> Path | None:
    """Return the last of `files` that exists, or None."""
    return next((file for file in reversed(files) if file.exists()), None)


def place_for_new(files: Sequence[Path], hook: str, *, rotate: bool) -> Path:
    """Return the file for a new secret, the first after all that exist; ConfigurationError without one."""
    last = todays(files)
    free = files[0 if last is None else files.index(last) + 1 :]
    if not free:
        assert rotate
        raise ConfigurationError(
            f"hook {hook}: --rotate makes a new secret in a file after the others: move the newest over the "
            "first, or add a path that does not exist yet to the end of hook.secret_files"
        )
    return free[0]


def write_secret(path: Path, secret: str) -> None:
    """Return once `path` durably holds `secret`, mode 0600; ConfigurationError when it exists or cannot."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".secret-")  # mode 0600
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(secret + "\n")
                file.flush()
                os.fsync(file.fileno())
            Path(path).hardlink_to(name)  # unlike a rename, fails where something is already
        finally:
            Path(name).unlink()
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise ConfigurationError(f"{path}: the secret cannot be written: {error.strerror}") from error
