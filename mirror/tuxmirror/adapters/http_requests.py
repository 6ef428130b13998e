"""Bodies of requests, checked before they go further."""

from __future__ import annotations

import re
from typing import Any

from werkzeug.exceptions import BadRequest

from ..core.licence import HostFacts

_HOST_NAME = re.compile(r"[^\x00-\x20\x7f]{1,255}")
_MACHINE_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
_RELEASE = re.compile(r"\d{1,2}(\.\d{1,3})?")
_ARCH = re.compile(r"[A-Za-z0-9_]{1,16}")


class InvalidBody(BadRequest):
    """Says which member is wrong; never its value."""


def parse_key(body: dict[str, Any]) -> str:
    """Any text: whether it is a key is not told apart from whether it exists."""
    key = body.get("key")
    if not isinstance(key, str):
        raise InvalidBody("'key' is missing or not a string")
    return key


def parse_host_facts(body: dict[str, Any]) -> HostFacts:
    """`host_name`, and what else the host told. Unknown members are left alone.

    Raises:
        InvalidBody.
    """
    name = _member(body, "host_name", _HOST_NAME, "a host name of at most 255 characters")
    if name is None:
        raise InvalidBody("'host_name' is missing")
    return HostFacts(
        name=name,
        machine_id=_machine_id(body),
        release=_member(body, "release", _RELEASE, "a release such as 9.2"),
        arch=_member(body, "arch", _ARCH, "an arch such as x86_64"),
    )


def _machine_id(body: dict[str, Any]) -> str | None:
    """None for the ids of images that were never booted: hosts made from one share them."""
    machine_id = _member(body, "machine_id", _MACHINE_ID, "8 to 64 letters, digits, '-'")
    if machine_id is None or machine_id.strip("0-") == "" or machine_id == "uninitialized":
        return None
    return machine_id


def _member(body: dict[str, Any], name: str, pattern: re.Pattern[str], what: str) -> str | None:
    value = body.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not pattern.fullmatch(value) or not _is_storable(value):
        raise InvalidBody(f"'{name}' is not {what}")
    return value


def _is_storable(text: str) -> bool:
    """Lone surrogates are legal in JSON and in nothing else."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
