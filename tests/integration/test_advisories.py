"""Real advisories of AlmaLinux and our own, published, and read by the tools of others.

dnf, OpenSCAP, a CSAF validator, OSV's schema and a feed parser have to say what the model says.
"""

import csv
import hashlib
import io
import json
import os
import re
import shutil
from pathlib import Path

import feedparser
import pytest
from csaf_lib.verification.verifier import Verifier

from tests.support import SHARED_DATA, requires
from tests.support.httpd import Httpd
from tests.support.json_schemas import CSAF, CSAF_PROVIDER, OSV, errors
from tests.support.mirror import MirrorSite, run
from tests.support.repodata import Advisory
from tests.support.rpms import RpmSpec, build_rpms
from tests.support.upstream import UpstreamTree
from tuxmirror.adapters.keyring import GpgKeyring
from tuxmirror.adapters.oscap import Oscap
from tuxmirror.cli import read_config
from tuxmirror.cli.wiring import make_mirror
from tuxmirror.core.advisory.formats import oval, tables
from tuxmirror.core.audit.characteristics import describe
from tuxmirror.core.audit.host import Host, Installed
from tuxmirror.core.audit.results import findings
from tuxmirror.core.errors import VerificationError
from tuxmirror.usecases import advisory_formats, oval_proof, publications
from tuxmirror.usecases.memory import Memory
from tuxmirror.usecases.site import Showing

PROVIDED = "provider-metadata.json"
ESSENTIAL, ESU = "almalinux/8.4", "tuxcare/8.4/esu"
OVAL_ESU = "tuxcare/8.4/almalinux8.4-esu-oval.xml"
FIX = "284.30.1.el8_4.tuxcare.1"
OWN = f"""\
advisories:
  - id: CLSA-2026:001
    title: kernel <b>security</b> update & "more"
    severity: Critical
    issued: 2026-11-01
    cves: [CVE-2026-0001, CVE-2026-0002]
    description: |
      <script>alert(1)</script>
      ]]> & done.
    sources: [kernel-5.14.0-{FIX}]
  - id: CLSA-2026:002
    title: openssl security update
    issued: 2026-11-02
    cves: [CVE-2026-0003]
    packages: [openssl-libs-1:3.0.7-2.x86_64, openssl-libs-1:3.0.7-2.i686]
  - id: CLSA-2026:003
    title: curl bug fix
    kind: bugfix
    issued: 2026-11-03
    sources: [curl-7.76-2]
statuses:
  - cve: CVE-2026-0009
    package: nss
    status: Ignored
    statement: not reachable
    updated: 2026-11-01
"""
VECTOR = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"
DATA = {
    "source": "nvd",
    "cves": [
        {
            "id": "CVE-2026-0003",
            "disclosed": "2026-10-25",
            "scores": [
                {"version": "3.1", "vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}
            ],
        }
    ],
}


def kernel(name, release=FIX):
    return RpmSpec(
        name, "5.14.0", release, arch="x86_64", sourcerpm=f"kernel-5.14.0-{release}.src.rpm"
    )


def libs(release, arch="x86_64"):
    source = f"openssl-3.0.7-{release}.src.rpm"
    return RpmSpec("openssl-libs", "3.0.7", release, epoch=1, arch=arch, sourcerpm=source)


PACKAGES = [
    kernel("kernel"), kernel("kernel-core"), kernel("kernel-core", "284.11.1.el8_4"),
    libs("1"), libs("2"), libs("2", "i686"),
    RpmSpec("curl", "7.76", "1", arch="x86_64", sourcerpm="curl-7.76-1.src.rpm"),
    RpmSpec("curl", "7.76", "2", arch="x86_64", sourcerpm="curl-7.76-2.src.rpm"),
]  # fmt: skip


def real_advisories(folder):
    """AlmaLinux's own records, with the packages they name."""
    found = []
    for record in json.loads((folder / "security" / "errata.json").read_text()):
        specs = tuple(
            RpmSpec(p["name"], p["version"], p["release"], epoch=int(p["epoch"]), arch=p["arch"],
                    sourcerpm=p["src"])
            for p in record["pkglist"]["packages"]
        )  # fmt: skip
        module = record["pkglist"].get("module")
        fields = ("name", "stream", "version", "context", "arch")
        found.append(
            Advisory(
                record["updateinfo_id"],
                record["title"],
                specs,
                record["type"],
                record["severity"],
                tuple(r["id"] for r in record["references"] if r["type"] == "cve"),
                record["issued_date"]["$date"] // 1000,
                ":".join(str(module[f]) for f in fields) if module else None,
            )
        )
    return found


def real_cves(folder):
    return {cve for advisory in real_advisories(folder) for cve in advisory.cves}


@pytest.fixture(scope="module")
def place(tmp_path_factory, keys):
    """A mirror that published both; read only."""
    requires("shared_data")
    root = tmp_path_factory.mktemp("advisories")
    upstream = UpstreamTree(root / "upstream", "8.4", keys.almalinux)
    for advisory in real_advisories(SHARED_DATA):
        upstream.add("AppStream", "x86_64", advisory.packages)
    upstream.add_advisories("AppStream", "x86_64", real_advisories(SHARED_DATA))
    upstream.publish()
    site = make_site(root, keys)
    with Httpd(upstream.root) as server:
        site.add_tree(
            ESSENTIAL, keys.almalinux, upstream=f"{server.url}/8.4", repos="AppStream", feeds="yes"
        )
        site.first_run = site.sync("--json", timeout=240)
    assert site.first_run.status == 0, site.first_run
    return site


def make_site(root, keys):
    build_rpms(PACKAGES, root / "in", key=keys.tuxcare)
    for name in ("advisories", "data"):
        (root / name).mkdir()
    (root / "advisories" / "all.yaml").write_text(OWN)
    (root / "data" / "nvd.json").write_text(json.dumps(DATA))
    site = MirrorSite(
        root / "mirror", main={"cve_data": root / "data", "site_url": "https://esu.example.com"}
    )
    site.root.mkdir()
    site.add_local(ESU, keys.tuxcare, root / "in", advisories=root / "advisories", feeds="yes")
    return site


@pytest.fixture
def own(tmp_path, keys):
    """A mirror of our own packages alone, nothing published yet."""
    return make_site(tmp_path, keys)


def shown(site, path, channel="vetted"):
    return (site.public / channel / path).read_bytes()


def below(site, folder):
    root = site.public / "vetted" / folder
    paths = [Path(f, n) for f, _, names in os.walk(root, followlinks=True) for n in names]
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(paths)}


