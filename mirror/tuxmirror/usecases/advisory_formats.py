"""What a channel shows of a tree's advisories: OVAL, feed, CSAF, OSV, JSON and CSV.

All of them are written, read back and compared with the model and with each other; OVAL is judged
by OpenSCAP besides. One difference, and nothing is published. Channels that show the same share
what was written once.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from ..core.advisory import parity
from ..core.advisory.catalogue import Catalogue
from ..core.advisory.formats import claims, csaf, csaf_provider, osv, oval, rss, tables
from ..core.advisory.formats.claims import Claims
from ..core.advisory.formats.context import Issuer
from ..core.advisory.model import Advisory, Scope, security
from ..core.config import Tree
from ..core.errors import MirrorError, VerificationError
from ..core.snapshot import File
from . import advisories, own_advisories
from .context import Mirror
from .csaf_provider import signatures
from .oval_proof import Subject, judge
from .site import Showing

# The channel that a snapshot is shown in first, where it is told what is odd about it.
_FIRST = "candidate"

Documents = dict[str, bytes]


def make(mirror: Mirror, showing: Showing, owner: str) -> Collection[File]:
    """See `site.Contributor.make`."""
    name = owner.partition("/")[2]
    tree, snapshot = showing.tree(mirror, name), showing.snapshots[name]
    scope = advisories.scope(tree)
    assert scope is not None  # noqa: S101  # not wanted otherwise
    try:
        catalogue = advisories.catalogue(mirror, showing._replace(snapshots={name: snapshot}))
        if showing.channel == _FIRST:
            _tell_gaps(mirror, tree, showing)
        subject = Subject(tree, scope, snapshot, catalogue)
        files = mirror.memory.formats.get(_key(mirror, subject), lambda: _written(mirror, subject))
        signed = signatures(
            mirror, showing.channel, scope, csaf_provider.documents_of(scope, files)
        )
    except MirrorError as error:
        raise error.located(tree=name) from None
    return [*files, *signed]


def _key(mirror: Mirror, subject: Subject) -> tuple[object, ...]:
    """What the files are made from, beside the configuration."""
    tree, _, snapshot, catalogue = subject
    own = own_advisories.fingerprint(mirror, tree), own_advisories.data_fingerprint(mirror)
    return tree.name, snapshot.id, own, frozenset(catalogue.first_published.items())


def _written(mirror: Mirror, subject: Subject) -> list[File]:
    documents = _judged(mirror, subject)
    files = _added(mirror, documents)
    listed = csaf_provider.documents_of(subject.scope, files)
    texts = {file.path: documents[file.path] for file in listed}
    return files + _added(mirror, csaf_provider.listing(subject.scope, texts))


def _added(mirror: Mirror, documents: Documents) -> list[File]:
    return [File(path, mirror.pool.add(data), len(data)) for path, data in documents.items()]


def _judged(mirror: Mirror, subject: Subject) -> Documents:
    """All files, compared and proven; of upstream's advisories without those that cannot be: its
    contradictions do not stop the mirror."""
    tree, scope, _, catalogue = subject
    documents = write(scope, catalogue, advisories.issuer(mirror))
    check(tree, scope, catalogue, documents)
    wrong = judge(mirror, subject, documents[oval.path(scope)])
    if not wrong:
        return documents
    if advisories.is_ours(tree):
        # A copy: one that is kept must not keep all that it was raised through.
        raise copy.copy(next(iter(wrong.values())))
    mirror.reporter.event(
        "warning",
        tree=tree.name,
        message=f"{tree.name}: {len(wrong)} advisories of upstream cannot be told right in OVAL;"
        " other formats leave them out",
        advisories=sorted(wrong),
    )
    left = tuple(a for a in catalogue.advisories if a.id not in wrong)
    return _judged(mirror, subject._replace(catalogue=replace(catalogue, advisories=left)))


def _tell_gaps(mirror: Mirror, tree: Tree, showing: Showing) -> None:
    """What upstream's own advisories name and its repositories do not have."""
    found = advisories.material(mirror, tree, showing.snapshots[tree.name])
    if found.lost or found.conflicts:
        packages = sum(len(names) for names in found.lost.values())
        mirror.reporter.event(
            "warning",
            tree=tree.name,
            message=f"{tree.name}: {len(found.lost)} advisories name {packages} packages that"
            f" upstream does not have, {len(found.conflicts)} contradict themselves; other formats"
            " leave these out",
            advisories=sorted(found.lost),
        )


