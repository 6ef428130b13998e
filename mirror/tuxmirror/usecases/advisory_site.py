"""Whose advisories a channel shows in other formats, and what those are made from.

Looked at by every sync; what makes them, `advisory_formats`, is loaded where something changed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from .. import __version__
from ..core import site as sites
from ..core.snapshot import File
from . import advisories, own_advisories
from .context import Mirror
from .csaf_provider import signs
from .site import Showing

# Counted up when the same advisories give other files.
_FORMATS = 2


class AdvisoryFormats:
    """See `site.Contributor`: an owner a tree."""

    prefix = advisories.PREFIX

    def wanted(self, mirror: Mirror, showing: Showing) -> Mapping[str, str]:
        config = mirror.config
        said = [config.cve_severity, config.site_url, config.publisher, config.contact]
        signed_by = config.signing_key if signs(mirror) else None
        data = own_advisories.data_fingerprint(mirror)
        found = {}
        for name, snapshot in showing.snapshots.items():
            tree = showing.tree(mirror, name)
            if advisories.scope(tree) is not None:
                own = own_advisories.fingerprint(mirror, tree)
                inputs = [_FORMATS, __version__, snapshot.id, data, own, signed_by, *said]
                found[advisories.owner(name)] = sites.digest(*inputs)
        return found

    def make(self, mirror: Mirror, showing: Showing, owner: str) -> Collection[File]:
        from . import advisory_formats

        return advisory_formats.make(mirror, showing, owner)
