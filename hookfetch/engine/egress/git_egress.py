"""Has every git, and every ssh, that this process starts connect by the worker's relay. Writes into the
worker's directory, and into this process's environment, which its children have.

A proxy that the operator has configured, for git or in ssh's configuration, is left in its place: where it
may connect to is its own business then.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from hookfetch.engine.egress import dial
from hookfetch.engine.egress.relay import Relay

# How git says that a connection failed, and not why.
_LOST = re.compile(r"SOCKS5|not connected|from remote repository|hung up|early EOF|disconnect|pack header")
_PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
# ssh heeds what it reads first (ssh_config(5)): the operator's own, and the relay where that has no proxy.
# Nobody is there to be asked, and a connection that died is noticed.
_SSH_CONFIGURATION = """\
Include ~/.ssh/config
Include /etc/ssh/ssh_config
Match all
  ProxyCommand {dial} %h %p %n
  BatchMode yes
  ConnectTimeout 30
  ServerAliveInterval 15
  ServerAliveCountMax 4
"""
# Its last arguments are the host and what to run there. ssh gives the name to a shell (ProxyCommand), and an
# upstream may have chosen it: what no host or user is called never gets so far.
_SSH = """\
#!/bin/sh
LC_ALL=C last= host=
for argument; do host=$last; last=$argument; done
case $host in
  -* | *[!A-Za-z0-9@._:-]*) echo "fatal: $host is no name of a host" >&2; exit 255 ;;
esac
exec {ssh} -F {configuration} "$@"
"""
_DIAL = '#!/bin/sh\nexec {python} -IS {file} "$@"\n'


def lead_through(relay: Relay, directory: Path) -> None:
    """Have what is started from now on connect by `relay`; `directory` is the worker's own."""
    programs = directory / "bin"
    programs.mkdir(exist_ok=True)
    python, file = shlex.quote(sys.executable), shlex.quote(dial.__file__)
    dialling = _write(programs / "dial", _DIAL.format(python=python, file=file))
    os.environ[dial.RELAY] = str(relay.port)
    _configure("core.gitProxy", str(dialling))
    if not any(os.environ.get(name) for name in _PROXIES) and not _configured(r"^http\.proxy$"):
        for name in ("no_proxy", "NO_PROXY"):  # it means nothing without a proxy, and would mean ours
            os.environ.pop(name, None)
        _configure("http.proxy", f"socks5h://127.0.0.1:{relay.port}")
    if (ssh := shutil.which("ssh")) is not None:
        configuration = directory / "ssh_config"
        command = shlex.quote(str(dialling)).replace("%", "%%")
        configuration.write_text(_SSH_CONFIGURATION.format(dial=command), encoding="utf-8")
        text = _SSH.format(ssh=shlex.quote(ssh), configuration=shlex.quote(str(configuration)))
        _write(programs / "ssh", text)
        # By PATH: git finds it there, dulwich, which reads no setting, and a GIT_SSH_COMMAND of `ssh -i …`.
        os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"


def rewritten_to() -> list[str]:
    """Return where git's configuration has addresses lead in place of those that are written (git-config(1),
    `url.<base>.insteadOf`)."""
    names = (line.partition(" ")[0] for line in _configured(r"^url\..*\.insteadof$"))
    return [name.removeprefix("url.").removesuffix(".insteadof") for name in names]


def why(said: str | None, relay: Relay) -> str | None:
    """Return why git failed: what it `said` last, or what the relay knows better; None if nobody knows."""
    if relay.complaint is not None and (said is None or _LOST.search(said)):
        return relay.complaint
    return said


def _configured(pattern: str) -> list[str]:
    """Return the settings of git whose names match, each as `name` and, after a blank, its value."""
    done = subprocess.run(
        ["git", "config", "--get-regexp", pattern],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,  # 1: there is none
    )
    return done.stdout.splitlines()


def _configure(key: str, value: str) -> None:
    """Have git know a setting, the last and so the strongest (git(1), GIT_CONFIG_COUNT)."""
    number = int(os.environ.get("GIT_CONFIG_COUNT", "0"))
    os.environ |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    os.environ["GIT_CONFIG_COUNT"] = str(number + 1)


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o700)
    return path
