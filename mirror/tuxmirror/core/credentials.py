"""Licence keys and tokens: how they look, how they are kept, how they stay out of logs.

    ESU-7K2M…X   prefix, 23 random characters, one check character      (the customer's secret)
    tux_4f0…     256 random bits, URL-safe                              (the host's secret)

Neither is stored: the registry holds HMAC-SHA256 of them under a pepper that lives beside it, so
a stolen database opens nothing. Comparing those digests in an index leaks nothing of the secret.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from typing import Callable

from .names import TOKEN

# No 0 O 1 I L. 31 characters: a prime, so the weighted sum below misses no single wrong
# character and no two swapped ones. 23 random ones are 113.9 bits.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
KEY_LENGTH = 24
PREFIXES = ("ESU", "ESA")
PEPPER_BYTES = 32

_KEY = re.compile(f"(ES[UA])-([{ALPHABET}]{{{KEY_LENGTH}}})")
# Wider than what we issue: a mistyped key is still somebody's secret.
_KEY_LIKE = re.compile(r"\b(ES[UA]|AC)-[0-9A-Z]{12,}", re.IGNORECASE)
_TOKEN_START = "tux_"  # noqa: S105  (not a secret: what secrets begin with)
_LONG_RUN = re.compile(r"[A-Za-z0-9_-]{32,}")


def make_key(prefix: str, below: Callable[[int], int] = secrets.randbelow) -> str:
    """A new licence key. `below(n)` gives a uniform number from 0 to n - 1."""
    body = "".join(ALPHABET[below(len(ALPHABET))] for _ in range(KEY_LENGTH - 1))
    return f"{prefix}-{body}{_check_character(prefix, body)}"


def _check_character(prefix: str, body: str) -> str:
    total = PREFIXES.index(prefix) + 1
    total += sum(weight * ALPHABET.index(c) for weight, c in enumerate(body, start=2))
    return ALPHABET[total % len(ALPHABET)]


def normalise_key(text: str) -> str:
    """What people paste: spaces around it and small letters do no harm."""
    return text.strip().upper()


def is_key(text: str) -> bool:
    """Whether a normalised text could have come from `make_key`."""
    match = _KEY.fullmatch(text)
    return match is not None and _check_character(match[1], match[2][:-1]) == match[2][-1]


def make_token() -> str:
    """A new token; matches `names.TOKEN`. The prefix lets secret scanners recognise it."""
    return _TOKEN_START + secrets.token_urlsafe(32)


def make_public_id(length: int = 8) -> str:
    """What a licence or a host is called in lists: short, not secret."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length)).lower()


class Digests:
    """What the registry stores instead of secrets: 64 hex digits, one domain for each kind."""

    def __init__(self, pepper: bytes) -> None:
        if len(pepper) != PEPPER_BYTES:
            raise ValueError(f"a pepper has {PEPPER_BYTES} bytes, not {len(pepper)}")
        self._pepper = pepper

    def key(self, text: str) -> str:
        return self._digest(b"key", normalise_key(text))

    def token(self, text: str) -> str:
        return self._digest(b"token", text)

    def machine(self, licence: int, machine_id: str) -> str:
        """A machine id is confidential too (machine-id(5)), and means nothing elsewhere."""
        return self._digest(b"machine", f"{licence}:{machine_id.lower()}")

    def check(self) -> str:
        """Tells whether a registry belongs to this pepper."""
        return self._digest(b"check", "")

    def _digest(self, domain: bytes, text: str) -> str:
        data = text.encode("utf-8", "surrogatepass")
        return hmac.new(self._pepper, domain + b"\0" + data, hashlib.sha256).hexdigest()


def is_token(segment: str) -> bool:
    """Whether a path segment stands where a token would. Names of keys are long, too."""
    return bool(TOKEN.fullmatch(segment)) and not segment.startswith("RPM-GPG-KEY-")


def redact(text: str) -> str:
    """A log line or URL path without keys and tokens.

    Hashed metadata (`repodata/<64 hex>-primary.xml.gz`) stays readable: only whole segments are
    taken for tokens, and anything long at the place where tokens stand.
    """
    segments = _KEY_LIKE.sub("<key>", text).split("/")
    return "/".join(_redact_segments(segments))


def _redact_segments(segments: list[str]) -> Iterable[str]:
    for place, segment in enumerate(segments):
        if place == 3 or _TOKEN_START in segment:
            yield _LONG_RUN.sub("<token>", segment)
        else:
            yield "<token>" if is_token(segment) else segment
