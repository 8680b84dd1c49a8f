"""What goes wrong, when and for how long: a seeded plan. Pure."""

import random
from dataclasses import dataclass
from typing import Literal

Kind = Literal["kill", "freeze"]

# Who can be hit, and how often beside the others. `engine` is a BuildStream process of a worker,
# `casd` its cache daemon: neither is ours to freeze for long, both die in real life.
_TARGETS: dict[str, int] = {
    "ingress": 4,
    "coordinator": 6,
    "worker": 3,
    "gateway": 1,
    "engine": 2,
    "casd": 2,
    "broker": 2,
}
_FREEZABLE = ("ingress", "coordinator", "worker", "broker")
_FREEZES = 0.3  # of what can be frozen


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`seconds` after the fault before it, `target` is killed or frozen, for `lasting` seconds. `which`
    chooses among several of a kind."""

    seconds: float
    target: str
    kind: Kind
    lasting: float
    which: int


def plan(seed: int, faults: int, pause: float) -> list[Fault]:
    """Return `faults` faults, on average `pause` seconds apart. The first ones hit each target once,
    so that a short run leaves none out; equal seeds give equal plans."""
    chance = random.Random(seed)
    targets = list(_TARGETS)
    chance.shuffle(targets)
    while len(targets) < faults:
        targets += chance.choices(list(_TARGETS), list(_TARGETS.values()))
    return [_fault(chance, target, pause) for target in targets[:faults]]


def _fault(chance: random.Random, target: str, pause: float) -> Fault:
    freezes = target in _FREEZABLE and chance.random() < _FREEZES
    return Fault(
        seconds=pause * chance.uniform(0.5, 1.5),
        target=target,
        kind="freeze" if freezes else "kill",
        # Long enough that the broker takes a frozen consumer for dead: its heartbeat is 2 s here.
        lasting=chance.uniform(5.0, 8.0) if freezes else chance.uniform(0.0, 2.0),
        which=chance.randrange(1000),
    )
