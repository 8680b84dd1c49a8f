"""The demo as people and machines see it."""

import asyncio
import json
import sys

from hookfetch.demo.scenario import Running, demonstration


async def show(*, keep: bool, as_json: bool, amqp: str | None) -> None:
    """Run the demo and print its timeline, or one JSON object; with `keep` stay until interrupted."""

    def say(line: str) -> None:
        sys.stderr.write(f"{line}\n") if as_json else sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    async with demonstration(say, amqp) as running:
        if as_json:
            sys.stdout.write(json.dumps(_object(running)) + "\n")
            sys.stdout.flush()
        else:
            say("\nEach step was observed. The times count from the post of the delivery.")
        if keep:
            await asyncio.to_thread(running.lab.upstreams.start)
            for line in _addresses(running):
                say(line)
            await asyncio.Event().wait()  # until interrupted


def _object(running: Running) -> dict[str, object]:
    steps = [{"step": s.name, "milliseconds": s.milliseconds, "detail": s.detail} for s in running.steps]
    return {"ok": True, "steps": steps, "addresses": _places(running)}


def _places(running: Running) -> dict[str, str]:
    lab = running.lab
    return {
        "hooks": f"http://{lab.ingress}/hooks/",
        "grpc": lab.grpc,
        "upstreams": lab.upstreams.url,
        "source_cache": lab.cache.url,
        "folder": str(lab.root),
    }


def _addresses(running: Running) -> list[str]:
    places = [f"  {name:<14}{place}" for name, place in _places(running).items()]
    return ["", "Left running; interrupt to end it:", *places]
