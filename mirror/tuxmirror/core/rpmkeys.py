"""Judging what `rpmkeys -Kv` prints of one package.

rpm's own verdict is not enough: it accepts SHA-1 signatures and revoked keys. So every line must
be good, one must be a signature over SHA-256 or better, by a key that still counts.
"""

from __future__ import annotations

import re

from .errors import SignatureError

_SIGNATURE = re.compile(r"(?:Header )?(V\d) (\S+?)/(\S+) Signature, key ID ([0-9a-fA-F]+): (\S+)")
_STRONG = {"SHA256", "SHA384", "SHA512", "SHA3-256", "SHA3-512"}
# What binds the payload: its digest in the signed header, or a signature over header and payload.
_PAYLOAD = re.compile(r"^(Payload SHA\d+( ALT)? digest|V\d \S+ Signature.*): OK", re.MULTILINE)
_GOOD_STATES = {"OK", "NOTFOUND"}


def check_output(output: str, key_ids: frozenset[str], location: str) -> str:
    """The id of the key that signed, as printed.

    Args:
        output: the lines of one package, without its name.
        key_ids: long ids (16 hex digits) of keys and subkeys whose signature counts.
        location: the package, for errors.

    Raises:
        SignatureError: unsigned, foreign, broken, weak, or by a key that does not count.
    """
    signatures = [match for line in output.splitlines() if (match := _SIGNATURE.match(line))]
    problem = _problem(output, signatures, key_ids)
    if problem is not None:
        raise SignatureError(
            f"the package's signature is refused: {problem}",
            expected="a good signature over SHA-256 or better by one of the tree's keys",
            found="; ".join(m[0] for m in signatures) or "no signature",
            path=location,
        )
    return signatures[0][4].upper()


def _problem(output: str, signatures: list[re.Match[str]], key_ids: frozenset[str]) -> str | None:
    if not signatures:
        return "there is none"
    for match in signatures:
        _, _, digest, key, state = match.groups()
        if state != "OK":
            return {"NOKEY": "signed by a key that is not allowed here"}.get(state, state)
        if digest.upper() not in _STRONG:
            return f"made over {digest}"
        if not any(known.endswith(key.upper()) for known in key_ids):
            return f"key {key} is revoked or not one of the tree's"
    lines = [line.strip() for line in output.splitlines()]
    bad = [line for line in lines if line and line.rsplit(": ", 1)[-1] not in _GOOD_STATES]
    if bad:
        # rpmkeys' verdict stands first; a line that says why is worth more.
        return bad[1] if len(bad) > 1 and bad[0] == "FAILED" else bad[0]
    if not _PAYLOAD.search(output):
        return "nothing covers the payload"
    return None
