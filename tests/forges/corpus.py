"""The shared corpus of real deliveries, and small deliveries made here, for the tests of the forges."""

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hookfetch.core.delivery import Delivery
from hookfetch.core.events import UpstreamFact
from hookfetch.core.ports import Forge, HookOptions
from hookfetch.forges import load_forges

CORPUS = Path(__file__).parents[2].parent / "shared" / "corpus"
FORGES = {name: factory(HookOptions()) for name, factory in load_forges().items()}
SIGNING_TOKEN = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
NULL = "0" * 40
OLD = "1" * 40
NEW = "2" * 40


@dataclass(frozen=True)
class Case:
    """A stored delivery and what a correct receiver extracts from it."""

    name: str
    forge: str
    headers: dict[str, str]
    body: bytes
    secrets: tuple[str, ...]
    signed_at: float
    signed: bool
    expected: dict[str, Any]


def _case(expected: dict[str, Any]) -> Case:
    path = CORPUS / expected["file"]
    stored = json.loads(path.with_name(path.name.removesuffix(".json") + ".headers.json").read_text())
    headers = {name.lower(): value for name, value in stored["headers"].items()}
    secrets = (stored["test_secret"], stored.get("test_signing_token"), _public_key(expected["forge"]))
    return Case(
        name=expected["file"].removeprefix("webhooks/"),
        forge=expected["forge"],
        headers=headers,
        body=path.read_bytes(),
        secrets=tuple(secret for secret in secrets if secret),
        signed_at=_signed_at(headers),
        signed=any("signature" in name or "token" in name or name == "authorization" for name in headers),
        expected=expected,
    )


def _public_key(forge: str) -> str | None:
    key = json.loads((CORPUS / "signatures" / "sourcehut-test-key.json").read_text())
    return key["public_key_base64"] if forge == "sourcehut" else None


def _signed_at(headers: Mapping[str, str]) -> float:
    return float(headers.get("webhook-timestamp") or int(headers.get("x-gitee-timestamp", 0)) / 1000)


def _load() -> list[Case]:
    lines = map(json.loads, (CORPUS / "expected.jsonl").read_text().splitlines())
    return [_case(line) for line in lines if line["type"] == "webhook"]


CASES = _load()


def delivery(headers: Mapping[str, str], body: bytes, id: str = "hook/1") -> Delivery:  # noqa: A002 - the field's name
    return Delivery(id=id, hook="hook", headers=headers, body=body, received_at=1719835200.0)


def parse(forge: Forge, headers: Mapping[str, str], payload: object) -> list[UpstreamFact]:
    return forge.parse(delivery(headers, json.dumps(payload).encode()))


def hex_hmac(secret: str, body: bytes) -> str:
    return hmac.digest(secret.encode(), body, "sha256").hex()


def standard_headers(token: str, body: bytes, timestamp: str, message_id: str = "m1") -> dict[str, str]:
    key = base64.b64decode(token.removeprefix("whsec_"))
    mac = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, "sha256")
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }
