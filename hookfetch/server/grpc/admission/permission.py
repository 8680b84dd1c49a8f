"""May a caller make this request? Pure: the rule of its method, its grants and the request decide."""

from collections.abc import Collection, Sequence
from typing import Any

from hookfetch.core.access import Caller, Scope
from hookfetch.server.grpc.admission.methods import Rule
from hookfetch.server.grpc.checks import MAX_NAME, no_such_project
from hookfetch.server.grpc.errors import Refused, denied


def named_by(rule: Rule, request: Any) -> Sequence[str]:
    """Return the projects that a request names; those that can be no name are the servicer's to refuse."""
    names = rule.projects(request) if rule.projects is not None else ()
    return [name for name in names if 0 < len(name) <= MAX_NAME]


def permit(rule: Rule, caller: Caller, named: Sequence[str], here: Collection[str]) -> None:
    """Refused when `caller` may not do what has this rule with the projects `named`, or without any with
    those that are served `here`.

    A project with which it may do nothing at all answers as one that is not there.
    """
    if rule.scope is None:
        return
    for name in named:
        if name not in here or not caller.knows(name):
            raise no_such_project(name)
        if not caller.may(rule.scope, name):
            raise _missing(rule.scope, name)
    if rule.every:
        if not all(caller.may(rule.scope, name) for name in here):
            text = f"needs the scope {rule.scope!r} with every project that is served here"
            raise denied(text, "SCOPE_MISSING", scope=rule.scope)
    elif not named and not caller.may_somewhere(rule.scope):
        raise denied(f"no grant of yours has the scope {rule.scope!r}", "SCOPE_MISSING", scope=rule.scope)


def _missing(scope: Scope, project: str) -> Refused:
    text = f"no grant of yours has the scope {scope!r} with {project!r}"
    return denied(text, "SCOPE_MISSING", scope=scope, project=project)