def test_both_are_published_and_proven(place):
    proven = {event["tree"]: event for event in place.first_run.named("proven")}
    assert proven[ESSENTIAL]["definitions"] == proven[ESSENTIAL]["tried"] == 3
    assert proven[ESU]["definitions"] == proven[ESU]["tried"] == 2
    # Upstream here has no older builds; ours have a kernel's and an openssl's.
    assert proven[ESSENTIAL]["with_real_builds"] == 0
    assert proven[ESU]["with_real_builds"] == 2
    claims = tables.read_json(shown(place, "advisories/almalinux8.4-essential.json"))
    assert set(claims) == {"ALSA-2021:3253", "ALBA-2021:3240", "ALSA-2021:3152", "ALSA-2020:0279"}
    assert len(claims["ALSA-2020:0279"].packages) == 23
    assert claims["ALSA-2021:3253"].cves == {"CVE-2021-3246"}


def test_a_severity_comes_from_the_data_of_its_cve(place):
    document = json.loads(shown(place, "advisories/almalinux8.4-esu.json"))
    [found] = [a for a in document["advisories"] if a["id"] == "CLSA-2026:002"]
    assert found["severity"] == "Important"
    assert found["cves"][0]["score"] == 7.5
    assert found["published"]


def test_dnf_says_what_is_fixed(place, httpd, host):
    server = httpd(place.public / "vetted")
    host.write(
        "/etc/yum.repos.d/own.repo",
        f"[own]\nname=own\nbaseurl={server.url}/{ESU}/x86_64/\nenabled=1\ngpgcheck=0\n",
    )

    def dnf(*arguments, **options):
        return host.dnf("--repo=own", *arguments, **options)

    dnf("-y", "--nogpgcheck", "install", "openssl-libs-1:3.0.7-1", "curl-7.76-1")
    listed = dnf("updateinfo", "list", "--available").stdout
    assert re.search(r"CLSA-2026:002\s+Important/Sec\.\s+openssl-libs-1:3\.0\.7-2\.x86_64", listed)
    assert re.search(r"CLSA-2026:003\s+bugfix\s+curl-7\.76-2\.x86_64", listed)
    assert "CLSA-2026:001" not in listed  # no kernel is installed
    assert "CVE-2026-0003" in dnf("updateinfo", "list", "--with-cve").stdout
    info = dnf("updateinfo", "info", "CLSA-2026:002").stdout
    assert "CVE-2026-0003" in info and "Severity: Important" in info
    for option in ("--security", "--cve=CVE-2026-0003", "--sec-severity=Important"):
        plan = dnf("--assumeno", "upgrade", option, check=False).stdout
        assert "openssl-libs" in plan and "curl" not in plan, option
    nothing = dnf("--assumeno", "upgrade", "--sec-severity=Critical", check=False).stdout
    assert "openssl-libs" not in nothing
    dnf("-y", "--nogpgcheck", "upgrade", "--advisory=CLSA-2026:002")
    assert "openssl-libs-1:3.0.7-2.x86_64" in host.rpmdb()
    assert "CLSA-2026:002" not in dnf("updateinfo", "list", "--available").stdout


