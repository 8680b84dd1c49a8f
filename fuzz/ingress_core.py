"""Coverage-guided fuzzing of what a stranger reaches: a request's head, chunked and compressed
bodies, signature checks, parsers.

    python -m fuzz.ingress_core [-max_total_time=60] [corpus folder]

Bytes choose the forge, the hook's options, headers and body; half of the deliveries are signed
as their forge signs, so that the fuzzer sees what lies behind the check. Anything but a value or
Rejected is a finding, and so is an input that takes over a second.
"""

import base64
import hmac
import sys
from contextlib import suppress

import atheris

with atheris.instrument_imports(include=["hookfetch.forges", "hookfetch.core", "hookfetch.server"]):
    from hookfetch.core import codec
    from hookfetch.core.delivery import Delivery
    from hookfetch.core.errors import Rejected
    from hookfetch.core.ports import Forge, HookOptions
    from hookfetch.forges import load_forges
    from hookfetch.server.door.answer import Refused
    from hookfetch.server.door.chunked import Chunked
    from hookfetch.server.door.gunzip import gunzip
    from hookfetch.server.door.request import HeadLimits, parse_head

    FORGES = sorted(load_forges().items())  # here, for this imports them

SECRET = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"  # noqa: S105 - nobody's
NOW = 1719835200.0
MOST = 1024 * 1024  # bytes of an opened body
OPTIONS = (
    HookOptions(),
    HookOptions(base_url="https://git.example.org/x", sha1=True),
    HookOptions(base_url="https://git.example.org", header="x-secret"),
)
EVENTS = (
    b"push",
    b"create",
    b"delete",
    b"release",
    b"repository",
    b"package",
    b"ping",
    b"repo:push",
    b"repo:updated",
)
NAMES = (
    b"authorization",
    b"webhook-id",
    b"webhook-signature",
    b"webhook-timestamp",
    b"x-event-key",
    b"x-gitee-event",
    b"x-gitee-timestamp",
    b"x-gitee-token",
    b"x-gitea-event",
    b"x-github-event",
    b"x-gitlab-instance",
    b"x-gitlab-token",
    b"x-hub-signature",
    b"x-hub-signature-256",
    b"x-payload-nonce",
    b"x-payload-signature",
    b"x-secret",
)


def proofs(body: bytes) -> dict[str, str]:
    """Return every header by which some forge would believe `body`."""
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    standard = hmac.digest(key, b"m.1719835200." + body, "sha256")
    digest = hmac.digest(SECRET.encode(), body, "sha256").hex()
    gitee = hmac.digest(SECRET.encode(), f"1719835200000\n{SECRET}".encode(), "sha256")
    return {
        "authorization": "Basic " + base64.b64encode(f"u:{SECRET}".encode()).decode(),
        "webhook-id": "m",
        "webhook-timestamp": "1719835200",
        "webhook-signature": "v1," + base64.b64encode(standard).decode(),
        "x-gitee-timestamp": "1719835200000",
        "x-gitee-token": base64.b64encode(gitee).decode(),
        "x-hub-signature": f"sha256={digest}",
        "x-hub-signature-256": f"sha256={digest}",
        **{f"x-{brand}-signature": digest for brand in ("gitea", "forgejo", "gogs", "harness")},
        "x-pagure-signature-256": digest,
    }


def judge(forge: Forge, headers: dict[str, str], body: bytes) -> None:
    """Take the delivery as the door and the relay do; what is parsed has to survive the wire."""
    with suppress(Rejected):
        forge.verify(headers, body, (SECRET, "second"), NOW)
    given = forge.delivery_id(headers, body)
    # Unverified bodies too: a parser must not rest on who signed them.
    for fact in forge.parse(Delivery(id=f"h/{given}", hook="h", headers=headers, body=body, received_at=NOW)):
        assert codec.load_event(codec.dump_event(fact)) == fact


def open_body(body: bytes) -> None:
    """Decode `body` as the door would where a header says that it is compressed or comes in chunks,
    and as a head, where the body before it was a byte too short."""
    with suppress(Refused):
        parse_head(body, HeadLimits())
    with suppress(Refused):
        assert len(gunzip(body, MOST)) <= MOST
    with suppress(Refused):
        assert len(Chunked().feed(body)) <= len(body)


def one_input(data: bytes) -> None:
    """Judge one delivery."""
    provider = atheris.FuzzedDataProvider(data)
    _, factory = FORGES[provider.ConsumeIntInRange(0, len(FORGES) - 1)]
    forge = factory(OPTIONS[provider.ConsumeIntInRange(0, len(OPTIONS) - 1)])
    event = EVENTS[provider.ConsumeIntInRange(0, len(EVENTS) - 1)]
    lines = [b"POST /hooks/h HTTP/1.1", b"host: h", b"x-event-key: %s" % event, b"x-gitee-event: Push Hook"]
    lines += [b"x-%s-event: %s" % (brand, event) for brand in (b"github", b"gitea", b"forgejo", b"gogs")]
    for _ in range(provider.ConsumeIntInRange(0, 4)):
        name = NAMES[provider.ConsumeIntInRange(0, len(NAMES) - 1)]
        lines.append(name + b": " + provider.ConsumeBytes(60))
    signed = provider.ConsumeBool()
    body = provider.ConsumeBytes(sys.maxsize)
    open_body(body)
    with suppress(Refused, Rejected):
        headers = dict(parse_head(b"\r\n".join(lines), HeadLimits()).headers)
        judge(forge, headers | proofs(body) if signed else headers, body)


if __name__ == "__main__":
    atheris.Setup([*sys.argv, "-timeout=1"], one_input)
    atheris.Fuzz()
