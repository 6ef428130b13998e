"""What makes CSAF documents findable and checkable: CSAF 2.0, section 7.1.

    csaf/provider-metadata.json             who provides them, and where (requirement 7)
    csaf/openpgp-key.asc                    the key of the signatures (20)
    csaf/<scope>/index.txt                  every document's path below the folder (12)
    csaf/<scope>/changes.csv                "path","current release date", newest first (13)
    csaf/<scope>/<document>.json.sha256     as sha256sum writes it (18)
    csaf/<scope>/<document>.json.asc        detached OpenPGP signature (19)

With signatures the role is that of a trusted provider, without that of a provider (7.2).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ...snapshot import File
from ..model import Scope
from . import csaf
from .context import Issuer, stamp

METADATA = "csaf/provider-metadata.json"
KEY = "csaf/openpgp-key.asc"


class Key(NamedTuple):
    """`data` is its public half, ASCII-armoured."""

    fingerprint: str
    data: bytes


def documents_of(scope: Scope, files: Iterable[File]) -> list[File]:
    """The scope's CSAF documents among all its files, which have paths below the channel."""
    folder = f"{csaf.folder(scope)}/"
    return [f for f in files if f.path.startswith(folder) and f.path.endswith(".json")]


def listing(scope: Scope, documents: Mapping[str, bytes]) -> dict[str, bytes]:
    """`index.txt`, `changes.csv` and the digests of all documents, which are those of
    `documents_of`."""
    folder = csaf.folder(scope)
    below = len(folder) + 1
    dated = [(csaf.released(data), path) for path, data in documents.items()]
    # Newest first, and in one order where several are of the same time.
    dated.sort(key=lambda item: item[1])
    dated.sort(key=lambda item: item[0], reverse=True)
    index = "".join(f"{path[below:]}\n" for path in sorted(documents))
    changes = "".join(f'"{path[below:]}","{date}"\r\n' for date, path in dated)
    found = {f"{folder}/index.txt": index.encode(), f"{folder}/changes.csv": changes.encode()}
    for path, data in documents.items():
        name = path.rpartition("/")[2]
        found[f"{path}.sha256"] = f"{hashlib.sha256(data).hexdigest()}  {name}\n".encode()
    return found


def metadata(issuer: Issuer, scopes: Sequence[Scope], updated: int, key: Key | None) -> bytes:
    """`provider-metadata.json`.

    Args:
        updated: when what is provided changed last.
        key: None where documents are not signed.
    """
    document: dict[str, object] = {
        "canonical_url": f"{issuer.url}/{METADATA}",
        "distributions": [
            {"directory_url": f"{issuer.url}/{csaf.folder(scope)}/"} for scope in scopes
        ],
        "last_updated": stamp(updated),
        "list_on_CSAF_aggregators": True,
        "metadata_version": "2.0",
        "mirror_on_CSAF_aggregators": True,
        "publisher": csaf.publisher(issuer),
        "role": "csaf_trusted_provider" if key else "csaf_provider",
    }
    if key:
        document["public_openpgp_keys"] = [
            {"fingerprint": key.fingerprint, "url": f"{issuer.url}/{KEY}"}
        ]
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"
