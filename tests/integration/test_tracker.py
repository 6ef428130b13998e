"""A mirror with advisories of AlmaLinux's and of our own: its tracker, audits and answers.

The audit of a host's package list has to say what OpenSCAP says of the host itself.
"""

import json
import os
import re
import subprocess
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest

from tests.support import CHECKOUT
from tests.support.httpd import Httpd
from tests.support.mirror import TREE, MirrorSite, run
from tests.support.rpms import RpmSpec, build_rpms
from tuxmirror.core import journal

ESU = "tuxcare/9.2/esu"
HOSTILE = "<script>alert(1)</script> & \"quotes\" 'single' ]]> {{ 7 * 7 }}"
OWN = f"""\
advisories:
  - id: CLSA-2026:001
    title: {json.dumps(HOSTILE)}
    severity: Critical
    issued: 2026-11-01
    cves: [CVE-2026-0001]
    description: "<img src=x onerror=alert(1)>"
    sources: [httpd-2.4.53-11.el9_2.6.tuxcare.els1]
  - id: CLSA-2026:002
    title: openssl security update
    severity: Important
    issued: 2026-11-02
    cves: [CVE-2026-0002]
    sources: [openssl-3.0.7-20.el9_2.tuxcare.2]
statuses:
  - cve: CVE-2026-0009
    package: nss
    status: In Progress
    updated: 2026-11-01
"""
VECTOR = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
DATA = {
    "source": "nvd",
    "cves": [
        {"id": name, "disclosed": "2026-10-25", "scores": [{"version": "3.1", "vector": VECTOR}]}
        for name in ("CVE-2026-0001", "CVE-2026-0009")
    ],
}
# What a host of state 1 has installed.
RELEASE_FILE = {"/etc/almalinux-release": b"AlmaLinux release 9.2 (Turquoise Kodkod)\n"}
RELEASE = RpmSpec("almalinux-release", "9.2", "1.el9", arch="x86_64", files=RELEASE_FILE)
HOST = [
    RELEASE,
    RpmSpec("curl", "7.76.1", "23.el9_2.1", arch="x86_64"),
    RpmSpec("openssl-libs", "3.0.7", "16.el9_2", epoch=1, arch="x86_64"),
    RpmSpec("httpd", "2.4.53", "11.el9_2.5", arch="x86_64"),
    RpmSpec("vim-minimal", "8.2.2637", "20.el9_1", epoch=2, arch="x86_64"),
    RpmSpec("kernel-core", "5.14.0", "284.11.1.el9_2", arch="x86_64"),
    RpmSpec("nodejs", "18.14.2", "3.module_el9.2.0+29+de583a0c", arch="x86_64"),
]


class Mirror:
    """A mirror that showed two states; `times` are in between."""

    def __init__(self, root, upstream, packages, keys):
        self.site = MirrorSite(root)
        own, data = root / "advisories", root / "cve-data"
        own.mkdir(parents=True)
        data.mkdir()
        (data / "nvd.json").write_text(json.dumps(DATA))
        self.site.main.update(
            signing_key=keys.operator.fingerprint,
            gnupghome=keys.operator.homedir,
            cve_data=data,
            fips_manifests=CHECKOUT / "packaging" / "fips",
        )
        self.keys = keys
        self.own = own
        with Httpd(upstream.root) as server:
            self.site.add_tree(
                TREE, keys.almalinux, upstream=f"{server.url}/9.2", repos="BaseOS AppStream",
                feeds=None,
            )  # fmt: skip
            self.site.add_local(
                ESU, keys.tuxcare, packages / "esu", advisories=own, feeds=None, open="yes"
            )
            self.site.now = 1_793_000_000  # 2026-10-26
            self.first = self.sync()
            upstream.advance()
            (own / "own.yaml").write_text(OWN)
            self.site.now = 1_793_800_000  # 2026-11-04
            self.second = self.sync()

    def sync(self):
        done = self.site.sync("--json", timeout=300)
        assert done.status == 0, done.stdout
        return done

    def ask(self, *arguments, status=0):
        done = run(self.site.command(*arguments), self.site.environment, 120)
        assert done.status == status, done
        return json.loads(done.stdout) if "--json" in arguments and not status else done

    def page(self, path):
        return (self.site.public / "vetted" / "cve" / path).read_text()


