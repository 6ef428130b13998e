"""A configuration value from its text; ValueError says what was expected."""

from __future__ import annotations

import configparser
import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Callable
from urllib.parse import urlsplit

from . import location
from .location import Location
from .names import check_name

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def nearest(name: str, known: Mapping[str, object]) -> str | None:
    """For a way out: the one of `known` that was probably meant."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else None


def duration(text: str) -> int:
    """`48h`, `7d`, `90m` in seconds."""
    match = re.fullmatch(r"([0-9]{1,9})\s*([smhdw])", text.strip())
    if not match:
        raise ValueError("expected a number and one of s m h d w, such as 48h")
    return int(match[1]) * _UNITS[match[2]]


def age(text: str) -> int:
    """A duration; 0 for `never`: there is no age that counts."""
    return 0 if text == "never" else duration(text)


def words(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def positive(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 256:
        raise ValueError("expected a number from 1 to 256")
    return int(text)


def boolean(text: str) -> bool:
    try:
        return configparser.ConfigParser.BOOLEAN_STATES[text.lower()]
    except KeyError:
        raise ValueError("expected yes or no") from None


def path(text: str) -> Path:
    path = Path(text)
    if not path.is_absolute():
        raise ValueError("expected an absolute path")
    return path


def place(text: str) -> Path | Location:
    return location.parse(text) if text.startswith(location.SCHEME) else path(text)


_BYTES = {"M": 1 << 20, "G": 1 << 30}


def size(text: str) -> int:
    """`512M`, `2G` in bytes."""
    match = re.fullmatch(r"([0-9]{1,6})\s*([MG])", text.strip())
    if not match or int(match[1]) * _BYTES[match[2]] < 256 << 20:
        raise ValueError("expected a number and M or G, 256M or more")
    return int(match[1]) * _BYTES[match[2]]


LOCAL_WORKERS = "local:"


def workers(text: str) -> str:
    if text.startswith(LOCAL_WORKERS):
        positive(text[len(LOCAL_WORKERS) :])
    elif not re.fullmatch(r"(tcp|tls)://[A-Za-z0-9.:\[\]-]+:\d{1,5}", text):
        raise ValueError("expected the address of a Dask scheduler, tcp://HOST:8786, or local:N")
    return text


def paths(text: str) -> tuple[Path, ...]:
    return tuple(path(word) for word in words(text))


def url(text: str) -> str:
    """A root, without a slash at the end. Raises ValueError."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected an http or https URL")
    if parts.query or parts.fragment:
        raise ValueError("a root has no query and no fragment")
    return text.rstrip("/")


def urls(text: str) -> tuple[str, ...]:
    return tuple(url(word) for word in words(text))


def mirror_list(text: str) -> str:
    """A URL with `{repo}` in it; a query is fine."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected an http or https URL")
    return text


def fingerprint(text: str) -> str:
    bare = text.replace(" ", "").upper()
    if not re.fullmatch(r"[0-9A-F]{40}|[0-9A-F]{64}", bare):
        raise ValueError("expected a whole fingerprint, 40 hex digits")
    return bare


def fingerprints(text: str) -> tuple[str, ...]:
    return tuple(fingerprint(part) for part in re.split(r"[,\n]+", text) if part.strip())


def one_of(*choices: str) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if text not in choices:
            raise ValueError(f"expected one of: {', '.join(choices)}")
        return text

    return convert


def some_of(*choices: str) -> Callable[[str], tuple[str, ...]]:
    def convert(text: str) -> tuple[str, ...]:
        found = words(text)
        if not set(found) <= set(choices) or len(found) != len(set(found)):
            raise ValueError(f"expected some of: {', '.join(choices)}")
        return found

    return convert


def database(text: str) -> str:
    if text != "sqlite" and not re.match(r"(sqlite|postgresql(\+\w+)?)://", text):
        raise ValueError("expected sqlite or postgresql://...")
    return text


def names(kind: str) -> Callable[[str], tuple[str, ...]]:
    def convert(text: str) -> tuple[str, ...]:
        names = tuple(check_name(kind, word) for word in words(text))
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"'{name}' is there twice")
        return names

    return convert


def text(text: str) -> str:
    return text
