"""What a licence lets in, and when."""

from dataclasses import replace

import pytest

from tuxmirror.core.errors import ConfigError
from tuxmirror.core.licence import (
    ExpiredError,
    Host,
    Licence,
    Registered,
    RevokedError,
    Terms,
    TokenRecord,
    WrongProductError,
    covers,
    format_time,
    grant_of,
    parse_channel,
    parse_expiry,
    parse_products,
    parse_releases,
    refuse_unless_usable,
)

NOW = 1_800_000_000
TERMS = Terms(("esu",), ("9.2",), "vetted", 2, NOW + 100)
LICENCE = Licence(1, "abc", "ESU", "WXYZ", TERMS, NOW - 10, None, 0)
HOST = Host(1, "h", "abc", "web1", "9.2", "x86_64", NOW, NOW, None, None)


def test_products_keep_their_order_and_come_in_any_form():
    assert parse_products(["fips,esu", "essential"]) == ("essential", "esu", "fips")
    assert parse_products(["esu", "esu"]) == ("esu",)


@pytest.mark.parametrize("texts", [["gold"], [], [""], ["esu", "ESU"]])
def test_a_product_that_does_not_exist_is_refused(texts):
    with pytest.raises(ConfigError):
        parse_products(texts)


def test_releases_are_each_named_once():
    assert parse_releases(["9.2,9.4", "9.2", "10"]) == ("9.2", "9.4", "10")
    assert parse_releases([]) == ()


@pytest.mark.parametrize("text", ["nine", "9.x", "9.2.1", "../9", "9.", "-1"])
def test_what_is_no_release_is_refused(text):
    with pytest.raises(ConfigError, match="not a release"):
        parse_releases([text])


@pytest.mark.parametrize("channel", ["../x", "a/b", "", ".hidden", "a" * 40])
def test_a_channel_is_a_plain_name(channel):
    with pytest.raises(ConfigError):
        parse_channel(channel)


def test_a_day_lasts_to_its_end():
    seconds = parse_expiry("2027-01-15", NOW)
    assert format_time(seconds) == "2027-01-15T23:59:59Z"
    assert format_time(parse_expiry("2027-01-15T12:30:00Z", NOW)) == "2027-01-15T12:30:00Z"


@pytest.mark.parametrize("text", ["tomorrow", "2027-13-01", "15.01.2027", "2027-1-1", ""])
def test_what_is_no_date_is_refused(text):
    with pytest.raises(ConfigError, match="not a date"):
        parse_expiry(text, NOW)


def test_a_day_that_is_over_is_refused():
    with pytest.raises(ConfigError, match="is over"):
        parse_expiry("2020-01-01", NOW)


@pytest.mark.parametrize(
    ("releases", "release", "covered"),
    [
        ((), "9.2", True),
        (("9.2",), "9.2", True),
        (("9.2",), "9.4", False),
        (("9.2",), "9.20", False),
        (("9",), "9.4", True),
        (("9",), "10.0", False),
        (("9.2",), "9", False),
        (("8", "9.2"), "8.10", True),
    ],
)
def test_a_major_release_covers_its_minor_ones(releases, release, covered):
    assert covers(releases, release) is covered


def test_the_key_kind_follows_the_products():
    assert Terms(("essential",)).key_prefix == "ESA"
    assert Terms(("essential", "fips")).key_prefix == "ESU"
    assert Terms(("esu",)).key_prefix == "ESU"


def test_a_usable_licence_passes_to_its_last_second():
    refuse_unless_usable(LICENCE, NOW, "9.2")
    refuse_unless_usable(LICENCE, NOW + 100.9)
    with pytest.raises(ExpiredError, match="expired on 2027-01-15"):
        refuse_unless_usable(LICENCE, NOW + 101)


def test_revoked_comes_before_expired_and_wrong_product_last():
    revoked = replace(LICENCE, revoked_at=NOW)
    with pytest.raises(RevokedError):
        refuse_unless_usable(revoked, NOW + 1000, "8.8")
    with pytest.raises(ExpiredError):
        refuse_unless_usable(LICENCE, NOW + 1000, "8.8")
    with pytest.raises(WrongProductError, match=r"release 8\.8"):
        refuse_unless_usable(LICENCE, NOW, "8.8")


@pytest.mark.parametrize(
    "record",
    [
        TokenRecord(replace(HOST, ended_at=NOW), LICENCE, None),
        TokenRecord(HOST, replace(LICENCE, revoked_at=NOW), None),
        TokenRecord(HOST, replace(LICENCE, terms=replace(TERMS, expires_at=NOW - 1)), None),
        TokenRecord(HOST, LICENCE, NOW - 1),
    ],
    ids=["host ended", "licence revoked", "licence expired", "token retired"],
)
def test_a_token_that_is_no_longer_valid_opens_nothing(record):
    assert grant_of(record, NOW) is None


def test_a_grant_ends_with_whatever_ends_first():
    assert grant_of(TokenRecord(HOST, LICENCE, NOW + 5), NOW).expires_at == NOW + 5
    assert grant_of(TokenRecord(HOST, LICENCE, NOW + 500), NOW).expires_at == NOW + 100
    endless = replace(LICENCE, terms=replace(TERMS, expires_at=None))
    assert grant_of(TokenRecord(HOST, endless, None), NOW).expires_at is None


def test_seats_left_never_goes_below_none():
    assert replace(LICENCE, seats_taken=1).seats_left == 1
    assert replace(LICENCE, seats_taken=3).seats_left == 0
    assert replace(LICENCE, terms=replace(TERMS, host_limit=None)).seats_left is None


def test_a_token_is_not_in_a_repr():
    assert "tux_secret" not in repr(Registered("tux_secret", TERMS))
