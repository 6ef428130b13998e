"""Licences, hosts, and the rules by which a key lets a host in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone

from .errors import ConfigError, MirrorError, RefusedError
from .names import check_name

PRODUCTS = ("essential", "esu", "fips")
# What customers see unless their licence names another.
DEFAULT_CHANNEL = "vetted"

_RELEASE = re.compile(r"\d{1,2}(\.\d{1,3})?")


class UnknownKeyError(MirrorError):
    """No such key. Malformed keys get the same, so an answer teaches nothing."""

    code = "unknown_key"
    exit_status = 5


class UnknownTokenError(MirrorError):
    """No such token, or one that is no longer valid."""

    code = "unauthorized"
    exit_status = 5


class LicenceError(RefusedError):
    """A key that exists and does not let this host in; `code` says why."""

    code = "licence"


class ExpiredError(LicenceError):
    code = "expired"


class ExhaustedError(LicenceError):
    """Every seat is taken."""

    code = "exhausted"


class RevokedError(LicenceError):
    code = "revoked"


class WrongProductError(LicenceError):
    """The key is for something else."""

    code = "wrong_product"


@dataclass(frozen=True)
class Terms:
    """What was sold. No releases: all of them. No host_limit: any number of hosts.

    `expires_at` is the last valid second since the epoch; None: never.
    """

    products: tuple[str, ...]
    releases: tuple[str, ...] = ()
    channel: str = DEFAULT_CHANNEL
    host_limit: int | None = None
    expires_at: int | None = None
    note: str = ""

    @property
    def key_prefix(self) -> str:
        return "ESU" if {"esu", "fips"} & set(self.products) else "ESA"


@dataclass(frozen=True)
class Licence:
    """A licence as stored. Times are seconds since the epoch.

    `id` is the registry's own, `public_id` what people say, `hint` the end of the key.
    """

    id: int
    public_id: str
    prefix: str
    hint: str
    terms: Terms
    created_at: int
    revoked_at: int | None
    seats_taken: int

    @property
    def masked_key(self) -> str:
        return f"{self.prefix}-...{self.hint}"

    @property
    def seats_left(self) -> int | None:
        if self.terms.host_limit is None:
            return None
        return max(0, self.terms.host_limit - self.seats_taken)

    def state(self, now: float) -> str:
        """`revoked`, `expired` or `valid`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if is_over(self.terms.expires_at, now) else "valid"


@dataclass(frozen=True)
class HostFacts:
    """What a host says of itself."""

    name: str
    machine_id: str | None = None
    release: str | None = None
    arch: str | None = None


@dataclass(frozen=True)
class Host:
    """A host as stored. It holds a seat until `ended_at`."""

    id: int
    public_id: str
    licence: str
    name: str
    release: str | None
    arch: str | None
    registered_at: int
    last_registered_at: int
    ended_at: int | None
    ended_by: str | None


@dataclass(frozen=True)
class TokenRecord:
    """A token's host and licence. `expires_at` is set once it has a successor."""

    host: Host
    licence: Licence
    expires_at: int | None


@dataclass(frozen=True)
class Registered:
    """The answer to a registration; the one time a token is seen."""

    token: str
    terms: Terms

    def __repr__(self) -> str:
        return f"Registered(token=…, terms={self.terms!r})"


@dataclass(frozen=True)
class Grant:
    """What a token opens, and until when (seconds since the epoch; None: no end)."""

    products: tuple[str, ...]
    releases: tuple[str, ...]
    channel: str
    expires_at: int | None


def is_over(expires_at: int | None, now: float) -> bool:
    """Whether the last valid second has passed."""
    return expires_at is not None and now >= expires_at + 1


def covers(releases: tuple[str, ...], release: str) -> bool:
    """Whether a licence for `releases` is good for `release`; `9` covers every 9.x."""
    return not releases or release in releases or release.partition(".")[0] in releases


def refuse_unless_usable(licence: Licence, now: float, release: str | None = None) -> None:
    """Passes or says why not; `release` is what the host runs, if it told.

    Raises:
        RevokedError, ExpiredError, WrongProductError.
    """
    state = licence.state(now)
    if state == "revoked":
        raise RevokedError("this licence key was revoked", way_out="ask for a new one")
    if state == "expired":
        raise ExpiredError(
            f"this licence key expired on {format_time(licence.terms.expires_at)}",
            way_out="renew the licence",
        )
    if release and not covers(licence.terms.releases, release):
        raise WrongProductError(
            f"this licence key is not for release {release}",
            expected=" ".join(licence.terms.releases),
            way_out="use a key for this release",
        )


def grant_of(record: TokenRecord, now: float) -> Grant | None:
    """What a token opens now; None where it, its host or its licence is no longer valid."""
    if record.host.ended_at is not None or record.licence.state(now) != "valid":
        return None
    if is_over(record.expires_at, now):
        return None
    terms = record.licence.terms
    ends = [t for t in (terms.expires_at, record.expires_at) if t is not None]
    return Grant(terms.products, terms.releases, terms.channel, min(ends, default=None))


def parse_products(texts: list[str]) -> tuple[str, ...]:
    """`--product esu,fips` in the order of `PRODUCTS`.

    Raises:
        ConfigError: not a product, or none.
    """
    named = {word for text in texts for word in text.replace(",", " ").split()}
    unknown = sorted(named - set(PRODUCTS))
    if unknown or not named:
        raise ConfigError(
            f"no product '{unknown[0]}'" if unknown else "a licence needs a product",
            expected=", ".join(PRODUCTS),
        )
    return tuple(product for product in PRODUCTS if product in named)


def parse_releases(texts: list[str]) -> tuple[str, ...]:
    """`9.2`, or `9` for all of 9.x; each once, in the order given.

    Raises:
        ConfigError: not a release.
    """
    words = [word for text in texts for word in text.replace(",", " ").split()]
    for word in words:
        if not _RELEASE.fullmatch(word):
            raise ConfigError(f"'{word}' is not a release", expected="such as 9.2, or 9 for all")
    return tuple(dict.fromkeys(words))


def parse_channel(text: str) -> str:
    """Raises ConfigError where it is no name."""
    return check_name("a channel", text)


def parse_expiry(text: str, now: float) -> int:
    """A day (valid to its end, UTC) or a time such as 2027-12-31T12:00:00Z, in the future.

    Raises:
        ConfigError: neither, or over.
    """
    try:
        if len(text) == len("2027-12-31"):
            when = datetime.strptime(text + "T23:59:59Z", _TIME)
        else:
            when = datetime.strptime(text, _TIME)
    except ValueError:
        raise ConfigError(
            f"'{text}' is not a date", expected="such as 2027-12-31 or 2027-12-31T12:00:00Z"
        ) from None
    seconds = int(when.replace(tzinfo=timezone.utc).timestamp())
    if is_over(seconds, now):
        raise ConfigError(f"{text} is over", expected="a day to come")
    return seconds


_TIME = "%Y-%m-%dT%H:%M:%SZ"


def format_time(seconds: float | None) -> str:
    """RFC 3339 in UTC; `never` for None."""
    if seconds is None:
        return "never"
    return datetime.fromtimestamp(seconds, timezone.utc).strftime(_TIME)


def time_or_none(seconds: float | None) -> str | None:
    """For JSON: RFC 3339 in UTC, or null."""
    return None if seconds is None else format_time(seconds)
