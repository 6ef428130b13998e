"""Licence keys: their form, where they are read from, what their prefix says. A key is a secret."""

import re
import sys
from typing import BinaryIO, List, NamedTuple, Optional

from tuxcare.errors import StorageError, UsageError

ESSENTIAL = "essential"
ESU = "esu"
FIPS = "fips"

_KEY = re.compile(r"(ESU|ESA|AC)-[A-Za-z0-9]{8,128}\Z", re.IGNORECASE)
_KEY_IN_TEXT = re.compile(r"\b(ESU|ESA|AC)-[A-Za-z0-9]{4,}", re.IGNORECASE)
_PRODUCTS = {"ESU": [ESSENTIAL, ESU, FIPS], "ESA": [ESSENTIAL], "AC": [ESSENTIAL]}
_MAX_FILE = 4096


class LicenceKey(NamedTuple):
    """A key of the right form. Its text never goes into messages, logs or arguments."""

    text: str

    @property
    def _prefix(self) -> str:
        return self.text.partition("-")[0].upper()

    @property
    def products(self) -> List[str]:
        """What keys of this prefix buy, for services that do not say."""
        return list(_PRODUCTS[self._prefix])

    def __repr__(self) -> str:
        return "LicenceKey({}-****)".format(self._prefix)


def parse(text: str) -> LicenceKey:
    """Raises UsageError for what has not the form of a key, without repeating it."""
    key = text.strip()
    if not _KEY.match(key):
        raise UsageError(
            "this is not a licence key: expected ESU-, ESA- or AC- and at least 8 letters or "
            "digits, found {} characters".format(len(key)),
            "Copy the key from your account as a whole.",
        )
    return LicenceKey(key)


def from_file(path: str, stdin: Optional[BinaryIO] = None) -> LicenceKey:
    """The key in a file, or on standard input for `-`. Raises UsageError, StorageError."""
    try:
        if path == "-":
            data = (stdin or sys.stdin.buffer).read(_MAX_FILE)
        else:
            with open(path, "rb") as stream:
                data = stream.read(_MAX_FILE)
    except OSError as error:
        raise StorageError("{}: {}".format(path, error.strerror)) from error
    lines = [line for line in data.decode("utf-8", "replace").splitlines() if line.strip()]
    if len(lines) != 1:
        where = "standard input" if path == "-" else path
        raise UsageError(
            "{}: expected one line with a licence key, found {} lines".format(where, len(lines))
        )
    return parse(lines[0])


def mask(text: str) -> str:
    """A text without the licence keys in it."""
    return _KEY_IN_TEXT.sub(r"\1-****", text)
