"""Secrets in any text: gone after one pass, and a second pass changes nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxctl import drift, scrub

TOKEN = "tux_" + "a1-_" * 10
KEYS = st.from_regex(r"(ESU|ESA|AC)-[A-Z2-9]{12,24}", fullmatch=True)
AROUND = st.text(st.characters(blacklist_categories=("Cs",)), max_size=40)


@given(AROUND, AROUND, AROUND)
def test_the_token_goes_wherever_it_stands(before, between, after):
    text = before + TOKEN + between + TOKEN + after
    cleaned = scrub.clean(text, {TOKEN: "<token>"})
    assert TOKEN not in cleaned
    assert scrub.remains(cleaned.encode(), {TOKEN: "<token>"}) == []


@given(AROUND, KEYS, AROUND)
def test_licence_keys_go_where_they_are_words(before, key, after):
    text = f"{before} {key} {after}"
    cleaned = scrub.clean(text, {})
    assert key not in cleaned
    assert scrub.remains(cleaned.encode(), {}) == []


@given(st.text(max_size=200))
def test_cleaning_twice_is_cleaning_once(text):
    once = scrub.clean(text, {TOKEN: "<token>"})
    assert scrub.clean(once, {TOKEN: "<token>"}) == once


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("password=x y", "password=********"),
        ("  proxy_password : x", "  proxy_password : ********"),
        ("# token = abc", "# token = ********"),
        ("token_in = header", "token_in = header"),
        ("https://u:p@host/x", "https://********@host/x"),
        ("https://host/a@b", "https://host/a@b"),
        ("GET /almalinux/9.2/AAAAAAAAAAAAAAAAAAAAAAAAA/x", "GET /almalinux/9.2/********/x"),
        ("/almalinux/9.2/BaseOS/x86_64/os/", "/almalinux/9.2/BaseOS/x86_64/os/"),
        ("/almalinux/$releasever/$tuxcare_token/x", "/almalinux/$releasever/$tuxcare_token/x"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ********"),
        ("kernel-5.14.0-284.11.1.el9_2.x86_64", "kernel-5.14.0-284.11.1.el9_2.x86_64"),
    ],
)
def test_what_goes_and_what_stays(text, expected):
    assert scrub.clean(text, {}) == expected


@given(st.text(max_size=40))
def test_no_text_is_a_time_by_accident(text):
    """Services may send anything: it is a time or None, never an error."""
    found = drift.parse_time(text)
    assert found is None or found.tzinfo is not None
