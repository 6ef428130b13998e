"""Which symlinks show the parts of a channel's site beside its trees."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxmirror.core.errors import RefusedError, VerificationError
from tuxmirror.core.site import SitePart, after, decode, digest, encode, inputs_of, links, part
from tuxmirror.core.snapshot import File

TREES = ("almalinux/9.2", "tuxcare/9.2/esu")


def made(owner, *paths, inputs="0" * 16):
    return part(owner, inputs, [File(path, "a" * 64, 1) for path in paths])


def shown(parts, trees=TREES):
    return [tuple(link) for link in links(parts, trees)]


def test_a_folder_of_one_owner_is_one_link():
    tracker = made("tracker", "cve/index.html", "cve/a/b.html", "cve/a/c.html")
    assert shown([tracker]) == [("cve", "tracker")]


def test_folders_that_owners_share_are_linked_where_they_part():
    esu = made("advisories/esu", "csaf/esu/1.json", "csaf/esu/2.json", "rss_feed/releases/esu")
    fips = made("advisories/fips", "csaf/fips/1.json", "rss_feed/releases/fips")
    assert shown([esu, fips]) == [
        ("csaf/esu", "advisories/esu"),
        ("csaf/fips", "advisories/fips"),
        ("rss_feed/releases/esu", "advisories/esu"),
        ("rss_feed/releases/fips", "advisories/fips"),
    ]


def test_files_beside_trees():
    one = made("oval", "tuxcare/9.2/almalinux9.2-esu-oval.xml", "tuxcare/index.html")
    assert shown([one]) == [
        ("tuxcare/9.2/almalinux9.2-esu-oval.xml", "oval"),
        ("tuxcare/index.html", "oval"),
    ]


@pytest.mark.parametrize(
    "parts",
    [
        [made("a", "x/y"), made("b", "x/y")],
        [made("a", "x/y"), made("b", "x/y/z")],
        [made("a", "almalinux/9.2/evil")],
        [made("a", "almalinux/9.2")],
        [made("a", "almalinux")],
    ],
)
def test_two_things_under_one_path_are_refused(parts):
    with pytest.raises(RefusedError, match="one path"):
        links(parts, TREES)


PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join)
SITES = st.dictionaries(PATHS, st.sampled_from(["one", "two", "three"]), max_size=12)


@given(SITES)
def test_every_file_is_shown_by_the_link_of_its_owner_and_nothing_else_is(site):
    parts = [
        made(owner, *(p for p, o in site.items() if o == owner))
        for owner in sorted({*site.values()})
    ]
    folders = {"/".join(p.split("/")[:n]) for p in site for n in range(1, p.count("/") + 1)}
    trees = ["d/1"]
    if folders & site.keys():
        with pytest.raises(RefusedError):
            links(parts, trees)
        return
    found = dict(links(parts, trees))
    for path, owner in site.items():
        above = [f for f in ("/".join(path.split("/")[:n]) for n in range(1, 9)) if f in found]
        assert {found[f] for f in above} == {owner}
        assert len(set(above)) == 1
    # A link never leads to where another owner has something.
    for link, owner in found.items():
        assert all(o == owner for p, o in site.items() if p == link or p.startswith(f"{link}/"))


@pytest.mark.parametrize("path", ["../x", "/x", "a//b", "a/./b", "a\nb", "ü", ""])
def test_unsafe_paths_are_refused(path):
    with pytest.raises(RefusedError):
        made("tracker", path)


def test_a_path_twice_is_refused():
    with pytest.raises(RefusedError):
        made("tracker", "cve/a", "cve/A")


@pytest.mark.parametrize("owner", ["", "../x", "a%b", "A", "a/", "a//b", "a/.b"])
def test_owners_are_plain_names(owner):
    with pytest.raises(ValueError, match="owner"):
        made(owner, "a")


def test_the_name_tells_inputs_and_content():
    one = made("tracker", "cve/a", inputs=digest("x", 1))
    assert inputs_of(one.name) == digest("x", 1) != digest("x", 2)
    assert one.name != made("tracker", "cve/b", inputs=digest("x", 1)).name
    assert inputs_of("") == ""


def test_parts_take_the_place_of_their_owners_alone():
    before = {"a": made("a", "x"), "b": made("b", "y")}
    now = after(before, [made("a", "z"), SitePart("b", "", ()), made("c", "w")])
    assert {owner: one.files[0].path for owner, one in now.items()} == {"a": "z", "c": "w"}


@given(SITES)
def test_records_come_back(site):
    one = made("tracker", *site)
    assert decode(encode(one), "record") == one


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}\n",
        b"[]\n",
        json.dumps({"owner": "a", "inputs": ""}).encode() + b"\nabc\n",
        json.dumps({"owner": "a", "inputs": ""}).encode() + b"\n" + b"a" * 64 + b" 1 ../x\n",
        b"\xff\n",
    ],
)
def test_damaged_records_are_refused(data):
    with pytest.raises(VerificationError, match="damaged record"):
        decode(data, "record")
