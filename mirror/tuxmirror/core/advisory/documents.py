"""Documents of people, taken apart under rules: every complaint names file and line.

A `Node` is a value with the place it was written at; `Fields` are a mapping's, asked for one by
one, so that a key nobody asked for is an error that names the nearest.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import NamedTuple

from ..errors import AdvisoryError

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_STAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?")
_URL = re.compile(r"https?://[^\s<>\"'{}|\\^`]+")
# Nothing that we speak of is older.
_OLDEST = 915_148_800
_SOON = 86400


class Node(NamedTuple):
    """A scalar's text, a list or a mapping; `place` is the file's name and line."""

    value: str | Sequence[Node] | dict[str, Node]
    place: str

    def fail(self, message: str, expected: str | None = None) -> AdvisoryError:
        shown = self.value if isinstance(self.value, str) else None
        found = repr(shown[:200]) if shown is not None else None
        return AdvisoryError(message, expected=expected, found=found, path=self.place)

    def items(self, what: str) -> Sequence[Node]:
        if not isinstance(self.value, (list, tuple)):
            raise self.fail(f"{what} is no list", "a list")
        return self.value

    def fields(self, what: str) -> Fields:
        if not isinstance(self.value, dict):
            raise self.fail(f"{what} is no mapping", "keys and values")
        return Fields(self.value, self, what)

    def text(self, what: str, limit: int = 500, lines: bool = False) -> str:
        """Without control characters; with line breaks only where `lines` says so."""
        if not isinstance(self.value, str):
            raise self.fail(f"{what} is no text", "text")
        allowed = "\n\t" if lines else ""
        for character in self.value:
            if not character.isprintable() and character not in allowed and character != "\u00a0":
                raise self.fail(f"{what} has a control character", "printable text")
        if not self.value.strip():
            raise self.fail(f"{what} is empty")
        if len(self.value) > limit:
            raise self.fail(f"{what} is too long", f"at most {limit} characters")
        return self.value

    def one_of(self, what: str, choices: Iterable[str]) -> str:
        text = self.text(what)
        known = list(choices)
        if text not in known:
            close = difflib.get_close_matches(text, known, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise self.fail(f"{what} is unknown{hint}", ", ".join(known))
        return text

    def matching(self, what: str, pattern: str, expected: str) -> str:
        text = self.text(what)
        if not re.fullmatch(pattern, text, re.ASCII):
            raise self.fail(f"{what} is malformed", expected)
        return text

    def url(self, what: str) -> str:
        text = self.text(what, 2000)
        if not _URL.fullmatch(text):
            raise self.fail(f"{what} is no address", "https://...")
        return text

    def date(self, what: str, now: int) -> int:
        """Seconds; a day alone is its midnight, a time without a zone is UTC."""
        text = self.text(what)
        try:
            if _DATE.fullmatch(text):
                parsed = datetime.fromisoformat(text)
            elif _STAMP.fullmatch(text):
                parsed = datetime.fromisoformat(_for_python(text))
            else:
                raise ValueError(text)
        except ValueError:
            raise self.fail(
                f"{what} is no date", "such as 2026-11-30 or 2026-11-30T12:00:00Z"
            ) from None
        zone = parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)
        seconds = int(zone.timestamp())
        if not _OLDEST <= seconds <= now + _SOON:
            raise self.fail(f"{what} cannot be", "a date since 1999 that is not in the future")
        return seconds


class Fields:
    """The keys of a mapping, each asked for once."""

    def __init__(self, values: dict[str, Node], owner: Node, what: str) -> None:
        self._values = dict(values)
        self._asked: list[str] = []
        self.owner = owner
        self._what = what

    def get(self, key: str) -> Node | None:
        self._asked.append(key)
        return self._values.pop(key, None)

    def need(self, key: str) -> Node:
        found = self.get(key)
        if found is None:
            raise self.owner.fail(f"{self._what} has no '{key}'")
        return found

    def done(self) -> None:
        """Raises AdvisoryError for a key that nobody asked for."""
        for key, node in self._values.items():
            close = difflib.get_close_matches(key, self._asked, 1)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            raise AdvisoryError(
                f"{self._what} has an unknown key '{key[:100]}'{hint}",
                expected=", ".join(self._asked),
                path=node.place,
            )


def _for_python(text: str) -> str:
    """For `fromisoformat` of Python 3.9: no Z, six digits of fractions, zones with a colon."""
    text = text.replace("Z", "+00:00")
    text = re.sub(r"\.(\d+)", lambda match: "." + match[1][:6].ljust(6, "0"), text)
    return re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", text)
