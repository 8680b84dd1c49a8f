"""The client of programs without an event loop, and the examples, as their users run them: in a process of
their own."""

import asyncio
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import grpc
from gateway_lab import announce, coordinate, entry, gateway
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from ruamel.yaml import YAML

from hookfetch.cli import main
from hookfetch.cli.shared import UNREACHABLE
from hookfetch.core.events import FetchRequested, SourceRef, TrackRequested
from hookfetch.core.jobs import Reply

EXAMPLES = Path(__file__).parents[2] / "examples"
WITHIN = 60.0
PROGRAM = """
import sys
from hookfetch.client import BlockingClient, NotFound, WorkFailed

with BlockingClient(sys.argv[1]) as client:
    print([update.element for update in client.list().updates])
    print(client.track("gnome", "core/glib.bst", timeout=30).refs[0].ref)
    try:
        client.fetch("gnome", "core/glib.bst", timeout=30)
    except WorkFailed as error:
        print(error)
    try:
        client.track("nowhere", "core/glib.bst")
    except NotFound as error:
        print("not found")
    entries = client.watch(start="oldest")
    print(next(entries).element_key, next(entries).element_key)
    entries.close()
"""


async def _run(*command: str) -> tuple[int | None, list[str], str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(WITHIN):
        out, err = await process.communicate()
    return process.returncode, out.decode().splitlines(), err.decode()


async def test_a_program_without_an_event_loop_lists_tracks_fetches_and_watches(tmp_path: Path) -> None:
    def decide(event: TrackRequested | FetchRequested) -> Reply:
        if isinstance(event, FetchRequested):
            return Reply(
                request_id=event.id, outcome="failed", element=event.element, reason="upstream is on fire"
            )
        ref = SourceRef(index=0, kind="git_repo", url=None, ref="abc")
        return Reply(request_id=event.id, outcome="tracked", element=event.element, refs=(ref,))

    async with gateway(tmp_path, entry(1), entry(2, "core/gtk.bst")) as lab:
        await coordinate(lab.bus, "gnome", decide)
        code, told, err = await _run(sys.executable, "-c", PROGRAM, lab.target)
    assert (code, err) == (0, "")
    assert told == [
        "['core/glib.bst', 'core/gtk.bst']", "abc", "upstream is on fire", "not found", "key-1 key-2",
    ]  # fmt: skip


async def test_an_interrupt_ends_a_call_that_waits(tmp_path: Path) -> None:
    program = """
import signal, sys
from hookfetch.client import BlockingClient

# As in a terminal, also where the tests run in the background of a shell, which has them ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
with BlockingClient(sys.argv[1]) as client:
    entries = client.watch(start="oldest")
    print(next(entries).element, flush=True)
    if sys.argv[2] == "late":
        print(next(entries))
    # Before the event loop has begun to look after signals.
    loops = signal.signal
    def interrupted(number, handler):
        signal.signal = loops
        raise KeyboardInterrupt
    signal.signal = interrupted
    print(next(entries))
"""
    async with gateway(tmp_path, entry(1)) as lab:
        for moment in ("late", "early"):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", program, lab.target, moment),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            assert process.stdout is not None
            async with asyncio.timeout(WITHIN):
                assert await process.stdout.readline() == b"core/glib.bst\n"
                if moment == "late":
                    await asyncio.sleep(0.3)  # it waits by then, or is on its way there: either is a case
                    process.send_signal(signal.SIGINT)
                out, err = await process.communicate()
            assert (process.returncode, out) == (-signal.SIGINT, b"")
            assert err.decode().splitlines()[-1] == "KeyboardInterrupt", err.decode()
            assert "already running" not in err.decode()


async def test_the_watcher_in_15_lines_goes_on_where_it_was(tmp_path: Path) -> None:
    script = (EXAMPLES / "watch.py").read_text()
    body = script.split('"""', 2)[2]
    assert len([line for line in body.splitlines() if line.strip()]) <= 15

    kept = tmp_path / "cursor.txt"

    async def watched(target: str, count: int, last: str) -> list[str]:
        """Return the first lines that it prints; end it once it has kept the cursor of entry `last`."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(EXAMPLES / "watch.py"), target, "gnome", str(kept)),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            async with asyncio.timeout(WITHIN):
                lines = [(await process.stdout.readline()).decode().strip() for _ in range(count)]
                while not kept.read_text().endswith(last):
                    await asyncio.sleep(0.01)
            return lines
        finally:
            process.kill()
            await process.wait()

    async with gateway(tmp_path, entry(1)) as lab:
        kept.write_text((await lab.client.list()).cursor)
        await announce(lab.bus, entry(2, "core/gtk.bst", ref="one"), entry(3, "core/vte.bst", ref="two"))
        assert await watched(lab.target, 2, ":3") == ["core/gtk.bst one", "core/vte.bst two"]
        await announce(lab.bus, entry(4, "core/pango.bst", ref="three"))
        assert await watched(lab.target, 1, ":4") == ["core/pango.bst three"]


async def test_each_line_for_grpcurl_is_a_call_that_the_service_has(tmp_path: Path) -> None:
    # grpcurl itself is in no package index: what it would do is done here, by reflection too.
    lines = [
        line for line in (EXAMPLES / "grpcurl.sh").read_text().splitlines() if line.startswith("grpcurl")
    ]
    filled = [re.sub(r"'\"\$(\w+)\"'", r"\1", line) for line in lines]
    calls = [shlex.split(line) for line in filled]
    assert calls[0][-1] == "list"

    def look(target: str) -> list[str]:
        with grpc.insecure_channel(target) as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            pool = DescriptorPool(database)
            services = set(database.get_services())
            methods = []
            for call in calls[1:]:
                service, _, method = call[-1].partition("/")
                assert service in services
                found = pool.FindServiceByName(service).methods_by_name[method]
                json_format.Parse(call[call.index("-d") + 1], GetMessageClass(found.input_type)())
                methods.append(method)
            return methods

    async with gateway(tmp_path) as lab:
        assert await asyncio.to_thread(look, lab.target) == ["List", "Watch", "Track", "Fetch"]


def test_the_step_of_a_pipeline_is_a_command_that_there_is() -> None:
    job = YAML(typ="safe").load(EXAMPLES / "gitlab-ci.yml")["fetch-sources"]
    [line] = [line for line in job["script"] if line.startswith("hookfetch ")]
    _, name, *arguments = shlex.split(line)
    context = main.commands[name].make_context(name, arguments)
    assert context.params["elements"] == ("core/app.bst", "core/library.bst")
    assert job["allow_failure"] == {"exit_codes": UNREACHABLE}
