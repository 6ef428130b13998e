"""Keys, tokens, digests, and keeping them out of logs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxmirror.core.credentials import (
    ALPHABET,
    KEY_LENGTH,
    Digests,
    is_key,
    is_token,
    make_key,
    make_token,
    normalise_key,
    redact,
)
from tuxmirror.core.names import TOKEN

PREFIXES = st.sampled_from(["ESU", "ESA"])
NUMBERS = st.lists(st.integers(0, len(ALPHABET) - 1), min_size=KEY_LENGTH, max_size=KEY_LENGTH)


def key_from(prefix, numbers):
    values = iter(numbers)
    return make_key(prefix, lambda _limit: next(values))


def test_key_has_the_form_of_the_guide_and_enough_entropy():
    prefix, body = make_key("ESU").split("-")
    assert prefix == "ESU"
    assert len(body) == 24
    assert len(ALPHABET) ** (len(body) - 1) > 2**110
    assert not set("0O1IL") & set(ALPHABET)


@given(PREFIXES, NUMBERS)
def test_every_made_key_is_well_formed(prefix, numbers):
    assert is_key(key_from(prefix, numbers))


@given(PREFIXES, NUMBERS, st.integers(0, KEY_LENGTH - 1), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_noticed(prefix, numbers, place, character):
    key = key_from(prefix, numbers)
    at = len(prefix) + 1 + place
    wrong = key[:at] + character + key[at + 1 :]
    assert is_key(wrong) == (wrong == key)


@given(PREFIXES, NUMBERS, st.integers(0, KEY_LENGTH - 1), st.integers(0, KEY_LENGTH - 1))
def test_two_swapped_characters_are_noticed(prefix, numbers, one, other):
    key = key_from(prefix, numbers)
    letters = list(key)
    one, other = one + 4, other + 4
    letters[one], letters[other] = letters[other], letters[one]
    swapped = "".join(letters)
    assert is_key(swapped) == (swapped == key)


@given(NUMBERS)
def test_a_key_of_the_other_kind_is_noticed(numbers):
    assert not is_key(key_from("ESU", numbers).replace("ESU", "ESA"))


@given(st.text())
def test_any_text_is_a_key_or_not_but_no_error(text):
    assert is_key(text) in (True, False)


def test_spaces_and_small_letters_do_no_harm():
    key = make_key("ESA")
    assert normalise_key(f"  {key.lower()}\n") == key


def test_tokens_are_what_the_server_takes_for_tokens_and_never_repeat():
    tokens = {make_token() for _ in range(200)}
    assert len(tokens) == 200
    assert all(TOKEN.fullmatch(token) and is_token(token) for token in tokens)
    assert not any(token.startswith("-") for token in tokens)


def test_a_long_key_file_name_is_no_token():
    assert not is_token("RPM-GPG-KEY-CentOS-SIG-HyperScale")


@given(st.text())
def test_digests_hold_nothing_of_the_secret_and_differ_by_kind(text):
    digests = Digests(b"p" * 32)
    kinds = {digests.key(text), digests.token(text), digests.machine(1, text), digests.check()}
    assert len(kinds) == 4
    assert all(len(digest) == 64 and int(digest, 16) >= 0 for digest in kinds)


def test_digests_depend_on_the_pepper_and_machines_on_the_licence():
    one, other = Digests(b"1" * 32), Digests(b"2" * 32)
    assert one.key("ESU-X") != other.key("ESU-X")
    assert one.machine(1, "abc") != one.machine(2, "abc")
    assert one.machine(1, "ABC") == one.machine(1, "abc")


def test_a_short_pepper_is_refused():
    with pytest.raises(ValueError, match="32 bytes"):
        Digests(b"short")


@given(st.sampled_from([make_token(), make_key("ESU"), make_key("ESA").lower()]), st.data())
def test_no_secret_survives_anywhere_in_a_path(secret, data):
    segments = data.draw(st.lists(st.sampled_from(["almalinux", "9.2", "os", "a.rpm"]), max_size=6))
    place = data.draw(st.integers(0, len(segments)))
    path = "/" + "/".join([*segments[:place], secret, *segments[place:]])
    assert secret not in redact(path)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/almalinux/9.2/{t}/BaseOS/x86_64/os/repodata/repomd.xml",) * 2,
        ("/almalinux/9.2/{t}.x/a.rpm", "/almalinux/9.2/<token>.x/a.rpm"),
        ("/{t}", "/<token>"),
        ("/x/%{t}%", "/x/%<token>%"),
    ],
)
def test_a_token_is_redacted_and_the_rest_stays(path, shown):
    token = make_token()
    assert redact(path.format(t=token)) == shown.format(t="<token>")


def test_hashed_metadata_stays_readable():
    path = f"/almalinux/9.2/BaseOS/x86_64/os/repodata/{'a1' * 32}-primary.xml.gz"
    assert redact(path) == path
