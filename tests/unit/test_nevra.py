"""EVR order against rpm's own, and the parsing of identities."""

import pytest

from tuxcare.nevra import Evr, SourceNevr, compare_versions, parse_source, parse_sourcerpm

try:
    import rpm
    from hypothesis import given, settings
    from hypothesis import strategies as st
except ImportError:  # Python 3.6 has neither: the table below still runs there
    rpm = None

# Expected results of rpm's own tests/rpmvercmp.at, and the versions this project pins.
ORDERED = [
    ("1.0", "1.0", 0),
    ("1.0", "2.0", -1),
    ("2.0.1", "2.0.1a", -1),
    ("5.5p1", "5.5p10", -1),
    ("10xyz", "10.1xyz", -1),
    ("xyz10", "xyz10.1", -1),
    ("xyz.4", "8", -1),
    ("5.5p2", "5.6p1", -1),
    ("6.0.rc1", "6.0", 1),
    ("10b2", "10a1", 1),
    ("7.2.0", "7", 1),
    ("20101121", "20101122", -1),
    ("2_0", "2.0", 0),
    ("a+", "a_", 0),
    ("+a", "_a", 0),
    ("+_", "_+", 0),
    ("1.0~rc1", "1.0", -1),
    ("1.0~rc1~git123", "1.0~rc1", -1),
    ("1.0^", "1.0", 1),
    ("1.0^git1", "1.01", -1),
    ("1.0^20160101", "1.0.1", -1),
    ("1.0~rc1^git1", "1.0~rc1", 1),
    ("1.0^git1~pre", "1.0^git1", -1),
    ("284.11.1.el9_2.tuxcare.6", "284.11.1.el9_2.tuxcare.5", 1),
    ("284.1101.el9_2.tuxcare.7", "284.30.1.el9_2", 1),
    ("20.el9_2.tuxcare.1", "24.el9_2", -1),
    ("20.el9_2.tuxcare.1", "20.el9_2", 1),
    ("1.0010", "1.9", 1),
    ("1.05", "1.5", 0),
    ("", "1", -1),
    ("", "~", 1),
    ("\u00e9", "", 0),
]


@pytest.mark.parametrize("one, other, expected", ORDERED)
def test_versions_order_as_in_rpm(one, other, expected):
    assert compare_versions(one, other) == expected
    assert compare_versions(other, one) == -expected


def test_epoch_outweighs_version_and_version_outweighs_release():
    assert Evr(1, "1", "1") > Evr(0, "9", "9")
    assert Evr(0, "2", "1") > Evr(0, "1", "9")
    assert Evr(0, "1.0", "1") == Evr(0, "1.00", "01")
    assert str(Evr(1, "3.0.7", "20.el9")) == "1:3.0.7-20.el9"
    assert str(Evr(0, "3.0.7", "20.el9")) == "3.0.7-20.el9"


def test_source_names_keep_their_dashes():
    assert parse_source("python-cryptography-36.0.1-2.el9") == SourceNevr(
        "python-cryptography", "36.0.1", "2.el9"
    )
    build = parse_sourcerpm("nss-3.90.0-6.el9_2.tuxcare.1.src.rpm")
    assert build == SourceNevr("nss", "3.90.0", "6.el9_2.tuxcare.1")
    assert build.sourcerpm == "nss-3.90.0-6.el9_2.tuxcare.1.src.rpm"


@pytest.mark.parametrize(
    "text", ["", "nss", "nss-3.90.0", "nss-3 90-6", "-3.90.0-6", "nss-3.90.0-6.src", "nss-1-2\n"]
)
def test_malformed_source_is_refused(text):
    with pytest.raises(ValueError):
        parse_source(text)


@pytest.mark.parametrize("tag", [None, "", "nss-3.90.0-6.x86_64.rpm", "nss.src.rpm"])
def test_odd_sourcerpm_tags_name_no_source(tag):
    assert parse_sourcerpm(tag) is None


if rpm is not None:
    PART = st.one_of(
        st.text(alphabet="0123456789abcXYZ.~^+_", max_size=12),
        st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}([~^][a-z0-9]{1,4})?", fullmatch=True),
    ).filter(bool)

    @settings(max_examples=1000, deadline=None)
    @given(one=PART, other=PART)
    def test_any_two_versions_order_as_rpm_orders_them(one, other):
        expected = rpm.labelCompare(("0", one, "1"), ("0", other, "1"))
        assert compare_versions(one, other) == expected

    @settings(max_examples=300, deadline=None)
    @given(
        st.tuples(st.integers(0, 3), PART, PART),
        st.tuples(st.integers(0, 3), PART, PART),
    )
    def test_any_two_evrs_order_as_rpm_orders_them(one, other):
        expected = rpm.labelCompare((str(one[0]), *one[1:]), (str(other[0]), *other[1:]))
        assert Evr(*one).compare(Evr(*other)) == expected