# --- writing ----------------------------------------------------------------------------------


def write(scope: Scope, catalogue: Catalogue, by: Issuer) -> Documents:
    """All files of a scope, by path below the channel."""
    everything = catalogue.of(scope)
    documents = {
        oval.path(scope): oval.write(scope, security(everything), catalogue, by),
        rss.path(scope): rss.write(scope, everything, catalogue, by),
        tables.json_path(scope): tables.write_json(scope, everything, catalogue),
        tables.csv_path(scope): tables.write_csv(everything, catalogue),
    }
    for advisory in security(everything):
        documents[csaf.path(scope, advisory)] = csaf.write(advisory, catalogue, by)
        documents[osv.path(scope, advisory)] = osv.write(advisory, catalogue, by)
    documents.update(_vex(scope, catalogue, by))
    return documents


def _vex(scope: Scope, catalogue: Catalogue, by: Issuer) -> Documents:
    documents = {}
    for cve in catalogue.cve_ids:
        records = [r for r in catalogue.status(cve) if r.scope == scope]
        if records:
            path = csaf.vex_path(scope, cve, records, catalogue)
            documents[path] = csaf.write_vex(scope, cve, records, catalogue, by)
    return documents


# --- comparing --------------------------------------------------------------------------------


def check(tree: Tree, scope: Scope, catalogue: Catalogue, documents: Documents) -> None:
    """The parity gate, over the bytes that are to be published.

    Raises:
        VerificationError: a format says something else than the model.
    """
    everything = catalogue.of(scope)
    model = claims.of(everything)
    fixes = parity.subset(model, security(everything))
    feed = parity.subset(model, rss.shown(everything, catalogue))
    try:
        formats: dict[str, tuple[Claims, Claims]] = {
            "OVAL": (fixes, oval.read(documents[oval.path(scope)])),
            "CSAF": (
                fixes,
                csaf.read(_below(documents, csaf.folder(scope), csaf.vex_folder(scope))),
            ),
            "OSV": (fixes, osv.read(_below(documents, osv.folder(scope)))),
            "RSS": (feed, rss.read(documents[rss.path(scope)])),
            "JSON": (model, tables.read_json(documents[tables.json_path(scope)])),
            "CSV": (model, tables.read_csv(documents[tables.csv_path(scope)])),
        }
        vex = csaf.read_vex(_below(documents, csaf.vex_folder(scope)))
    except (ValueError, KeyError, TypeError, SyntaxError) as error:
        raise VerificationError(
            f"a file that was just written cannot be read: {error!r}",
            tree=tree.name,
            way_out="nothing was published; this is a bug, please report it",
        ) from None
    by_cve = _by_cve(everything)
    formats["VEX"] = (by_cve, _as_claims(vex, everything))
    model = {**model, **by_cve}
    parity.check(tree.name, model, formats)


def _below(documents: Documents, folder: str, but: str = "\0") -> list[bytes]:
    return [
        data
        for path, data in documents.items()
        if path.startswith(f"{folder}/") and not path.startswith(f"{but}/")
    ]


def _by_cve(found: Sequence[Advisory]) -> dict[str, claims.Claim]:
    """The model turned round, as VEX has it: packages by CVE."""
    packages: dict[str, set[str]] = {}
    for advisory in found:
        for cve in advisory.cves:
            packages.setdefault(cve, set()).update(advisory.identities)
    return {cve: claims.Claim(frozenset((cve,)), frozenset(p)) for cve, p in packages.items()}


def _as_claims(vex: Mapping[str, frozenset[str]], found: Sequence[Advisory]) -> Claims:
    """Of CVEs that something fixes; the documents of all others name no package."""
    fixed = {cve for advisory in found for cve in advisory.cves}
    return {
        cve: claims.Claim(frozenset((cve,)), packages)
        for cve, packages in vex.items()
        if cve in fixed or packages
    }
