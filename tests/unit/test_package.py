"""Packages as metadata describes them: what must hold together, and against their headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxmirror.core.errors import MetadataError
from tuxmirror.core.package import Header, Package, check_header, check_packages

ALPHA = Package(
    "alpha", 0, "1.0", "1.el9", "x86_64", "Packages/alpha-1.0-1.el9.x86_64.rpm", "a" * 64, 100,
    1_695_000_000, "alpha-1.0-1.el9.src.rpm",
)  # fmt: skip
WORD = st.text("abc01.", min_size=1, max_size=3)
HEADERS = st.builds(Header, WORD, st.integers(0, 3), WORD, WORD, WORD, st.integers(0, 9), WORD)


def described(header, sha256="a" * 64):
    return Package(*header[:5], "p.rpm", sha256, 1, *header[5:])


def test_nevra_shows_the_epoch_only_where_there_is_one():
    assert ALPHA.nevra == "alpha-1.0-1.el9.x86_64"
    assert ALPHA._replace(epoch=2).nevra == "alpha-2:1.0-1.el9.x86_64"


def test_packages_that_go_together():
    check_packages([])
    check_packages([ALPHA, ALPHA._replace(name="beta", location="Packages/beta.rpm")])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"location": "../a.rpm"}, "unsafe location"),
        ({"location": "repodata/a.rpm"}, "cannot be at"),
        ({"sha256": "abc"}, "no SHA-256"),
        ({"size": 0}, "no size"),
        ({"size": -1}, "no size"),
    ],
)
def test_package_that_cannot_be(changes, message):
    with pytest.raises(MetadataError, match=message):
        check_packages([ALPHA._replace(**changes)])


def test_one_nevra_with_two_contents():
    other = ALPHA._replace(sha256="b" * 64, location="Packages/other.rpm")
    with pytest.raises(MetadataError) as caught:
        check_packages([ALPHA, other])
    assert ALPHA.location in caught.value.found
    assert other.location in caught.value.found


def test_one_content_at_two_places_is_fine():
    check_packages([ALPHA, ALPHA._replace(location="Packages/again.rpm")])


@pytest.mark.parametrize("location", [ALPHA.location, ALPHA.location.replace("alpha", "ALPHA")])
def test_one_place_for_two_packages(location):
    with pytest.raises(MetadataError, match="twice"):
        check_packages([ALPHA, ALPHA._replace(name="beta", location=location)])


@given(HEADERS, HEADERS)
def test_header_is_accepted_exactly_when_every_field_agrees(promised, actual):
    try:
        check_header(described(promised), actual)
    except MetadataError as error:
        field = error.message.rpartition(" ")[2]
        assert str(getattr(promised, field)) == error.expected
        assert str(getattr(actual, field)) == error.found
        assert promised != actual
    else:
        assert promised == actual


@given(HEADERS, HEADERS)
def test_description_tells_exactly_the_packages_apart_that_a_header_check_would(one, other):
    same = described(one).description == described(other, "b" * 64).description
    assert same == (one == other)
