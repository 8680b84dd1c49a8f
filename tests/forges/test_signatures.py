"""Signatures: the published vectors, and everything that must not be believed."""

import json
from typing import Any

import pytest

from hookfetch.core.errors import Rejected
from hookfetch.forges.signatures import require_hex_hmac, require_standard_webhook, require_token
from tests.forges.corpus import CORPUS, FORGES, SIGNING_TOKEN, hex_hmac, standard_headers

SCHEMES = {
    "github": "github",
    "gitea": "gitea",
    "forgejo": "forgejo",
    "gitlab_token": "gitlab",
    "gitlab_signing": "gitlab",
    **{
        name: name
        for name in (
            "bitbucket",
            "bitbucket_server",
            "gitee",
            "gogs",
            "harness",
            "pagure",
            "sourcehut",
            "standard_webhooks",
        )
    },
}
VECTORS = json.loads((CORPUS / "signatures" / "vectors.json").read_text())
BODY = b'{"a":1}'
NOW = 1719835200.0


def refused_for(forge: str, headers: dict[str, str], secrets: list[str], now: float = NOW) -> str:
    with pytest.raises(Rejected) as refusal:
        FORGES[forge].verify(headers, BODY, secrets, now)
    return refusal.value.code


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_a_published_vector_is_judged_as_published(vector: dict[str, Any]) -> None:
    forge = FORGES[SCHEMES[vector["scheme"]]]
    headers = {name.lower(): value for name, value in vector["headers"].items()}
    body = vector["body"].encode()
    assert vector["valid"]
    secret = vector.get("secret") or vector["public_key_base64"]
    forge.verify(headers, body, ["another", secret], float(vector.get("clock", 0)))
    with pytest.raises(Rejected):
        forge.verify(headers, body, [secret[:-3] + "xyz"], float(vector.get("clock", 0)))
    if vector["scheme"] not in ("gitee", "gitlab_token"):
        with pytest.raises(Rejected):
            forge.verify(headers, body + b" ", [secret], float(vector.get("clock", 0)))


def test_every_scheme_has_a_vector() -> None:
    assert {vector["scheme"] for vector in VECTORS} == set(SCHEMES)


def test_the_second_of_several_secrets_is_believed() -> None:
    FORGES["github"].verify({"x-hub-signature-256": f"sha256={hex_hmac('b', BODY)}"}, BODY, ["a", "b"], NOW)
    FORGES["gitea"].verify({"x-gitea-signature": hex_hmac("b", BODY)}, BODY, ["a", "b"], NOW)
    FORGES["gitlab"].verify({"x-gitlab-token": "b"}, BODY, ["a", "b"], NOW)


@pytest.mark.parametrize("secrets", [[], [""], ["", ""]])
def test_an_empty_secret_signs_nothing(secrets: list[str]) -> None:
    assert (
        refused_for("github", {"x-hub-signature-256": f"sha256={hex_hmac('', BODY)}"}, secrets) == "signature"
    )
    assert refused_for("gitea", {"x-gitea-signature": hex_hmac("", BODY)}, secrets) == "signature"
    assert refused_for("forgejo", {"x-forgejo-signature": hex_hmac("", BODY)}, secrets) == "signature"
    assert refused_for("gitlab", {"x-gitlab-token": ""}, secrets) == "signature"


def test_github_s_sha1_signature_is_not_looked_at() -> None:
    headers = {"x-hub-signature": "sha1=" + "0" * 40}
    assert refused_for("github", headers, ["s"]) == "signature"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "sha256=",
        "sha1={good}",
        "{good}",
        "SHA256={good}",
        "sha256={GOOD}",
        "sha256={good} ",
        "sha256=é{good}",
        "é",
    ],
)
def test_a_github_signature_of_another_form_is_refused(value: str) -> None:
    good = hex_hmac("s", BODY)
    headers = {"x-hub-signature-256": value.replace("{good}", good).replace("{GOOD}", good.upper())}
    assert refused_for("github", headers, ["s"]) == "signature"


@pytest.mark.parametrize("forge", ["gitea", "forgejo"])
def test_another_forge_s_header_proves_nothing(forge: str) -> None:
    good = hex_hmac("s", BODY)
    others = {"x-hub-signature-256": f"sha256={good}", "x-gogs-signature": good}
    others["x-gitea-signature" if forge == "forgejo" else "x-forgejo-signature"] = good
    assert refused_for(forge, others, ["s"]) == "signature"


def test_a_secret_outside_ascii_signs_a_body_and_is_no_token() -> None:
    FORGES["github"].verify({"x-hub-signature-256": f"sha256={hex_hmac('Püb', BODY)}"}, BODY, ["Püb"], NOW)
    assert refused_for("gitlab", {"x-gitlab-token": "Püb"}, ["Püb"]) == "signature"


def test_a_secret_that_no_file_can_hold_matches_nothing() -> None:
    assert refused_for("github", {"x-hub-signature-256": "sha256=00"}, ["\ud800"]) == "signature"
    assert refused_for("gitlab", {"x-gitlab-token": "x"}, ["\ud800", "whsec_\ud800"]) == "signature"


