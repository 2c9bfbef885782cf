"""Keyed digests of what a customer knows about a purchase, so that names and addresses stay out of topics (S-43)."""

import hmac
import unicodedata


def identity_digest(key: bytes, text: str) -> str:
    """HMAC-SHA256 of a name or e-mail address, ignoring case, width and spacing; hexadecimal."""
    normal = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return hmac.digest(key, normal.encode(), "sha256").hex()
