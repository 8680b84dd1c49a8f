"""What goes wrong, when and for how long: a seeded plan. Pure."""

import random
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

Kind = Literal["kill", "freeze", "fill"]

# Who can be hit, and how often beside the others. `engine` is a BuildStream process of a worker,
# `casd` its cache daemon: neither is ours to freeze for long, both die in real life. `leader` is the node of
# a cluster that leads the project's queue, `broker` any node; `doors` and `store` are disks.
_TARGETS: dict[str, int] = {
    "ingress": 4,
    "coordinator": 6,
    "worker": 3,
    "gateway": 1,
    "engine": 2,
    "casd": 2,
    "broker": 2,
    "leader": 5,
    "doors": 2,
    "store": 2,
}
_FREEZABLE = ("ingress", "coordinator", "worker", "broker", "leader")
_FREEZES = 0.3  # of what can be frozen
DISKS = frozenset({"doors", "store"})
LEADER = "leader"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`seconds` after the fault before it, `target` is killed, frozen or (a disk) filled, for `lasting`
    seconds. `which` chooses among several of a kind."""

    seconds: float
    target: str
    kind: Kind
    lasting: float
    which: int


def plan(seed: int, faults: int, pause: float, without: AbstractSet[str]) -> list[Fault]:
    """Return `faults` faults, on average `pause` seconds apart, none of a target in `without`. The first
    ones hit each target once, so that a short run leaves none out; equal arguments give equal plans."""
    chance = random.Random(seed)
    weights = {target: weight for target, weight in _TARGETS.items() if target not in without}
    targets = list(weights)
    chance.shuffle(targets)
    while len(targets) < faults:
        targets += chance.choices(list(weights), list(weights.values()))
    return [_fault(chance, target, pause) for target in targets[:faults]]


def seconds_of(faults: Sequence[Fault]) -> float:
    """Return how long carrying out `faults` takes at least: what lasts is waited for, but for a full disk."""
    return sum(fault.seconds + (0.0 if fault.kind == "fill" else fault.lasting) for fault in faults)


def _fault(chance: random.Random, target: str, pause: float) -> Fault:
    kind: Kind = "kill"
    lasting = chance.uniform(0.0, 2.0)
    if target in DISKS:
        # A store has room for some seconds in the journal that it has already.
        kind, lasting = "fill", chance.uniform(3.0, 6.0) if target == "doors" else chance.uniform(8.0, 12.0)
    elif target in _FREEZABLE and chance.random() < _FREEZES:
        # Long enough that the broker takes a frozen consumer for dead: its heartbeat is 2 s here.
        kind, lasting = "freeze", chance.uniform(5.0, 8.0)
    return Fault(
        seconds=pause * chance.uniform(0.5, 1.5),
        target=target,
        kind=kind,
        lasting=lasting,
        which=chance.randrange(1000),
    )