def judged(data, packages, running=None):
    release = Installed("almalinux-release", 0, "8.4", "1.el8", "x86_64")
    host = Host((release, *packages), {}, True, running)
    described = describe(data, host, "test")
    said = findings(Oscap().analyse(data, described.data), described.packages)
    return {finding.advisory: finding.result for finding in said}


def test_openscap_judges_hosts_right(place):
    data = shown(place, OVAL_ESU)
    Oscap().validate(data, schematron=True)
    old = Installed("openssl-libs", 1, "3.0.7", "1", "x86_64")
    new = old._replace(release="2")
    stale = new._replace(release="1", arch="i686")
    assert judged(data, [old])["CLSA-2026:002"] == "true"
    assert judged(data, [new])["CLSA-2026:002"] == "false"
    assert judged(data, [new, stale])["CLSA-2026:002"] == "true"
    assert judged(data, [old._replace(arch="s390x")])["CLSA-2026:002"] == "false"
    before = Installed("kernel-core", 0, "5.14.0", "284.11.1.el8_4", "x86_64")
    fixed = before._replace(release=FIX)
    runs_old, runs_fixed = (f"5.14.0-{k.release}.x86_64" for k in (before, fixed))
    assert judged(data, [before], runs_old)["CLSA-2026:001"] == "true"
    assert judged(data, [before, fixed], runs_old)["CLSA-2026:001"] == "true"
    assert judged(data, [before, fixed], runs_fixed)["CLSA-2026:001"] == "false"


def test_openscap_on_the_hosts_own_root(place, host):
    """`oscap oval eval`, with its probes, on a host with the old build and after the update."""
    host.share(place.root)
    definitions = place.public / "vetted" / OVAL_ESU
    host.write("/etc/almalinux-release", "AlmaLinux release 8.4\n")
    shown = host.run(["oscap", "oval", "eval", "--skip-valid", str(definitions)]).stdout
    # This host is of another release: whatever is installed, nothing applies.
    assert "oval:com.tuxcare.clsa:def:2026002: false" in shown


