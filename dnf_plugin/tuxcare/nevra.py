"""Package identities of rpm: EVR order, NEVRA, and the source package a binary was built from.

Pure. The order is rpm's own (lib/rpmvercmp.c), with `~` (sorts before the end of the string) and
`^` (sorts after it); it is property-tested against rpm.labelCompare.
"""

from functools import lru_cache, total_ordering

TYPE_CHECKING = False  # typing costs more to load than all of this
if TYPE_CHECKING:
    from typing import Any, NamedTuple, Optional, Tuple
else:
    from tuxcare.values import NamedTuple

_ASCII_DIGITS = frozenset("0123456789")
_ASCII_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_SIGNIFICANT = _ASCII_DIGITS | _ASCII_LETTERS | frozenset("~^")

DIGITS = "0123456789"
ALPHANUMERIC = DIGITS + "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SOURCE_SUFFIXES = (".nosrc.rpm", ".src.rpm")


def made_of(text: str, characters: str) -> bool:
    """Whether a text has only these characters, and some. Compiling a pattern would cost more."""
    return bool(text) and not text.strip(characters)


def is_name(text: str) -> bool:
    """Whether a package can be called so."""
    return made_of(text, ALPHANUMERIC + "._+-") and text[0] not in ".+-"


def is_version(text: str) -> bool:
    """Whether this can be a version or a release.

    rpm forbids only '-' and white space; this is what its build accepts.
    """
    return made_of(text, ALPHANUMERIC + "._+~^")


def compare_versions(one: str, other: str) -> int:
    """-1, 0 or 1 as `one` is older than, equal to or newer than `other`: rpmvercmp()."""
    if one == other:
        return 0
    i = j = 0
    while True:
        i, j = _skip_separators(one, i), _skip_separators(other, j)
        a, b = one[i : i + 1], other[j : j + 1]
        if a == "~" or b == "~":
            if a != b:
                return -1 if a == "~" else 1
        elif a == "^" or b == "^":
            if a != b:
                return _caret_order(a, b)
        elif not a or not b:
            return _sign(bool(a), bool(b))
        else:
            order, i, j = _compare_segments(one, i, other, j)
            if order:
                return order
            continue
        i, j = i + 1, j + 1


def _skip_separators(text: str, start: int) -> int:
    while start < len(text) and text[start] not in _SIGNIFICANT:
        start += 1
    return start


def _caret_order(a: str, b: str) -> int:
    """Exactly one of the two is a caret: it is newer than the end, older than anything else."""
    if a == "^":
        return -1 if b else 1
    return 1 if a else -1


def _compare_segments(one: str, i: int, other: str, j: int) -> "Tuple[int, int, int]":
    """The order of the segments of digits or letters at i and j, and where they end."""
    numeric = one[i] in _ASCII_DIGITS
    kind = _ASCII_DIGITS if numeric else _ASCII_LETTERS
    end, other_end = _segment_end(one, i, kind), _segment_end(other, j, kind)
    if other_end == j:  # segments of different kinds: digits are newer than letters
        return (1 if numeric else -1), i, j
    a, b = one[i:end], other[j:other_end]
    if numeric:
        a, b = a.lstrip("0"), b.lstrip("0")
        order = _sign(len(a), len(b)) or _sign(a, b)
    else:
        order = _sign(a, b)
    return order, end, other_end


def _segment_end(text: str, start: int, kind: frozenset) -> int:
    while start < len(text) and text[start] in kind:
        start += 1
    return start


def _sign(a: "Any", b: "Any") -> int:
    return int(a > b) - int(a < b)


@total_ordering
class Evr:
    """Epoch, version and release; ordered as rpm orders them. A missing epoch is 0."""

    __slots__ = ("epoch", "release", "version")

    def __init__(self, epoch: int, version: str, release: str) -> None:
        self.epoch = epoch
        self.version = version
        self.release = release

    def compare(self, other: "Evr") -> int:
        return (
            _sign(self.epoch, other.epoch)
            or compare_versions(self.version, other.version)
            or compare_versions(self.release, other.release)
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Evr) and self.compare(other) == 0

    def __lt__(self, other: "Evr") -> bool:
        return self.compare(other) < 0

    # Equal versions may be spelt differently (1.0 and 1.00), so there is no cheap hash.
    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        text = "{}-{}".format(self.version, self.release)
        return "{}:{}".format(self.epoch, text) if self.epoch else text

    def __repr__(self) -> str:
        return "Evr({})".format(self)


class SourceNevr(NamedTuple):
    """A source package: `nss-3.90.0-6.el9_2.tuxcare.1`.

    File names of source packages carry no epoch, so there is none here.
    """

    name: str
    version: str
    release: str

    @property
    def evr(self) -> Evr:
        return Evr(0, self.version, self.release)

    @property
    def sourcerpm(self) -> str:
        """As in the SOURCERPM tag of the binary packages built from it."""
        return "{}.src.rpm".format(self)

    def __str__(self) -> str:
        return "{}-{}-{}".format(self.name, self.version, self.release)


def parse_source(text: str) -> SourceNevr:
    """`nss-3.90.0-6.el9_2.tuxcare.1` in its parts. Raises ValueError for anything else."""
    parts = text.rsplit("-", 2)
    if len(parts) != 3:
        raise ValueError("expected NAME-VERSION-RELEASE, found {!r}".format(text))
    name, version, release = parts
    if not (is_name(name) and is_version(version) and is_version(release)):
        raise ValueError("expected NAME-VERSION-RELEASE, found {!r}".format(text))
    if text.endswith(_SOURCE_SUFFIXES) or release.endswith(".src"):
        raise ValueError("expected no '.src' or '.rpm' at the end of {!r}".format(text))
    return SourceNevr(name, version, release)


@lru_cache(maxsize=1024)  # the binaries of one source all name it, and every rule asks
def parse_sourcerpm(sourcerpm: "Optional[str]") -> "Optional[SourceNevr]":
    """The source a SOURCERPM tag names; None for a tag that is empty or not of that form."""
    for suffix in _SOURCE_SUFFIXES:
        if sourcerpm and sourcerpm.endswith(suffix):
            try:
                return parse_source(sourcerpm[: -len(suffix)])
            except ValueError:
                return None
    return None


def parse_epoch(text: str) -> int:
    """Raises ValueError for what is no epoch."""
    if not made_of(text, DIGITS):
        raise ValueError("expected an epoch such as 0 or 1, found {!r}".format(text))
    return int(text)
