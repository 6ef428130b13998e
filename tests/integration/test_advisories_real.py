"""Advisories of AlmaLinux 9 as it published them, through the mirror to dnf, OpenSCAP and audits.

Fourteen of them in every run; in `full` all 1,783, where `OSV_DATABASE` names a checkout of
github.com/AlmaLinux/osv-database.
"""

import json
import re
from collections import Counter

import pytest

from tests.support import osv_database as osv
from tests.support import requires
from tests.support.httpd import Httpd
from tests.support.json_schemas import CSAF, OSV, errors
from tests.support.mirror import MirrorSite, run
from tests.support.upstream import UpstreamTree
from tuxmirror.core.advisory.formats import oval, tables

TREE = "almalinux/9.2"
SLUG = "almalinux9.2-essential"


class Place:
    """A mirror that published these records, and what they are."""

    def __init__(self, root, keys, folder):
        self.records = osv.read(folder, "AlmaLinux:9")
        upstream = UpstreamTree(root / "upstream", "9.2", keys.almalinux)
        upstream.add("AppStream", "x86_64", osv.packages(self.records))
        upstream.add_advisories("AppStream", "x86_64", osv.advisories(self.records))
        upstream.publish()
        self.site = MirrorSite(root / "mirror")
        self.site.root.mkdir()
        with Httpd(upstream.root) as server:
            self.site.add_tree(
                TREE, keys.almalinux, upstream=f"{server.url}/9.2", repos="AppStream", feeds="yes"
            )
            self.run = self.site.sync("--json", timeout=1200)
        assert self.run.status == 0, self.run

    def shown(self, path):
        return (self.site.public / "vetted" / path).read_bytes()

    def audit(self, folder, builds):
        listed = folder / "rpm-qa.txt"
        names = ["almalinux-release-0:9.2-1.el9", *builds]
        listed.write_text("".join(f"{name}.x86_64\n" for name in names))
        command = self.site.command("audit", "--rpm-qa", str(listed), "--json")
        done = run(command, self.site.environment, 300)
        assert done.status == 0, done
        return json.loads(done.stdout)


@pytest.fixture(
    scope="module",
    params=["sample", pytest.param("all", marks=pytest.mark.full)],
)
def place(request, tmp_path_factory, keys):
    if request.param == "sample":
        folder = requires("shared_data") / "security" / "osv-sample"
    else:
        folder = requires("osv_database") / "advisories" / "almalinux9"
    return Place(tmp_path_factory.mktemp("real"), keys, folder)


def test_the_model_says_what_the_documents_say(place):
    claims = tables.read_json(place.shown(f"advisories/{SLUG}.json"))
    assert set(claims) == {record.id for record in place.records}
    for record in place.records:
        claim = claims[record.id]
        assert claim.cves == record.cves, record.id
        assert {name.removesuffix(".x86_64") for name in claim.packages} == record.fixed, record.id
    assert set(oval.read(place.shown(f"tuxcare/9.2/{SLUG}-oval.xml"))) == set(claims)
    [proven] = [e for e in place.run.named("proven") if e["tree"] == TREE]
    assert proven["definitions"] == len(claims)
    assert proven["tried"] == min(len(claims), 200)


def test_documents_are_valid_by_the_schemas_of_others(place):
    for record in place.records[:50]:
        data = place.shown(f"osv/{SLUG}/{record.id.replace(':', '-')}.json")
        assert errors(OSV, json.loads(data)) == [], record.id
    index = place.shown(f"csaf/{SLUG}/index.txt").decode().splitlines()
    assert len(index) == len(place.records) + len({c for r in place.records for c in r.cves})
    for path in index[:: max(1, len(index) // 60)]:
        assert errors(CSAF, json.loads(place.shown(f"csaf/{SLUG}/{path}"))) == [], path


def test_an_audit_needs_all_of_them_before_and_none_after(place, tmp_path):
    builds = Counter(name for record in place.records for name in {p.name for p in record.packages})
    # With one build a package alone nobody has to choose between streams and kernels.
    single = {name for name, count in builds.items() if count == 1 and "kernel" not in name}
    whole = [r for r in place.records if {p.name for p in r.packages} <= single]
    modular = re.compile(r"\.module")
    whole = [r for r in whole if not any(modular.search(p.release) for p in r.packages)]
    assert len(whole) > 5
    names = sorted(name for record in whole for name in record.fixed)
    for listed, needed in ((names, set()), ([f"{n}~" for n in names], {r.id for r in whole})):
        said = place.audit(tmp_path, listed)
        found = {a["advisory"] for part in said["scopes"] for a in part["needed"]}
        assert found & {r.id for r in whole} == needed


def test_dnf_finds_the_packages_of_each(place, httpd, host):
    server = httpd(place.site.public / "vetted")
    path = f"{TREE}/AppStream/x86_64/os/"
    host.write(
        "/etc/yum.repos.d/a.repo",
        f"[a]\nname=a\nbaseurl={server.url}/{path}\nenabled=1\ngpgcheck=0\n",
    )
    form = "%{name}-%{epoch}:%{version}-%{release}"
    for record in place.records[:: max(1, len(place.records) // 8)]:
        said = host.dnf("--repo=a", "-q", "repoquery", f"--advisory={record.id}", f"--qf={form}")
        assert set(said.stdout.split()) == record.fixed, record.id
    package = place.records[0].packages[0]
    host.dnf("--repo=a", "-y", "--nogpgcheck", "install", package.name)
    info = host.dnf("--repo=a", "updateinfo", "info", "--all").stdout
    assert f"Update ID: {place.records[0].id}" in info