def test_csaf_is_valid_by_a_validator_of_others(place):
    documents = {p: data for p, data in below(place, "csaf").items() if PROVIDED not in p}
    documents = {p: data for p, data in documents.items() if p.endswith(".json")}
    fixed = real_cves(SHARED_DATA)
    assert len(documents) == 3 + len(fixed) + 2 + 4
    schemas = {}
    for path, data in documents.items():
        assert errors(CSAF, json.loads(data)) == [], path
        verifier = Verifier.from_json(data.decode())
        failed = [r.test_id for r in verifier.run_all().results if r.status.name == "FAIL"]
        # It knows VEX alone: of advisories it complains about nothing but being none.
        assert failed == ([] if "/vex/" in path else ["1.1"]), (path, failed)
        schemas[path] = json.loads(data)["document"]["category"]
    assert set(schemas.values()) == {"csaf_security_advisory", "csaf_vex"}


def test_csaf_is_found_by_its_provider_metadata_and_digests_hold(place):
    files = below(place, "csaf")
    provider = json.loads(files[PROVIDED])
    assert errors(CSAF_PROVIDER, provider) == []
    assert provider["role"] == "csaf_provider"
    assert provider["canonical_url"] == f"https://esu.example.com/csaf/{PROVIDED}"
    listed = set()
    for distribution in provider["distributions"]:
        folder = distribution["directory_url"].removeprefix("https://esu.example.com/csaf/")
        index = files[f"{folder}index.txt"].decode().splitlines()
        listed |= {folder + path for path in index}
        changes = list(csv.reader(io.StringIO(files[f"{folder}changes.csv"].decode(), newline="")))
        assert sorted(path for path, _ in changes) == sorted(index)
        assert [date for _, date in changes] == sorted((d for _, d in changes), reverse=True)
        for path, date in changes:
            tracking = json.loads(files[folder + path])["document"]["tracking"]
            assert tracking["current_release_date"] == date
            # Requirement 11 of section 7.1.
            assert path.split("/")[-2] == tracking["initial_release_date"][:4]
    assert listed == {p for p in files if p.endswith(".json") and p != PROVIDED}
    for path in listed:
        said, name = files[f"{path}.sha256"].decode().split()
        assert said == hashlib.sha256(files[path]).hexdigest()
        assert name == path.rpartition("/")[2]


def test_csaf_is_signed_once_where_the_operator_wants_it(own, keys, tmp_path):
    own.main["signing_key"] = keys.operator.fingerprint
    own.main["gnupghome"] = keys.operator.homedir
    own.main["csaf_signatures"] = "yes"
    own.write_conf()
    assert own.sync().status == 0
    files = below(own, "csaf")
    provider = json.loads(files[PROVIDED])
    assert errors(CSAF_PROVIDER, provider) == []
    assert provider["role"] == "csaf_trusted_provider"
    assert provider["public_openpgp_keys"][0]["fingerprint"] == keys.operator.fingerprint
    (tmp_path / "key.asc").write_bytes(files["openpgp-key.asc"])
    keyring = GpgKeyring([tmp_path / "key.asc"], [keys.operator.fingerprint], tmp_path)
    signed = [path for path in files if path.endswith(".json") and path != PROVIDED]
    assert len(signed) == 2 + 4
    for path in signed:
        keyring.verify_detached(files[path], files[f"{path}.asc"])
    (tmp_path / "advisories" / "all.yaml").write_text(OWN.replace("openssl security", "other"))
    assert own.sync().status == 0
    after = below(own, "csaf")
    kept = {p for p in files if p.endswith(".asc") and after[p] == files[p]}
    changed = {p for p in files if p.endswith(".json") and after[p] != files[p]}
    assert len(kept) == 1 + len(signed) - len(changed - {PROVIDED}) > 1
    assert any("002" in path for path in changed)


def test_osv_is_valid_and_feeds_parse(place):
    documents = below(place, "osv")
    assert len(documents) == 5
    for data in documents.values():
        assert errors(OSV, json.loads(data)) == []
    for name, count in (("almalinux8.4essential", 4), ("almalinux8.4esu", 3)):
        feed = feedparser.parse(shown(place, f"rss_feed/releases/{name}"))
        assert not feed.bozo
        assert len(feed.entries) == count
        assert feed.feed.links[-1].href == f"https://esu.example.com/rss_feed/releases/{name}"
        assert all(entry.guidislink is False for entry in feed.entries)
    [entry] = [e for e in feed.entries if e.id == "CLSA-2026:001"]
    assert entry.title == 'CLSA-2026:001: kernel <b>security</b> update & "more"'
    assert "<script>" not in entry.summary


