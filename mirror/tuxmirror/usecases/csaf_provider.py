"""The channel's CSAF provider: its metadata, and the signatures of all documents.

`csaf_signatures = yes` has every document signed by `signing_key`. A signature is made once for
the same bytes: `state/notes/csaf-signatures.<channel>.<scope>.json` remembers those of the
documents that were published last.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from ..core import site as sites
from ..core.advisory.model import Scope
from ..core.snapshot import File
from . import advisories, publications
from .context import Mirror
from .site import Showing

# Counted up when the same input gives another file.
_FORMAT = 1


class CsafProvider:
    """See `site.Contributor`."""

    prefix = "csaf-provider"

    def wanted(self, mirror: Mirror, showing: Showing) -> Mapping[str, str]:
        scopes = _scopes(mirror, showing)
        if not scopes:
            return {}
        config = mirror.config
        said = [config.site_url, config.publisher, config.contact]
        signed = config.signing_key if signs(mirror) else None
        listed = [tuple(scope) for scope in scopes]
        return {self.prefix: sites.digest(_FORMAT, listed, _updated(mirror, showing), signed, said)}

    def make(self, mirror: Mirror, showing: Showing, owner: str) -> Collection[File]:
        # Every sync asks what is wanted; few make anything.
        from ..core.advisory.formats import csaf_provider

        key = None
        files = {}
        if signs(mirror):
            assert mirror.signer is not None  # noqa: S101  # signs() says so
            signer = mirror.signer()
            key = csaf_provider.Key(signer.fingerprint, signer.public_key())
            files[csaf_provider.KEY] = key.data
        scopes, updated = _scopes(mirror, showing), _updated(mirror, showing)
        files[csaf_provider.METADATA] = csaf_provider.metadata(
            advisories.issuer(mirror), scopes, updated, key
        )
        return [File(path, mirror.pool.add(data), len(data)) for path, data in files.items()]


def signs(mirror: Mirror) -> bool:
    """Whether documents are signed."""
    return mirror.config.csaf_signatures and mirror.signer is not None


def signatures(
    mirror: Mirror, channel: str, scope: Scope, documents: Collection[File]
) -> list[File]:
    """`.asc` files of these documents, in the pool as they are; none where they are not signed.

    Raises:
        ConfigError, SignatureError: they cannot be.
    """
    if not signs(mirror) or mirror.signer is None:
        return []
    signer = mirror.signer()
    # What the other channel showed first is signed already.
    known = {
        **_recall(mirror, publications.CANDIDATE, scope, signer.fingerprint),
        **_recall(mirror, channel, scope, signer.fingerprint),
    }
    wanted = sorted({file.sha256 for file in documents})
    fresh = [sha256 for sha256 in wanted if sha256 not in known]
    if fresh:
        made = signer.sign([mirror.pool.read(sha256) for sha256 in fresh])
        known.update({sha256: one.decode() for sha256, one in zip(fresh, made)})
    kept = {sha256: known[sha256] for sha256 in wanted}
    note = json.dumps({"fingerprint": signer.fingerprint, "signatures": kept})
    mirror.state.set_note(_note(channel, scope), note.encode())
    signed = [(f"{file.path}.asc", kept[file.sha256].encode()) for file in documents]
    return [File(path, mirror.pool.add(data), len(data)) for path, data in signed]


def _recall(mirror: Mirror, channel: str, scope: Scope, fingerprint: str) -> dict[str, str]:
    """Nothing where it is lost, damaged, or of another key: then they are made again."""
    try:
        document = json.loads(mirror.state.note(_note(channel, scope)) or b"{}")
        if document.get("fingerprint") != fingerprint:
            return {}
        return {str(sha256): str(one) for sha256, one in document["signatures"].items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


def _note(channel: str, scope: Scope) -> str:
    return f"csaf-signatures.{channel}.{scope.slug}.json"


def _scopes(mirror: Mirror, showing: Showing) -> list[Scope]:
    trees = (showing.tree(mirror, name) for name in showing.snapshots)
    return sorted(scope for scope in map(advisories.scope, trees) if scope)


def _updated(mirror: Mirror, showing: Showing) -> int:
    """When the newest of what is shown was made."""
    return max(
        snapshot.created
        for name, snapshot in showing.snapshots.items()
        if advisories.scope(showing.tree(mirror, name))
    )
