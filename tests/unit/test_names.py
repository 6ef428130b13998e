"""Names from outside: what may become a path on our disk and a URL of our customers."""

import os.path
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tuxmirror.core import names
from tuxmirror.core.errors import ConfigError, MetadataError

SEGMENT = st.from_regex(r"[A-Za-z0-9._+~^-]{1,30}", fullmatch=True).filter(
    lambda text: text not in (".", "..")
)
LOCATION = st.lists(SEGMENT, min_size=1, max_size=4).map("/".join)
HOSTILE = [
    "", "/", ".", "..", "a/..", "../a", "a/../b", "a//b", "/a", "a/", "./a", "a/.", "a\\b", "a b",
    "a\nb", "a\0b", "ä", "a%2fb", "http://h/a", "file:///etc/passwd", "//h/a", "a:b", "~/é", "a?b",
    "a" * 201, "\u2024\u2024/a", "a\u202eb", "$(x)", "a;b", "*", "a\n",
]  # fmt: skip


@pytest.mark.parametrize("href", HOSTILE)
def test_hostile_locations(href):
    for check in (
        names.check_location, names.check_package_location, names.check_metadata_location
    ):  # fmt: skip
        with pytest.raises(MetadataError):
            check(href)


@given(LOCATION)
def test_plain_locations_are_returned_unchanged(href):
    assert names.check_location(href) == href


@given(st.text(max_size=60))
@example("..")
@example("a/../../b")
def test_what_passes_stays_inside_wherever_it_is_put(href):
    try:
        names.check_location(href)
    except MetadataError:
        return
    joined = os.path.normpath(f"/root/tree/{href}")
    assert joined == f"/root/tree/{href}"
    assert re.fullmatch(r"[\x21-\x7e]+", href)


@given(st.text(max_size=30).map(lambda text: f"repodata/{text}"))
@example("repodata/repomd.xml")
@example("repodata/REPOMD.XML.ASC")
@example("repodata/repomd.xml.key")
def test_metadata_never_takes_the_place_of_repomd(href):
    try:
        names.check_metadata_location(href)
    except MetadataError:
        return
    assert not href.casefold().startswith("repodata/repomd.xml") or href.casefold() not in {
        "repodata/repomd.xml", "repodata/repomd.xml.asc", "repodata/repomd.xml.key",
    }  # fmt: skip


@pytest.mark.parametrize(
    "href", ["Packages/a.rpm", "a.rpm", "Packages/n/nss-3.90.0-6.el9_2.x86_64.rpm",
             "Packages/g++-1~rc1^git.rpm"],
)  # fmt: skip
def test_package_locations(href):
    assert names.check_package_location(href) == href


@pytest.mark.parametrize(
    "href", ["a.txt", "a.rpm.sh", "repodata/a.rpm", "REPODATA/a.rpm", "Packages/a.RPM"]
)
def test_package_locations_end_in_rpm_and_stay_out_of_repodata(href):
    with pytest.raises(MetadataError):
        names.check_package_location(href)


@pytest.mark.parametrize("href", ["repodata/a/b.xml", "a.xml", "Packages/a.xml", "repodata"])
def test_metadata_lies_directly_below_repodata(href):
    with pytest.raises(MetadataError):
        names.check_metadata_location(href)


@pytest.mark.parametrize("name", ["BaseOS", "x86_64", "9.2", "HighAvailability", "a"])
def test_operators_names(name):
    assert names.check_name("a tree", name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "a/b", "a b", "-a", "é", "a" * 65, "A" * 32, "a_b-" * 8]
)
def test_operators_names_that_are_none_or_look_like_a_token(name):
    with pytest.raises(ConfigError) as caught:
        names.check_name("a tree", name)
    assert "a tree" in caught.value.message


def test_sha256():
    assert names.check_sha256("0" * 64, "x") == "0" * 64
    for bad in ("", "0" * 63, "0" * 65, "G" * 64, "A" * 64, "0" * 64 + "\n", " " + "0" * 63):
        with pytest.raises(MetadataError, match="x has no SHA-256"):
            names.check_sha256(bad, "x")


def test_unique_names_both_twins():
    names.check_unique(["a", "b", "a.b"])
    with pytest.raises(MetadataError) as caught:
        names.check_unique(["Packages/a.rpm", "packages/A.rpm"])
    assert "Packages/a.rpm" in caught.value.found
    assert "packages/A.rpm" in caught.value.found


@given(st.lists(LOCATION, max_size=20))
def test_unique_agrees_with_case_folding(locations):
    folded = [location.casefold() for location in locations]
    try:
        names.check_unique(locations)
    except MetadataError:
        assert len(set(folded)) < len(folded)
    else:
        assert len(set(folded)) == len(folded)