@pytest.fixture(scope="module")
def mirror(tmp_path_factory, keys, standard_tree_master, tuxcare_rpms_master):
    folder = tmp_path_factory.mktemp("tracker")
    upstream = standard_tree_master.copy(folder / "upstream")
    return Mirror(folder / "mirror", upstream, tuxcare_rpms_master, keys)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A root directory with the packages of a host installed."""
    folder = tmp_path_factory.mktemp("host")
    rpms = build_rpms(HOST, folder / "rpms")
    root = folder / "root"
    (root / "var/lib/rpm").mkdir(parents=True)
    (root / "etc/dnf/modules.d").mkdir(parents=True)
    (root / "etc/dnf/modules.d/nodejs.module").write_text(
        "[nodejs]\nname=nodejs\nstream=18\nprofiles=\nstate=enabled\n"
    )
    command = ["rpm", "--root", root, "--dbpath", "/var/lib/rpm", "-i", "--nodeps", "--noscripts"]
    subprocess.run([*command, "--nosignature", *rpms], check=True)
    return root


def names(document):
    return {n["advisory"] for part in document["scopes"] for n in part["needed"]}


def rpm_qa(root, query):
    command = ["rpm", "--dbpath", root / "var/lib/rpm", "-qa", "--qf", query]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def evaluated(root, definitions, folder):
    """What `oscap oval eval` itself says of the root: definition ids that are true."""
    (folder / ".rpmmacros").write_text("%_dbpath /var/lib/rpm\n")
    done = subprocess.run(
        ["oscap", "oval", "eval", "--skip-valid", definitions],
        env={**os.environ, "HOME": str(folder), "OSCAP_PROBE_ROOT": str(root)},
        check=True,
        capture_output=True,
        text=True,
    )
    found = re.findall(r"Definition (\S+): (\w+)", done.stdout)
    assert found, done
    return {name for name, result in found if result == "true"}


def test_an_audit_says_what_openscap_says_of_the_host_itself(mirror, root, tmp_path):
    kernel = os.uname().release
    document = mirror.ask(
        "audit", "--host", str(root), "--running-kernel", kernel, "--json"
    )  # fmt: skip
    shown = mirror.site.public / "vetted" / "tuxcare" / "9.2"
    for part in document["scopes"]:
        definitions = shown / f"almalinux9.2-{part['product']}-oval.xml"
        said = {needed["definition"] for needed in part["needed"]}
        assert said == evaluated(root, definitions, tmp_path)
        assert part["unknown"] == []
    assert {"CLSA-2026:001", "CLSA-2026:002"} < names(document)
    assert len(names(document)) >= 5


@pytest.mark.parametrize(
    "query",
    [
        "%{NAME}-%{EPOCHNUM}:%{VERSION}-%{RELEASE}.%{ARCH}\n",
        "%{NEVRA}\n",
        "%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}\n",
        "%{NAME}|%{EPOCHNUM}|%{VERSION}|%{RELEASE}|%{ARCH}\n",
    ],
)
def test_a_plain_list_gives_the_same_as_the_host(mirror, root, tmp_path, query):
    """Without epochs, modules and kernel: found out from what the mirror knows, or said."""
    whole = mirror.ask("audit", "--host", str(root), "--json")
    (tmp_path / "list").write_text(rpm_qa(root, query))
    listed = mirror.ask("audit", "--rpm-qa", str(tmp_path / "list"), "--module", "nodejs:18",
                        "--json")  # fmt: skip
    assert names(listed) == names(whole)
    assert any("which kernel is running" in note for note in listed["notes"])


def test_what_a_list_cannot_tell_is_not_called_fine(mirror, root, tmp_path):
    (tmp_path / "list").write_text(rpm_qa(root, "%{NEVRA}\n"))
    document = mirror.ask("audit", "--rpm-qa", str(tmp_path / "list"), "--json")
    told = names(mirror.ask("audit", "--host", str(root), "--json"))
    unknown = {n["advisory"] for part in document["scopes"] for n in part["unknown"]}
    assert names(document) | unknown >= told
    assert any("Module nodejs:18" in reason for part in document["scopes"]
               for n in part["unknown"] for reason in n["undecided"])  # fmt: skip


def test_an_audit_as_of_a_day_asks_the_snapshot_of_then(mirror, root, tmp_path):
    (tmp_path / "list").write_text(rpm_qa(root, "%{NEVRA}\n"))
    question = ("audit", "--rpm-qa", str(tmp_path / "list"))
    now = mirror.ask(*question, "--json")
    then = mirror.ask(*question, "--as-of", "2026-10-27", "--json")
    assert {part["snapshot"] for part in then["scopes"]} & {
        part["snapshot"] for part in now["scopes"]
    } == set() or names(then) < names(now)
    assert names(then) < names(now)
    before = mirror.ask(*question, "--as-of", "2020-01-01", status=5)
    assert "showed nothing of release 9.2" in before.stderr


def test_bad_questions_are_answered_with_a_way_out(mirror, tmp_path):
    (tmp_path / "list").write_text("bash-5.1.8-6.el9_1.x86_64\nnonsense\n")
    refused = mirror.ask("audit", "--rpm-qa", str(tmp_path / "list"), status=2)
    assert "line 2: nonsense" in refused.stderr
    (tmp_path / "list").write_text("bash-5.1.8-6.el9_1.x86_64\n")
    refused = mirror.ask("audit", "--rpm-qa", str(tmp_path / "list"), status=2)
    assert "--release 9.2" in refused.stderr
    listed = ("audit", "--rpm-qa", str(tmp_path / "list"))
    assert "9.2" in mirror.ask(*listed, "--release", "9.7", status=2).stderr
    assert "NAME:STREAM" in mirror.ask(*listed, "--module", "nodejs", status=2).stderr
    assert "--as-of" in mirror.ask(*listed, "--as-of", "yesterday", status=2).stderr
    assert "did you mean" in mirror.ask("advisory", "show", "CLSA-2026:01", status=2).stderr
    assert "no CVE" in mirror.ask("advisory", "explain", "openssl", status=2).stderr


def test_an_audit_for_people_and_as_a_page(mirror, root, tmp_path):
    page = tmp_path / "audit.html"
    done = mirror.ask("audit", "--host", str(root), "--html", str(page))
    assert "dnf upgrade --advisory=CLSA-2026:002" in done.stdout
    assert "FIPS: openssl: leaves the validated build for a FIPS-compliant patch" in done.stdout
    text = page.read_text()
    assert "CLSA-2026:001" in text
    assert "<script" not in text


def test_explain_says_all_that_is_known(mirror):
    found = mirror.ask("advisory", "explain", "CVE-2026-0001", "--json")
    assert (found["score"], found["severity"], found["rule"]) == (9.8, "Critical", "nvd alone")
    assert found["flags"].keys() == {"single-source"}
    [release] = found["releases"]
    assert release["advisories"] == ["CLSA-2026:001"]
    assert release["commands"] == ["dnf upgrade --advisory=CLSA-2026:001"]
    assert release["vetted"]["action"] == "sync"
    assert release["fips"].startswith("not part of a validated module")
    assert release["clock"]["days"] == 11
    assert not release["clock"]["baseline"]
    text = mirror.ask("advisory", "explain", "CVE-2026-0001").stdout
    assert "published 2026-11-04, 11 days after disclosure, in target" in text


def test_sla_counts_what_came_after_the_beginning(mirror):
    [total, *_] = mirror.ask("advisory", "sla", "--json")["releases"]
    assert total["buckets"]["8-14"] >= 1
    assert total["running"] == 1
    assert total["baseline"] >= 1
    assert [c["cve"] for c in total["overdue"]] in ([], ["CVE-2026-0009"])


def test_list_filters(mirror):
    def ids(*arguments):
        found = mirror.ask("advisory", "list", *arguments, "--json")["advisories"]
        return {entry["id"] for entry in found}

    everything = ids()
    assert {"CLSA-2026:001", "CLSA-2026:002"} < everything
    assert ids("--severity", "critical") >= {"CLSA-2026:001"}
    assert ids("--package", "httpd") >= {"CLSA-2026:001"}
    assert ids("--release", "9.2") == everything
    # Nothing found would read as nothing to fix.
    for wrong, expected in (("--release=8.10", "9.2"), ("--severity=High", "Important")):
        said = mirror.ask("advisory", "list", wrong, status=2)
        assert expected in said.stderr
    assert ids("--package", "openssl-libs") < everything


def test_the_ledger_is_a_chain_that_the_operator_signed(mirror, tmp_path):
    folder = mirror.site.public / "vetted" / "cve" / "data"
    data = (folder / "first-publications.jsonl").read_bytes()
    entries = journal.read(data, "ledger")
    named = [name for entry in entries for name in entry["advisories"]]
    assert len(named) == len(set(named)) and "CLSA-2026:001" in named
    assert all("user" not in entry for entry in entries)
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", home, "--batch", "--quiet", "--no-autostart"]
    subprocess.run([*gpg, "--import", mirror.keys.operator.public], check=True)
    signature = folder / "first-publications.jsonl.asc"
    verify = [*gpg, "--verify", signature, folder / "first-publications.jsonl"]
    subprocess.run(verify, check=True, capture_output=True)
    kept = mirror.site.store / "state/notes/first-publications.vetted.jsonl"
    assert kept.read_bytes() == data


class _Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.ids = [], set()

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        self.found += [known[n] for n in ("href", "src", "action") if known.get(n)]
        self.found += [known["data-index"]] if "data-index" in known else []
        self.ids |= {known["id"]} if known.get("id") else set()


def test_every_link_of_every_page_leads_somewhere(mirror):
    shown = mirror.site.public / "vetted"
    pages = sorted((shown / "cve").rglob("*.html"))
    assert len(pages) > 40
    parsed = {}
    for page in pages:
        parsed[page] = _Links()
        parsed[page].feed(page.read_text())
    broken = []
    for page, links in parsed.items():
        for link in links.found:
            if urlsplit(link).scheme:
                continue
            target, fragment = urldefrag(urljoin(f"/{page.relative_to(shown)}", link))
            file = shown / target.lstrip("/")
            if not file.is_file() or (fragment and fragment not in parsed[file].ids):
                broken.append((str(page.relative_to(shown)), link))
    assert broken == []
    everything = {
        urljoin(f"/{p.relative_to(shown)}", link) for p in parsed for link in parsed[p].found
    }
    unreached = {f"/{p.relative_to(shown)}" for p in pages} - everything
    assert unreached == set()


def test_hostile_text_stays_text(mirror):
    page = mirror.page("els/releases/CLSA-2026-001.html")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp;" in page
    assert "{{ 7 * 7 }}" in page
    for path in (mirror.site.public / "vetted" / "cve").rglob("*.html"):
        text = path.read_text()
        assert "<script>" not in text and "<img" not in text
        assert "style=" not in text and "onerror" not in text.replace("&lt;img src=x onerror", "")


def copy(mirror, folder):
    """The mirror as it is, with the tree alone whose packages are still there."""
    site = MirrorSite(folder, dict(mirror.site.main), {ESU: mirror.site.trees[ESU]})
    site.now = mirror.site.now
    subprocess.run(["cp", "-a", mirror.site.root, folder], check=True)
    return site


def test_what_is_made_from_nothing_is_what_was_kept(mirror, tmp_path):
    kept, fresh = copy(mirror, tmp_path / "kept"), copy(mirror, tmp_path / "fresh")
    for note in (fresh.store / "state/notes").glob("tracker*.json"):
        note.unlink()
    for site in (kept, fresh):
        assert site.sync("--json").named("published"), "another configuration is another tracker"
        assert site.sync("--json").named("published") == []
    pages = {path: sha for path, sha in kept.view().items() if path.startswith("cve/")}
    assert len(pages) > 20
    assert {p: sha for p, sha in fresh.view().items() if p.startswith("cve/")} == pages


def test_a_clock_that_runs_out_is_told_on_its_day(mirror, tmp_path):
    site = copy(mirror, tmp_path / "later")
    assert site.sync("--json").status == 0
    page = site.public / "vetted/cve/sla.html"
    assert "Without a fix past the target" not in page.read_text()
    site.now = 1_793_000_000 + 20 * 86400
    assert site.sync("--json").named("published")
    assert "Without a fix past the target" in page.read_text()
    assert site.sync("--json").named("published") == []


def test_a_damaged_page_is_made_again(mirror, tmp_path):
    site = copy(mirror, tmp_path / "damaged")
    assert site.sync("--json").status == 0
    page = site.public / "vetted/cve/els/releases/CLSA-2026-001.html"
    whole = page.read_bytes()
    page.chmod(0o600)
    page.write_bytes(whole.replace(b"Critical", b"Harmless"))
    done = run(site.command("verify", "--repair", "--json"), site.environment, 200)
    assert done.status == 0, done
    assert page.read_bytes() == whole


def test_a_run_killed_after_the_switch_is_made_up_for(mirror, tmp_path):
    site = copy(mirror, tmp_path / "killed")
    notes = site.store / "state/notes"
    ledger = notes / "first-publications.vetted.jsonl"
    whole = ledger.read_bytes()
    # As it was just after the second switch: planned, shown, not written yet.
    entries = journal.read(whole, "ledger")
    last = [entry for entry in entries if entry["time"] == mirror.site.now]
    shown = {
        entry["tree"]: entry["snapshot"]
        for entry in journal.read((site.store / "state/log.jsonl").read_bytes(), "log")
        if entry["channel"] == "vetted" and entry["tree"] == ESU
    }
    assert last
    ledger.write_bytes(b"".join(whole.splitlines(keepends=True)[: -len(last)]))
    (notes / "ledger-signature.vetted.json").unlink()
    batches = [
        [[entry["release"], entry["product"]], entry["advisories"], entry["baseline"]]
        for entry in last
    ]
    (notes / "publishing.vetted.json").write_text(json.dumps([shown, mirror.site.now, batches]))
    site.now += 5 * 86400
    assert site.sync("--json").status == 0
    assert ledger.read_bytes() == whole
    assert not (notes / "publishing.vetted.json").exists()


def test_a_ledger_that_was_altered_stops_everything(mirror, tmp_path):
    site = copy(mirror, tmp_path / "altered")
    kept = site.store / "state/notes/first-publications.vetted.jsonl"
    kept.write_bytes(kept.read_bytes().partition(b"\n")[2])
    site.write_conf()
    refused = run(site.command("advisory", "sla"), site.environment, 120)
    assert refused.status == 4, refused
    assert "not the one that was signed" in refused.stderr
