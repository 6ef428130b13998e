"""Reading and rewriting the header structures of an RPM file (format V4).

    lead (96 bytes) | signature header, padded to 8 | main header | payload

A header is `8e ad e8 01, 4 reserved bytes, index length, store length`, an index of 16-byte entries
(tag, type, offset, count) and the store they point into. The first entry of a header made by rpm is
its region: it says that everything up to its trailer was made, and signed, as one.
Source of the layout: docs/manual/format.md of rpm.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

LEAD_SIZE = 96
MAGIC = bytes.fromhex("8eade80100000000")
REGION_SIGNATURES, REGION_IMMUTABLE = 62, 63
INT32, STRING, BINARY, STRING_ARRAY, I18N_STRING = 4, 6, 7, 8, 9
ALIGNMENTS = {3: 2, 4: 4, 5: 8}
ITEM_SIZES = {0: 0, 1: 1, 2: 1, 3: 2, 4: 4, 5: 8, BINARY: 1}


class Entry(NamedTuple):
    """One tag: its type, number of items, and encoded data."""

    type: int
    items: int
    data: bytes


class Segments(NamedTuple):
    """Byte offsets of the parts of an RPM file; the payload runs to the end of it."""

    signature: int
    header: int
    payload: int


def string_entry(text: str) -> Entry:
    return Entry(STRING, 1, text.encode() + b"\0")


def segments(rpm: bytes) -> Segments:
    """Raises ValueError when `rpm` does not have two headers."""
    signature_end = LEAD_SIZE + _size(rpm, LEAD_SIZE)
    header = signature_end + (-signature_end % 8)
    return Segments(LEAD_SIZE, header, header + _size(rpm, header))


def parse(rpm: bytes, offset: int) -> dict[int, Entry]:
    """The entries of the header at `offset`, without its region."""
    index_length, store_length = _lengths(rpm, offset)
    index = offset + 16
    store_start = index + 16 * index_length
    store = rpm[store_start : store_start + store_length]
    entries = {}
    for number in range(index_length):
        tag, kind, start, count = struct.unpack_from(">IIiI", rpm, index + 16 * number)
        if tag != REGION_IMMUTABLE:
            entries[tag] = Entry(
                kind, count, store[start : start + _length(kind, count, store, start)]
            )
    return entries


def build(entries: dict[int, Entry], region_tag: int = REGION_IMMUTABLE) -> bytes:
    """A main header of these entries, with the region that makes it immutable."""
    index, store = [], b""
    for tag, entry in sorted(entries.items()):
        store += b"\0" * (-len(store) % ALIGNMENTS.get(entry.type, 1))
        index.append(struct.pack(">IIiI", tag, entry.type, len(store), entry.items))
        store += entry.data
    region_length = 16 * (len(index) + 1)
    trailer = struct.pack(">IIiI", region_tag, BINARY, -region_length, 16)
    region = struct.pack(">IIiI", region_tag, BINARY, len(store), 16)
    lengths = struct.pack(">II", len(index) + 1, len(store) + len(trailer))
    return MAGIC + lengths + region + b"".join(index) + store + trailer


def build_signature(entries: dict[int, Entry]) -> bytes:
    """A signature header of these entries, without its padding."""
    return build({t: e for t, e in entries.items() if t != REGION_SIGNATURES}, REGION_SIGNATURES)


def with_tags(rpm: bytes, tags: dict[int, Entry]) -> bytes:
    """`rpm` with tags of its main header set; digests and signatures are stale then."""
    parts = segments(rpm)
    header = build({**parse(rpm, parts.header), **tags})
    return rpm[: parts.header] + header + rpm[parts.payload :]


def _lengths(rpm: bytes, offset: int) -> tuple[int, int]:
    if rpm[offset : offset + 8] != MAGIC:
        raise ValueError(f"no RPM header at byte {offset}")
    index_length, store_length = struct.unpack_from(">II", rpm, offset + 8)
    return index_length, store_length


def _size(rpm: bytes, offset: int) -> int:
    index_length, store_length = _lengths(rpm, offset)
    return 16 + 16 * index_length + store_length


def _length(kind: int, count: int, store: bytes, start: int) -> int:
    if kind in ITEM_SIZES:
        return ITEM_SIZES[kind] * count
    end = start
    for _ in range(count):
        end = store.index(b"\0", end) + 1
    return end - start
