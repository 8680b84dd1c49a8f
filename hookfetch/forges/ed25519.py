"""Ed25519 signatures (RFC 8032), as the `cryptography` package verifies them. Pure."""

import base64
import binascii


def signed_by(key: bytes, signature: bytes, message: bytes) -> bool:
    """Return whether `signature` over `message` was made with the private half of `key`, both in
    base64. What is no key or no signature matches nothing."""
    # Imported here: it is large, and most hooks never need it.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True))
        public.verify(base64.b64decode(signature, validate=True), message)
    except (binascii.Error, ValueError, InvalidSignature):
        return False
    return True
