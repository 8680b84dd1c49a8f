"""Files that a client brings in place of elements of a project, for `hookfetch track` and `fetch`."""

from pathlib import Path
from typing import Any

import click

supplied_option = click.option(
    "--supplied",
    "files",
    multiple=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="A .bst file that the project does not have (may be repeated).",
)


def names_of(elements: tuple[str, ...], files: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a command is about; click's usage error when that is nothing."""
    if not elements and not files:
        raise click.UsageError("Missing argument 'ELEMENT...', or '--supplied FILE'.")
    return (*files, *elements)


async def track_file(client: Any, project: str, file: str, timeout: float) -> Any:
    """Track the element in `file` and write its new refs there, as `bst source track` does; return what was
    found."""
    path = Path(file)
    text = _text(path)
    found = await client.supplied.track(project, text, timeout=timeout)
    if found.text != text:
        _replace(path, found.text)
    return found.tracked


async def fetch_file(client: Any, project: str, file: str, timeout: float) -> Any:
    """Have the sources of the element in `file` cached; return what was."""
    return await client.supplied.fetch(project, _text(Path(file)), timeout=timeout)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode()  # not `read_text`, which changes line ends
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path}: cannot be read as text: {error}") from error


def _replace(path: Path, text: str) -> None:
    target = path.resolve()  # where it is a link, what it leads to is the file
    partial = target.with_name(f".{target.name}.partial")
    try:
        partial.write_bytes(text.encode())
        partial.chmod(target.stat().st_mode & 0o7777)
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise click.ClickException(f"{path}: cannot be written: {error.strerror or error}") from error
