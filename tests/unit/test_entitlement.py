"""Which path a licence opens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxmirror.core.credentials import make_token
from tuxmirror.core.entitlement import ContentPath, allows, is_open, parse
from tuxmirror.core.licence import PRODUCTS

TOKEN = make_token()


def segments(path):
    return tuple(path.split("/"))


def test_the_token_is_taken_out_of_the_third_place():
    request = parse(f"almalinux/9.2/{TOKEN}/BaseOS/x86_64/os/repodata/repomd.xml")
    assert request.token == TOKEN
    assert request.segments == segments("almalinux/9.2/BaseOS/x86_64/os/repodata/repomd.xml")


def test_a_path_without_a_token_keeps_all_segments():
    request = parse("tuxcare/9.2/esu/x86_64/a.rpm")
    assert request.token is None
    assert request.segments == segments("tuxcare/9.2/esu/x86_64/a.rpm")


@pytest.mark.parametrize("token", [TOKEN, None], ids=["token", "none"])
@pytest.mark.parametrize("generation", ["7", None])
def test_a_generation_stands_after_the_token_or_in_its_place(token, generation):
    request = ContentPath(("almalinux", "9.2", "BaseOS", "a.rpm"), token, generation)
    assert parse(request.within(generation)) == request


@pytest.mark.parametrize("name", ["7", ".generation-", ".generation-0", ".generation-1x", "x" * 9])
def test_what_is_no_generation_is_an_ordinary_name(name):
    path = f"almalinux/9.2/{name}/a.rpm"
    assert parse(path) == ContentPath(segments(path), None)


@pytest.mark.parametrize("place", [0, 1, 3, 4])
def test_a_token_elsewhere_is_an_ordinary_name(place):
    parts = ["almalinux", "9.2", "BaseOS", "x86_64"]
    parts.insert(place, TOKEN)
    assert parse("/".join(parts)).token is None


def test_names_of_repositories_and_keys_are_never_taken_for_tokens():
    for name in ("HighAvailability", "RPM-GPG-KEY-CentOS-SIG-HyperScale", "a" * 31, "x." * 20):
        assert parse(f"almalinux/9.2/{name}/x").token is None


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "almalinux/../x",
        "almalinux/./x",
        "almalinux//x",
        "/almalinux/x",
        "almalinux/x/",
        "..",
        "almalinux/9.2/a\0b",
        "almalinux/9.2/a\nb",
        "almalinux/9.2/a b",
        "almalinux/9.2/a\\b",
        "almalinux/9.2/ä",
        "almalinux/9.2/%2e%2e/x",
        "almalinux/9.2/" + "a" * 201,
        "almalinux/9.2/~/…",
    ],
)
def test_tricks_name_nothing(path):
    assert parse(path) is None


@given(st.text())
def test_what_is_parsed_never_leaves_its_folder(path):
    request = parse(path)
    if request is not None:
        assert not {"", ".", ".."} & set(request.segments)
        assert all("/" not in segment and "\0" not in segment for segment in request.segments)


REPOMD = "almalinux/9.2/BaseOS/x86_64/os/repodata/repomd.xml"
ESU = "tuxcare/9.2/esu/x86_64/repodata/repomd.xml"
FIPS = "tuxcare/9.2/fips/x86_64/repodata/repomd.xml"


@pytest.mark.parametrize(
    ("products", "opened"),
    [
        (("essential",), {REPOMD}),
        (("esu",), {REPOMD, ESU}),
        (("fips",), {REPOMD, ESU, FIPS}),
        (("esu", "fips"), {REPOMD, ESU, FIPS}),
        (("gold",), set()),
        ((), set()),
    ],
)
def test_products_open_their_repositories(products, opened):
    assert {p for p in (REPOMD, ESU, FIPS) if allows(products, (), segments(p))} == opened


@pytest.mark.parametrize("path", [REPOMD, ESU, FIPS])
def test_another_release_is_closed(path):
    assert allows(PRODUCTS, ("9.2",), segments(path))
    assert not allows(PRODUCTS, ("9.4",), segments(path))


@pytest.mark.parametrize(
    "path",
    [
        "tuxcare",
        "tuxcare/9.2",
        "tuxcare/9.2/els/x86_64/a.rpm",
        "tuxcare/9.2/ESU/x86_64/a.rpm",
        "almalinux",
        "almalinux/9.2",
    ],
)
def test_what_has_no_rule_is_closed_to_everybody(path):
    assert not allows(PRODUCTS, (), segments(path))
    assert not is_open(segments(path))


@pytest.mark.parametrize("path", ["almalinux/9.2/TIME", "almalinux/9.2/SNAPSHOT.json"])
def test_the_state_of_a_tree_is_gated(path):
    assert not is_open(segments(path))
    assert allows(("essential",), ("9.2",), segments(path))


@pytest.mark.parametrize(
    "path",
    [
        "tuxcare/RPM-GPG-KEY-TuxCare",
        "almalinux/9.2/RPM-GPG-KEY-AlmaLinux-9",
        "tuxcare/9.2/esu/RPM-GPG-KEY-TuxCare",
        "tuxcare/tuxcare-release-latest-9.2.x86_64.rpm",
        "tuxcare/tuxcare-release-latest-9.2.noarch.rpm",
        "tuxcare/tuxcare-release-latest-8.10.aarch64.rpm",
        "tuxcare/9.2/base/x86_64/repodata/repomd.xml",
        "tuxcare/9.2/almalinux9.2-fips-oval.xml",
        "tuxcare/9.2/almalinux9.2-esu-oval.xml.gz.asc",
        "rss_feed/releases/almalinux9.2esu",
        "cve/index.html",
    ],
)
def test_what_everybody_may_have_is_open(path):
    assert is_open(segments(path))


@pytest.mark.parametrize(
    "path",
    [
        REPOMD,
        ESU,
        FIPS,
        "tuxcare/anything.rpm",
        "tuxcare/9.2/base",
        "tuxcare/base/x86_64/a.rpm",
        "tuxcare/9.2/esu/base/a.rpm",
        "tuxcare/9.2/esu/x-oval.xml",
        "almalinux/9.2/x-oval.xml",
        "almalinux/9.2/base/x86_64/a.rpm",
        "almalinux/9.2/BaseOS/x86_64/os/RPM-GPG-KEY-AlmaLinux-9",
        "rss_feed",
        "other/rss_feed/x",
    ],
)
def test_what_resembles_it_is_not(path):
    assert not is_open(segments(path))


def test_an_open_tree_is_open_and_its_neighbours_are_not():
    assert is_open(segments(REPOMD), ["almalinux/9.2"])
    assert not is_open(segments(REPOMD.replace("9.2", "9.20")), ["almalinux/9.2"])
    assert not is_open(segments("almalinux/9.2"), ["almalinux/9.2"])


@given(
    st.lists(
        st.sampled_from(["tuxcare", "almalinux", "9.2", "esu", "fips", "base", "x"]), min_size=1
    )
)
def test_essential_never_opens_what_is_bought_apart(parts):
    path = tuple(parts)
    if path[0] == "tuxcare" and path[2:3] != ("base",):
        assert not allows(("essential",), (), path)
