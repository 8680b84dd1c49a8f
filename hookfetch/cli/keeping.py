"""`hookfetch backup` and `restore`: the coordinators' stores, copied while they are in use and put back
while they are not."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from hookfetch.cli.shared import config_option, json_option

_folder = click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")


@click.command()
@_folder
@config_option
@json_option
def backup(folder: Path, config_file: Path, as_json: bool) -> None:
    """Copy every project's store into the new folder DIR, while the service runs."""
    from hookfetch.config import load_config
    from hookfetch.store.backup import back_up

    for kept in back_up(load_config(config_file).stores(), folder.absolute()):
        text = f"{kept.file}  {kept.bytes} bytes, log up to {kept.last}"
        click.echo(json.dumps(asdict(kept)) if as_json else text)


@click.command()
@_folder
@config_option
@json_option
def restore(folder: Path, config_file: Path, as_json: bool) -> None:
    """Put the stores in DIR back; refused while a coordinator has one open.

    What was announced since the backup is taken from the broker's log at the next start. Without a
    broker, or without its log, a new log begins and watchers are told to list again.
    """
    from hookfetch.config import load_config
    from hookfetch.store.backup import restore as put_back

    for kept in put_back(folder, load_config(config_file).stores()):
        before = "there was none before" if kept.replaced is None else f"the one before is {kept.replaced}"
        text = f"{kept.file}  log up to {kept.last}; {before}"
        click.echo(json.dumps(asdict(kept)) if as_json else text)


COMMANDS = (backup, restore)