def test_upstreams_gap_is_counted_and_ours_is_refused(own, keys, tmp_path, httpd):
    assert own.sync().status == 0
    before = own.view()
    (tmp_path / "advisories" / "all.yaml").write_text(OWN.replace("curl-7.76-2", "curl-7.76-3"))
    done = own.sync("--json")
    assert (done.status, done.error["path"]) == (4, "all.yaml:20"), done
    assert "no repository of the tree has curl-7.76-3" in done.error["message"]
    assert own.view() == before

    upstream = UpstreamTree(tmp_path / "upstream", "8.4", keys.almalinux)
    there, gone = RpmSpec("there", "1", "2"), RpmSpec("gone", "1", "2")
    upstream.add("BaseOS", "x86_64", [there])
    advisory = Advisory("ALSA-2026:0001", "x", (there,), cves=("CVE-2026-0001",))
    upstream.add_advisories("BaseOS", "x86_64", [advisory])
    upstream.publish()
    upstream.edit_metadata(
        "BaseOS", "x86_64", "updateinfo",
        lambda text: text.replace('name="there"', 'name="gone"'),
    )  # fmt: skip
    own.add_tree(ESSENTIAL, keys.almalinux, upstream=f"{httpd(upstream.root).url}/8.4", feeds="yes")
    done = own.sync("--json", ESSENTIAL)
    assert done.status == 0, done
    [warning] = done.named("warning")
    assert "1 advisories name 1 packages that upstream does not have" in warning["message"]
    assert gone.name and warning["advisories"] == ["ALSA-2026:0001"]
    assert tables.read_json(shown(own, "advisories/almalinux8.4-essential.json")) == {}


def test_new_advisories_alone_are_published_and_old_ones_keep_their_date(own, tmp_path):
    own.now = 1_796_000_000
    assert own.sync().status == 0
    first = tables.published_in(shown(own, "advisories/almalinux8.4-esu.json"))
    own.now += 86400
    (tmp_path / "advisories" / "more.yaml").write_text(
        "id: CLSA-2026:009\ntitle: more\nkind: bugfix\nissued: 2026-11-04\nsources: [curl-7.76-1]\n"
    )
    assert own.sync().status == 0
    second = tables.published_in(shown(own, "advisories/almalinux8.4-esu.json"))
    assert second == {**first, "CLSA-2026:009": own.now}
    assert set(first.values()) == {own.now - 86400}


def test_nothing_changed_changes_nothing_and_new_data_alone_changes_formats(own, tmp_path):
    assert own.sync().status == 0
    before = own.fingerprint()
    assert own.sync("--json").named("unchanged")
    assert own.fingerprint() == before
    packages = {p: s for p, s in own.view().items() if p.startswith(ESU) and "repodata" not in p}
    text = json.dumps({**DATA, "source": "vendor"})
    (tmp_path / "data" / "vendor.json").write_text(text)
    assert own.sync().status == 0
    after = own.view()
    assert (
        packages.items()
        <= {p: s for p, s in after.items() if "SNAPSHOT" not in p}.items() | packages.items()
    )
    document = json.loads(shown(own, "advisories/almalinux8.4-esu.json"))
    [found] = [a for a in document["advisories"] if a["id"] == "CLSA-2026:002"]
    assert found["cves"][0]["rule"] == "NVD and vendor agree"


def test_a_rollback_takes_the_formats_back_as_well(own, tmp_path):
    assert own.sync().status == 0
    (tmp_path / "advisories" / "all.yaml").write_text(OWN.replace("openssl security", "other"))
    assert own.sync().status == 0
    assert "openssl security update" not in shown(own, OVAL_ESU).decode()
    done = run(own.command("rollback", ESU), own.environment)
    assert done.status == 0, done
    assert "openssl security update" in shown(own, OVAL_ESU).decode()
    assert "openssl security update" in shown(own, "rss_feed/releases/almalinux8.4esu").decode()


