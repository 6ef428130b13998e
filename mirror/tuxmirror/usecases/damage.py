"""What a file that is not as it should be is called."""

from __future__ import annotations

from ..core.errors import DigestError, MirrorError, StorageError
from ..ports import Flaw
from .context import Mirror
from .inventory import Wanted

_REPAIR = "tuxmirror verify --repair fetches it again"


def hashed(mirror: Mirror, file: Wanted) -> MirrorError | None:
    try:
        found = mirror.pool.digest(file.sha256)
    except StorageError as error:
        # A disk that cannot be read is damage; the rest may be fine.
        return error.located(repository=file.repository)
    if found == file.sha256:
        return None
    return DigestError(
        "missing in the pool" if found is None else "damaged in the pool",
        expected=f"sha256 {file.sha256}",
        found=f"sha256 {found}" if found else "nothing",
        repository=file.repository,
        path=file.path,
        way_out=_REPAIR,
    )


def flawed(channel: str, flaw: Flaw) -> MirrorError:
    if flaw.expected is None:
        message = "published, and no record names it"
    elif flaw.found is None:
        message = "missing in what is published"
    else:
        message = "published with other bytes than the snapshot has"
    return DigestError(
        message,
        expected=f"sha256 {flaw.expected}" if flaw.expected else "no such file",
        found=f"sha256 {flaw.found}" if flaw.found is not None else "nothing",
        path=f"{channel}: {flaw.path}",
        way_out="tuxmirror verify --repair puts it right",
    )
