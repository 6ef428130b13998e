"""Licence keys: form, sources, and that none is ever shown."""

import io

import pytest

from tuxcare.errors import StorageError, UsageError
from tuxctl import licence, lifecycle

KEY = "ESU-23456789ABCDEFGHJKMNPQRS"


@pytest.mark.parametrize(
    ("text", "products"),
    [
        (KEY, ["essential", "esu", "fips"]),
        ("ESA-23456789", ["essential"]),
        ("AC-abcdefgh", ["essential"]),
        ("  " + KEY + "\n", ["essential", "esu", "fips"]),
        (KEY.lower(), ["essential", "esu", "fips"]),
    ],
)
def test_keys_and_what_their_prefix_stands_for(text, products):
    key = licence.parse(text)
    assert key.text == text.strip()
    assert key.products == products
    assert key.text not in repr(key)
    assert key.text not in "{} {!r}".format(key, [key])  # noqa: UP032


@pytest.mark.parametrize(
    "text", ["", "ESU_12345678", "ESU-1234567", "XXX-12345678", KEY + "-x", KEY + " x"]
)
def test_other_texts_are_refused_and_not_repeated(text):
    with pytest.raises(UsageError) as caught:
        licence.parse(text)
    assert caught.value.exit_status == 2
    assert text.strip() == "" or text.strip() not in caught.value.message


def test_standard_input_gives_one_line():
    assert licence.from_file("-", io.BytesIO(b"\n" + KEY.encode() + b"\r\n")).text == KEY


@pytest.mark.parametrize("data", [b"", b"\n", KEY.encode() + b"\n" + KEY.encode()])
def test_anything_but_one_line_is_refused(data):
    with pytest.raises(UsageError, match="standard input: expected one line"):
        licence.from_file("-", io.BytesIO(data))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(StorageError, match="No such file"):
        licence.from_file(str(tmp_path / "key"))


def test_keys_are_masked_wherever_they_stand():
    assert licence.mask("a {} b {} c".format(KEY, KEY.lower())) == (  # noqa: UP032
        "a ESU-**** b esu-**** c"
    )


@pytest.mark.parametrize(
    ("releases", "release", "covered"),
    [
        ([], "9.2", True),
        (["9.2"], "9.2", True),
        (["9"], "9.2", True),
        (["9.6", "8"], "9.2", False),
        (["9.2"], "9.20", False),
    ],
)
def test_releases_that_a_licence_covers(releases, release, covered):
    assert lifecycle.covers(releases, release) is covered


def test_minor_releases_are_in_order():
    assert sorted(["9.10", "9.2", "10.0", "8.8"], key=lifecycle.sort_key) == [
        "8.8",
        "9.2",
        "9.10",
        "10.0",
    ]
