"""A private RabbitMQ for tests, demos and benchmarks: 127.0.0.1 only, files in a temporary folder,
ports and names of its own, gone afterwards. It never touches a broker that it did not start."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from tests.support.erlang import DYING_WITH_PARENT, PortMapper, free_ports

_PROGRAMS = Path("/usr/lib/rabbitmq/bin")  # not the wrappers in /usr/sbin: they switch user
_POLICY = Path("/usr/sbin/policy-rc.d")
_READY_WITHIN = 120.0  # seconds; 4 to 6 on an idle machine
_STOP_WITHIN = 20.0


class BrokerUnavailable(Exception):
    """There is no RabbitMQ here, and none could be installed."""


@contextlib.contextmanager
def private_broker() -> Iterator[str]:
    """Give the AMQP URL of the broker in HOOKFETCH_TEST_AMQP, or of one started for this block.

    BrokerUnavailable when there is neither.
    """
    url = os.environ.get("HOOKFETCH_TEST_AMQP")
    if url:
        yield url
        return
    with PrivateBroker() as broker:
        yield broker.url


class PrivateBroker:
    """A broker process, and a port mapper unless one is given; entering starts them, leaving ends and reaps.

    `kill`, `stop` and `start` in between make outages; what is durable survives them. `settings` are
    more lines of its rabbitmq.conf, until it is entered.
    """

    def __init__(self, settings: str = "", mapper: PortMapper | None = None) -> None:
        self._amqp, self._distribution = free_ports(2)
        self.place = f"127.0.0.1:{self._amqp}"
        self.url = f"amqp://guest:guest@{self.place}/"
        self.name = f"hookfetch{self._amqp}@localhost"
        self.settings = settings
        self._mapper = mapper or PortMapper()
        self._own_mapper = mapper is None
        self._stack = contextlib.ExitStack()
        self._folder = Path()
        self._broker: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "PrivateBroker":
        ensure_installed()
        self._folder = Path(tempfile.mkdtemp(prefix="hookfetch-broker-"))
        try:
            if self._own_mapper:
                self._stack.enter_context(self._mapper)
            self._prepare()
            self.start()
        except BaseException:
            self._clean_up()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._clean_up()

    def start(self) -> None:
        """Start the broker and return once it answers; RuntimeError with its last words otherwise."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start the broker without waiting. Only from the main thread: the kernel ends a broker with
        the thread that launched it, so that a killed test run leaves none behind."""
        log = (self._folder / "output").open("ab")
        with log:
            self._broker = subprocess.Popen(
                [*DYING_WITH_PARENT, _PROGRAMS / "rabbitmq-server"],
                env=self._environment(),
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        """Return once the launched broker answers; RuntimeError with its last words otherwise."""
        assert self._broker is not None
        deadline = time.monotonic() + _READY_WITHIN
        while not self._answers():
            if self._broker.poll() is not None or time.monotonic() > deadline:
                output = (self._folder / "output").read_text(errors="replace")
                raise RuntimeError(f"the broker did not start:\n{output[-3000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End the broker in an orderly way; it is killed when it takes longer than 20 s."""
        if self._broker is None:
            return
        self._broker.terminate()
        try:
            self._broker.wait(_STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self.kill()
        self._broker = None

    def kill(self) -> None:
        """End the broker as a power cut would (SIGKILL), helpers included, and reap it."""
        if self._broker is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._broker.pid, signal.SIGKILL)
        self._broker.wait(_STOP_WITHIN)
        self._broker = None

    def freeze(self) -> None:
        """Stop the broker from answering, its connections still open, until `thaw`."""
        assert self._broker is not None
        os.killpg(self._broker.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen broker go on."""
        assert self._broker is not None
        os.killpg(self._broker.pid, signal.SIGCONT)

    def ctl(self, *arguments: str) -> str:
        """Run rabbitmqctl on this broker and return what it prints; CalledProcessError when it fails."""
        done = subprocess.run(
            [_PROGRAMS / "rabbitmqctl", "--quiet", *arguments],
            env=self._environment(),
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout

    def _prepare(self) -> None:
        (self._folder / "enabled_plugins").write_text("[].\n")
        (self._folder / "rabbitmq.conf").write_text(
            "vm_memory_high_watermark.absolute = 2GB\ndisk_free_limit.absolute = 200MB\n" + self.settings
        )

    def _environment(self) -> dict[str, str]:
        folder = self._folder
        return self._mapper.environment | {
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._amqp),
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # The script then replaces itself by the broker: the process we started is the broker.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._amqp), timeout=1) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return bool(connection.recv(1))
        except OSError:
            return False

    def _clean_up(self) -> None:
        try:
            self.stop()
        finally:  # whoever interrupts the orderly end gets the quick one
            self.kill()
            self._stack.close()
            shutil.rmtree(self._folder, ignore_errors=True)


def ensure_installed() -> None:
    """Install Debian's rabbitmq-server if it is missing and we may; BrokerUnavailable otherwise."""
    if (_PROGRAMS / "rabbitmq-server").exists() and shutil.which("epmd"):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise BrokerUnavailable(
            "rabbitmq-server is not installed: `apt-get install rabbitmq-server`, or name a broker in"
            " HOOKFETCH_TEST_AMQP"
        )
    sys.stderr.write("installing the package rabbitmq-server (35 MB) for a private broker of the tests\n")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        with services_stay_down(_POLICY):
            for arguments in (["update"], ["install", "-y", "--no-install-recommends", "rabbitmq-server"]):
                subprocess.run(
                    ["apt-get", *arguments],
                    check=True,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=sys.stderr,
                    timeout=600,
                )
    except (OSError, subprocess.SubprocessError) as error:
        raise BrokerUnavailable(f"rabbitmq-server could not be installed: {error}") from error


@contextlib.contextmanager
def services_stay_down(policy: Path) -> Iterator[None]:
    """Keep Debian packages that are installed meanwhile from starting their services.

    `policy` is where Debian looks for the administrator's word on it (101: not allowed); one that
    is there already is left alone.
    """
    try:
        with policy.open("x") as file:
            file.write("#!/bin/sh\nexit 101\n")
    except FileExistsError:
        yield
        return
    try:
        policy.chmod(0o755)
        yield
    finally:
        policy.unlink()