def test_damage_to_a_published_file_is_found_and_mended(own):
    assert own.sync().status == 0
    path = (own.public / "vetted" / OVAL_ESU).resolve()
    good = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(good.replace(b"less than", b"more than"))
    done = run(own.command("verify", "--json"), own.environment, 120)
    assert done.status == 4, done
    assert run(own.command("verify", "--repair", "--json"), own.environment, 120).status in (0, 4)
    assert shown(own, OVAL_ESU) == good
    assert run(own.command("verify"), own.environment, 120).status == 0


def test_without_openscap_it_is_said_or_refused(own, tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("gpg", "gpgconf", "rpmkeys", "createrepo_c", "rpm"):
        target = shutil.which(name)
        if target:
            (tools / name).symlink_to(target)
    own.write_conf()
    bare = {**own.environment, "PATH": f"{tools}"}
    done = run(own.command("sync", "--json"), bare, 120)
    assert done.status == 0, done
    assert "published unproven: OpenSCAP is not installed" in done.named("warning")[0]["message"]
    before = own.view()
    own.main["oval_proof"] = "required"
    (tmp_path / "advisories" / "all.yaml").write_text(OWN.replace("openssl security", "other"))
    own.write_conf()
    done = run(own.command("sync", "--json"), bare, 120)
    assert done.status == 2, done
    assert own.view() == before


def test_oval_that_decides_wrongly_is_not_published(own, monkeypatch, tmp_path):
    """Mutants of the writer that agree with the model in every name, and judge hosts wrongly."""
    assert own.sync().status == 0
    mirror = make_mirror(read_config(own.conf), Silent())
    snapshot = mirror.state.snapshot(ESU, mirror.state.candidate(ESU))
    showing = Showing("vetted", {ESU: snapshot}, {}, 1_796_000_000)
    write = oval.write
    mutants = {
        "compares the wrong way": (b'operation="less than"', b'operation="greater than"'),
        "is true for equal builds": (b'operation="less than"', b'operation="less than or equal"'),
        "forgets the release": (rb"^8\.4(?:[^\d]|$)", rb"^8"),
        "is true beside an old kernel": (b'check="all"', b'check="at least one"'),
        "wants all at once": (b'<criteria operator="OR">', b'<criteria operator="AND">'),
        "compares text": (b'datatype="evr_string"', b'datatype="string"'),
    }
    for name, (old, new) in mutants.items():

        def mutant(*args, old=old, new=new):
            data = write(*args)
            assert old in data
            return data.replace(old, new)

        monkeypatch.setattr(oval, "write", mutant)
        mirror = mirror._replace(memory=Memory())
        with pytest.raises(VerificationError) as caught:
            advisory_formats.make(mirror, showing, f"advisories/{ESU}")
        assert caught.value.tree == ESU, name


def test_channels_that_show_the_same_share_what_was_written_and_judged(own, monkeypatch):
    assert own.sync().status == 0
    mirror = make_mirror(read_config(own.conf), Silent())
    snapshot = mirror.state.snapshot(ESU, mirror.state.candidate(ESU))
    calls = []
    for module, name in ((advisory_formats, "write"), (oval_proof, "_previous")):
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, n=name, f=real: calls.append(n) or f(*a))

    def make(channel, time):
        showing = Showing(channel, {ESU: snapshot}, {}, time)
        return advisory_formats.make(mirror, showing, f"advisories/{ESU}")

    [time] = set(publications.known(mirror, "vetted").first.values())
    assert make("candidate", time) == make("vetted", time)
    assert calls == ["write", "_previous"]
    # Another day is another feed, and the same OVAL.
    assert make("candidate", time + 86400) != make("vetted", time)
    assert calls == ["write", "_previous", "write"]


class Silent:
    def event(self, name, **fields):
        pass
