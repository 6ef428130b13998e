"""Judging what rpmkeys prints: every line must be good, one a strong signature by a known key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxmirror.core.errors import SignatureError
from tuxmirror.core.rpmkeys import check_output

KEY = "51D6647EC21AD6EA"
OTHER = "1111111111111111"
HEADER = "Header V4 RSA/SHA256 Signature, key ID c21ad6ea: OK"
DIGESTS = ["Header SHA256 digest: OK", "Payload SHA256 digest: OK"]
GOOD = [HEADER, *DIGESTS]


def judge(*lines, keys=(KEY,)):
    return check_output("\n".join(lines), frozenset(keys), "Packages/a.rpm")


@pytest.mark.parametrize(
    "lines",
    [
        GOOD,
        [*GOOD, "Payload SHA256 ALT digest: NOTFOUND"],
        [*GOOD, "Header SHA1 digest: OK", "MD5 digest: OK"],
        [HEADER.replace("SHA256", "SHA512"), *DIGESTS],
        [HEADER.replace("V4 RSA", "V4 EdDSA"), *DIGESTS],
        [HEADER.replace("c21ad6ea", "51d6647ec21ad6ea"), *DIGESTS],
        # EL7 and older: a second signature covers the payload.
        [HEADER, "V4 RSA/SHA256 Signature, key ID c21ad6ea: OK", "MD5 digest: OK"],
    ],
)
def test_accepted(lines):
    assert KEY.endswith(judge(*lines))


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "there is none"),
        (DIGESTS, "there is none"),
        ([HEADER], "nothing covers the payload"),
        ([HEADER, "Header SHA256 digest: OK"], "nothing covers the payload"),
        ([HEADER.replace(": OK", ": NOKEY"), *DIGESTS], "not allowed here"),
        ([HEADER.replace(": OK", ": BAD"), *DIGESTS], "BAD"),
        ([HEADER.replace(": OK", ": NOTTRUSTED"), *DIGESTS], "NOTTRUSTED"),
        ([HEADER.replace("SHA256", "SHA1"), *DIGESTS], "SHA1"),
        ([HEADER.replace("SHA256", "MD5"), *DIGESTS], "MD5"),
        ([HEADER.replace("SHA256", "RIPEMD160"), *DIGESTS], "RIPEMD160"),
        ([HEADER.replace("c21ad6ea", "11111111"), *DIGESTS], "revoked or not one of"),
        ([HEADER, DIGESTS[0], "Payload SHA256 digest: BAD (Expected a != b)"], "Payload"),
        ([HEADER, "Header SHA256 digest: BAD (Expected a != b)", DIGESTS[1]], "Header"),
        (["FAILED", *GOOD], "FAILED"),
        (["", *GOOD, "FAILED"], "FAILED"),
        (["FAILED error: not an rpm package", ""], "there is none"),
        ([*GOOD, HEADER.replace("c21ad6ea: OK", "11111111: NOKEY")], "not allowed here"),
        ([*GOOD, "something new: FAILED"], "something new"),
        ([*GOOD, "a line without a verdict"], "without a verdict"),
    ],
)
def test_refused(lines, reason):
    with pytest.raises(SignatureError) as caught:
        judge(*lines)
    assert reason in caught.value.message
    assert caught.value.path == "Packages/a.rpm"
    assert caught.value.expected
    assert caught.value.found


def test_reason_is_worth_more_than_the_bare_verdict():
    with pytest.raises(SignatureError, match="Payload SHA256 digest: BAD"):
        judge("FAILED", HEADER, DIGESTS[0], "Payload SHA256 digest: BAD (Expected a != b)")


LINES = st.sampled_from(
    [*GOOD, "MD5 digest: OK", "Payload SHA256 digest: BAD", HEADER.replace("OK", "BAD"),
     HEADER.replace("OK", "NOKEY"), HEADER.replace("SHA256", "SHA1"), "FAILED",
     "Header DSA signature: NOTFOUND", "V4 RSA/SHA256 Signature, key ID c21ad6ea: OK"]
) | st.text(max_size=20)  # fmt: skip


@given(st.lists(LINES, max_size=6))
def test_whatever_is_printed_is_refused_without_a_good_signature_and_payload(lines):
    try:
        key = judge(*lines)
    except SignatureError:
        return
    assert KEY.endswith(key)
    text = "\n".join(lines)
    assert "RSA/SHA256 Signature, key ID c21ad6ea: OK" in text
    assert not any(word in text for word in ("BAD", "NOKEY", "FAILED", "SHA1 Signature"))


@given(st.lists(LINES, max_size=6))
def test_no_output_is_good_enough_for_another_key(lines):
    with pytest.raises(SignatureError):
        judge(*lines, keys=(OTHER,))