@pytest.mark.parametrize("seconds", [0, 1, 299, 300, -300])
def test_a_signed_delivery_within_five_minutes_is_believed(seconds: int) -> None:
    headers = standard_headers(SIGNING_TOKEN, BODY, str(int(NOW) - seconds))
    FORGES["gitlab"].verify(headers, BODY, [SIGNING_TOKEN], NOW)


@pytest.mark.parametrize("seconds", [301, -301, 86400, int(NOW)])
def test_a_signed_delivery_from_another_time_is_refused_for_its_timestamp(seconds: int) -> None:
    headers = standard_headers(SIGNING_TOKEN, BODY, str(int(NOW) - seconds))
    assert refused_for("gitlab", headers, [SIGNING_TOKEN]) == "timestamp"


@pytest.mark.parametrize("timestamp", ["soon", "-1", "1719835200.0", " 1719835200", "1" * 400, "0x66"])
def test_a_signed_timestamp_that_is_no_unix_time_is_refused_for_it(timestamp: str) -> None:
    headers = standard_headers(SIGNING_TOKEN, BODY, timestamp)
    assert refused_for("gitlab", headers, [SIGNING_TOKEN]) == "timestamp"


def test_a_stranger_s_stale_delivery_is_refused_for_its_signature() -> None:
    headers = standard_headers("whsec_b3RoZXI=", BODY, "1")
    assert refused_for("gitlab", headers, [SIGNING_TOKEN]) == "signature"


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", ["", "é", "\udcff"])
def test_a_signed_delivery_with_an_unusable_header_is_refused(header: str, value: str) -> None:
    headers = standard_headers(SIGNING_TOKEN, BODY, str(int(NOW))) | {header: value}
    assert refused_for("gitlab", headers, [SIGNING_TOKEN]) == "signature"


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_signed_delivery_without_one_of_its_headers_is_refused(header: str) -> None:
    headers = standard_headers(SIGNING_TOKEN, BODY, str(int(NOW)))
    del headers[header]
    assert refused_for("gitlab", headers, [SIGNING_TOKEN]) == "signature"


def test_another_id_or_time_than_the_signed_one_is_refused() -> None:
    headers = standard_headers(SIGNING_TOKEN, BODY, str(int(NOW)))
    assert refused_for("gitlab", headers | {"webhook-id": "m2"}, [SIGNING_TOKEN]) == "signature"
    later = headers | {"webhook-timestamp": str(int(NOW) + 1)}
    assert refused_for("gitlab", later, [SIGNING_TOKEN]) == "signature"


def test_any_signature_of_a_list_may_match() -> None:
    headers = standard_headers(SIGNING_TOKEN, BODY, str(int(NOW)))
    listed = f"v1a,abc v1,AAAA {headers['webhook-signature']} v2,x"
    FORGES["gitlab"].verify(headers | {"webhook-signature": listed}, BODY, ["whsec_AAAA", SIGNING_TOKEN], NOW)


@pytest.mark.parametrize("version", ["v1a,", "v2,", "", "V1,"])
def test_a_signature_of_another_version_is_refused(version: str) -> None:
    headers = standard_headers(SIGNING_TOKEN, BODY, str(int(NOW)))
    relabelled = headers["webhook-signature"].replace("v1,", version)
    assert refused_for("gitlab", headers | {"webhook-signature": relabelled}, [SIGNING_TOKEN]) == "signature"


def test_a_token_stands_in_only_where_the_signature_is_absent() -> None:
    both = ["token", SIGNING_TOKEN]
    FORGES["gitlab"].verify({"x-gitlab-token": "token"}, BODY, both, NOW)
    for signature in ("", "v1,AAAA"):
        headers = {
            "x-gitlab-token": "token",
            "webhook-id": "m1",
            "webhook-timestamp": str(int(NOW)),
            "webhook-signature": signature,
        }
        assert refused_for("gitlab", headers, both) == "signature"
        FORGES["gitlab"].verify(headers, BODY, ["token"], NOW)  # no signing token is configured


def test_a_signing_token_is_no_secret_token() -> None:
    assert refused_for("gitlab", {"x-gitlab-token": SIGNING_TOKEN}, [SIGNING_TOKEN]) == "signature"


@pytest.mark.parametrize("token", ["whsec_", "whsec_=", "whsec_!!!!", "whsec_é"])
def test_a_signing_token_that_is_no_key_matches_nothing(token: str) -> None:
    headers = standard_headers("whsec_", BODY, str(int(NOW)))
    assert refused_for("gitlab", headers, [token]) == "signature"


def test_the_primitives_refuse_a_missing_header() -> None:
    with pytest.raises(Rejected):
        require_hex_hmac({}, "x", BODY, ["s"])
    with pytest.raises(Rejected):
        require_token({}, "x", ["s"])
    with pytest.raises(Rejected):
        require_standard_webhook({}, BODY, [SIGNING_TOKEN], NOW)
