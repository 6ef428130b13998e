"""Fingerprints of the keys in a public key file (RFC 4880, RFC 9580). Pure."""

import base64
import binascii
import hashlib
import re

TYPE_CHECKING = False  # typing costs more to load than all of this
if TYPE_CHECKING:
    from typing import Iterator, List, Tuple

_ARMOUR = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----[^\n]*\n(.*?)-----END PGP PUBLIC KEY BLOCK-----",
    re.DOTALL,
)
_PUBLIC_KEY = 6
_PUBLIC_SUBKEY = 14


def fingerprints(data: bytes) -> "List[str]":
    """The fingerprints (bare upper-case hex) of all primary keys, in the file's order.

    Raises ValueError for what is not a public key file, ASCII-armoured or binary.
    """
    found = [
        _fingerprint(body)
        for block in key_blocks(data)
        for tag, body in packets(block)
        if tag == _PUBLIC_KEY
    ]
    if not found:
        raise ValueError("no public key in it")
    return found


def key_ids(data: bytes) -> "List[str]":
    """The long ids (16 upper-case hex digits) of all keys in a file, subkeys included.

    Raises ValueError for what is not a public key file.
    """
    found = [
        _fingerprint(body)
        for block in key_blocks(data)
        for tag, body in packets(block)
        if tag in (_PUBLIC_KEY, _PUBLIC_SUBKEY)
    ]
    # Version 6 counts from the other end (RFC 9580, 5.5.4).
    return [text[-16:] if len(text) == 40 else text[:16] for text in found]


def key_blocks(data: bytes) -> "List[bytes]":
    """The binary key blocks of a public key file, ASCII-armoured or binary.

    Raises ValueError for damaged armour.
    """
    return [_unarmour(block) for block in _ARMOUR.findall(data)] or [data]


def _unarmour(block: bytes) -> bytes:
    lines = [line.strip() for line in block.splitlines()]
    if b"" in lines:
        # Armour headers (Version:, Comment:) end at the first empty line.
        lines = lines[lines.index(b"") + 1 :]
    # The last line that starts with '=' is the CRC-24, which guards nothing here.
    text = b"".join(line for line in lines if not line.startswith(b"="))
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("damaged armour: {}".format(error)) from error


def packets(data: bytes) -> "Iterator[Tuple[int, bytes]]":
    """The OpenPGP packets as (tag, body). Raises ValueError for what is cut off or none."""
    position = 0
    while position < len(data):
        header = data[position]
        if not header & 0x80:
            raise ValueError("not an OpenPGP packet at byte {}".format(position))
        if header & 0x40:
            tag, (start, length) = header & 0x3F, _new_length(data, position + 1)
        else:
            tag, (start, length) = (header >> 2) & 0x0F, _old_length(data, position)
        if start + length > len(data):
            raise ValueError("cut off: a packet of {} bytes at byte {}".format(length, position))
        yield tag, data[start : start + length]
        position = start + length


def _old_length(data: bytes, position: int) -> "Tuple[int, int]":
    kind = data[position] & 3
    if kind == 3:
        raise ValueError("a packet of indeterminate length")
    octets = 1 << kind
    return _integer(data, position + 1, octets)


def _new_length(data: bytes, position: int) -> "Tuple[int, int]":
    start, first = _integer(data, position, 1)
    if first < 192:
        return start, first
    if first < 224:
        start, second = _integer(data, start, 1)
        return start, ((first - 192) << 8) + second + 192
    if first == 255:
        return _integer(data, start, 4)
    raise ValueError("a packet of partial length")


def _integer(data: bytes, position: int, octets: int) -> "Tuple[int, int]":
    """The next position and the big-endian number before it."""
    raw = data[position : position + octets]
    if len(raw) < octets:
        raise ValueError("cut off inside a packet's length")
    return position + octets, int.from_bytes(raw, "big")


def _fingerprint(body: bytes) -> str:
    version = body[0] if body else 0
    if version == 4:
        digest = hashlib.sha1(  # noqa: S324  # the format says so; it identifies, rpm verifies
            b"\x99" + len(body).to_bytes(2, "big") + body
        )
    elif version == 6:
        digest = hashlib.sha256(b"\x9b" + len(body).to_bytes(4, "big") + body)
    else:
        raise ValueError("a key of version {}, expected 4 or 6".format(version))
    return digest.hexdigest().upper()
