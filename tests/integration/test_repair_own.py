"""`verify --repair` of what nobody upstream has: metadata that the mirror cut, its signature."""

import json
import re
import subprocess
import time

import pytest

from tests.support.mirror import TREE, MirrorSite, age_generations, difference
from tests.support.rpms import RpmSpec
from tests.support.vetting import follow_vetted
from tuxmirror import cli

pytest_plugins = ("tests.support.vetting_fixtures",)

SIGNATURE = "repodata/repomd.xml.asc"
FILTERED = ("BaseOS", "AppStream")


def record(site, channel="vetted"):
    name = site.manifest(channel)["id"]
    return json.loads((site.store / "snapshots" / TREE / f"{name}.json").read_text())


def pooled(site, sha256):
    return site.store / "pool" / sha256[:2] / sha256


def listed(site, files):
    """SHA-256 by path, of a file list."""
    lines = pooled(site, files).read_text().splitlines()
    return {path: sha for sha, _, path in (line.split(" ", 2) for line in lines)}


def own(site, channel="vetted"):
    """By repository, what the mirror made itself: SHA-256 by path."""
    found = {}
    for name, repository in record(site, channel)["repositories"].items():
        if "origin" in repository:
            upstreams = set(listed(site, repository["origin"]["files"]).values())
            files = listed(site, repository["files"])
            found[name] = {
                path: sha
                for path, sha in files.items()
                if sha not in upstreams and not path.endswith(".rpm")
            }
    return found


def rot(site, sha256):
    pooled(site, sha256).write_bytes(b"rotten")


def lose_signatures(site, channel="vetted"):
    """Within the second in which it was made, a signature would come out the same."""
    time.sleep(1.1)
    for files in own(site, channel).values():
        rot(site, files[SIGNATURE])


def replaced(done, event="replaced"):
    return [(e["snapshot"], e["by"]) for e in done.named(event)]


def superseded(done):
    return replaced(done, "superseded")


def repairs(site):
    entries = json.loads(site.call("log", "--json").stdout)["entries"]
    found = [entry for entry in entries if entry["action"] == "repair"]
    return [(entry.get("channel"), entry["before"], entry["snapshot"]) for entry in found]


def kept(site):
    return {path.stem for path in (site.store / "snapshots" / TREE).glob("*.json")}


@pytest.fixture
def customer(cut, host, httpd, keys):
    """A host of vetted that looks at each signature."""
    follow_vetted(host, httpd(cut.public), keys)
    return host


def kind(path):
    return re.sub(r"^repodata/([0-9a-f]{64}-)?|\.(xml|yaml)\.gz$", "", path)


def public_half(tmp_path, key):
    """A gnupghome of somebody who cannot sign."""
    home = tmp_path / "public-half"
    home.mkdir(mode=0o700)
    command = ["gpg", "--homedir", home, "--batch", "--no-autostart", "--import", key.public]
    subprocess.run(command, check=True, capture_output=True)
    return home


def test_all_that_is_cut_comes_back_as_it_was(cut, tmp_path, keys):
    before = cut.view()
    made = own(cut)
    kinds = {kind(path) for files in made.values() for path in files}
    assert kinds >= {"primary", "filelists", "other", "updateinfo", "repomd.xml"}, kinds
    for files in made.values():
        for path, sha in files.items():
            if path != SIGNATURE:
                rot(cut, sha)
    cut.call("verify", status=4)
    # The secret half of the key is not needed for that.
    cut.main["gnupghome"] = public_half(tmp_path, keys.operator)
    done = cut.call("verify", "--repair", "--json")
    assert done.named("replaced") == []
    assert cut.view() == before, difference(before, cut.view())
    cut.call("verify")


@pytest.mark.full
@pytest.mark.parametrize("repo", FILTERED)
@pytest.mark.parametrize(
    "what", ["primary", "filelists", "other", "updateinfo", "modules", "repomd.xml"]
)
def test_each_kind_that_is_cut_comes_back_as_it_was(cut, repo, what):
    before = cut.view()
    wanted = [sha for path, sha in own(cut)[f"{repo}/x86_64"].items() if kind(path) == what]
    if not wanted:
        assert (repo, what) == ("BaseOS", "modules")
        return
    for sha in wanted:
        pooled(cut, sha).unlink()
    cut.call("verify", status=4)
    assert cut.call("verify", "--repair", "--json").named("repaired")
    assert cut.view() == before, difference(before, cut.view())


def primaries(site):
    """SHA-256 of BaseOS' own, and of that which it was cut from."""
    source = listed(site, record(site)["repositories"]["BaseOS/x86_64"]["origin"]["files"])
    both = (own(site)["BaseOS/x86_64"], source)
    return [next(sha for path, sha in files.items() if kind(path) == "primary") for files in both]


def test_what_it_was_cut_from_is_fetched_again_for_that(cut):
    before = cut.view()
    for sha in primaries(cut):
        rot(cut, sha)
    done = cut.call("verify", "--repair", "--json")
    assert done.named("warning") == []
    assert cut.view() == before, difference(before, cut.view())


@pytest.mark.full
def test_what_it_was_cut_from_is_kept_for_that(cut, moved_upstream):
    """Upstream goes on, vetted stays: no snapshot names any more what it was cut from."""
    shown, upstream = cut.manifest()["id"], record(cut)["vetting"]["upstream"]
    ours, theirs = primaries(cut)
    for number in range(4):
        moved_upstream.add("BaseOS", "x86_64", [RpmSpec(f"more{number}")])
        moved_upstream.publish()
        cut.later(1.1)
        if cut.manifest()["id"] != shown:
            cut.call("rollback", TREE)
        age_generations(cut.public)
    cut.call("prune", "--keep", "0")
    assert upstream not in kept(cut)
    assert pooled(cut, theirs).exists()
    before = cut.view()
    rot(cut, ours)
    cut.call("verify", "--repair")
    assert cut.view() == before, difference(before, cut.view())


def test_a_lost_signature_gives_the_snapshot_a_successor_at_once(cut, customer):
    old, offered = cut.manifest(), cut.offered()
    lose_signatures(cut)
    refused = customer.dnf("makecache", check=False)
    assert refused.returncode, "dnf is to look at the signature"
    cut.call("verify", status=4)
    done = cut.call("verify", "--repair", "--json")
    fresh = cut.manifest()
    assert replaced(done) == [(old["id"], fresh["id"])]
    assert fresh["id"] != old["id"]
    assert (fresh["created"], fresh["vetting"]) == (old["created"], old["vetting"])
    assert cut.offered() == offered
    # Who looks next sees no damage, and is told where the old one went.
    assert superseded(cut.call("verify", "--json")) == [(old["id"], fresh["id"])]
    assert repairs(cut) == [("vetted", old["id"], fresh["id"])]
    customer.dnf("install", "curl", "openssl", "tzdata")
    # For the next sync, all is as it should be.
    assert cut.later(1.1).named("published") == []
    assert cut.manifest()["id"] == fresh["id"]


def test_what_newer_libraries_compress_otherwise_is_signed_anew(cut, customer, monkeypatch):
    old, offered = cut.manifest()["id"], cut.offered()
    [lost] = [sha for path, sha in own(cut)["BaseOS/x86_64"].items() if kind(path) == "primary"]
    rot(cut, lost)
    cut.write_conf()
    monkeypatch.setattr("tuxmirror.adapters.metadata_filter._GZIP_LEVEL", 1)
    assert cli.main(["-c", str(cut.conf), "verify", "--repair"]) == 0
    assert cut.manifest()["id"] != old
    assert cut.offered() == offered
    cut.call("verify")
    customer.dnf("install", "curl", "openssl", "tzdata")


def test_without_the_secret_key_it_is_told_what_is_missing(cut, tmp_path, keys):
    old = cut.manifest()["id"]
    lose_signatures(cut)
    cut.main["gnupghome"], home = public_half(tmp_path, keys.operator), cut.main["gnupghome"]
    done = cut.call("verify", "--repair", "--json", status=4)
    damaged = done.named("damaged")
    assert any("secret half of signing_key" in event["message"] for event in damaged)
    for event in damaged:
        if event.get("path") == SIGNATURE:
            assert "only the operator's key can sign it again" in event["way_out"]
    assert cut.manifest()["id"] == old
    cut.main["gnupghome"] = home
    cut.call("verify", "--repair")
    assert cut.manifest()["id"] != old
    cut.call("verify")


def signature_of_record(site):
    return site.store / "snapshots" / TREE / f"{site.manifest()['id']}.json.asc"


def test_the_signature_of_a_snapshot_itself_is_made_again(cut):
    kept = signature_of_record(cut)
    name = cut.manifest()["id"]
    kept.write_bytes(kept.read_bytes().replace(b"a", b"b"))
    [damage, *_] = cut.call("verify", "--json", status=4).named("damaged")
    assert damage["path"] == "SNAPSHOT.json.asc"
    assert name in damage["message"]
    assert "verify --repair" in damage["way_out"]
    cut.call("verify", "--repair")
    assert cut.manifest()["id"] == name
    cut.call("verify")
    shown = cut.public / "vetted" / TREE / "SNAPSHOT.json.asc"
    assert shown.read_bytes() == kept.read_bytes()


def test_a_rotten_signature_never_takes_the_place_of_the_published_one(cut, tmp_path, keys):
    shown = cut.public / "vetted" / TREE / "SNAPSHOT.json.asc"
    good = shown.read_bytes()
    signature_of_record(cut).write_bytes(b"rotten")
    cut.main["gnupghome"] = public_half(tmp_path, keys.operator)
    [damage] = cut.call("verify", "--repair", "--json", status=4).named("damaged")
    assert damage["path"] == "SNAPSHOT.json.asc"
    assert shown.read_bytes() == good


def test_what_somebody_rolled_back_from_does_not_come_back_by_its_successor(cut):
    """Canary shows it still; nobody took that away."""
    cut.trees["channel/canary"] = {"policy": "default"}
    cut.trees["channel/vetted"] = {"follows": "canary"}
    cut.later(1.1)
    old = cut.manifest()["id"]
    assert cut.manifest("canary")["id"] == old
    cut.call("rollback", TREE)
    back = cut.manifest()["id"]
    assert back != old
    lose_signatures(cut, "canary")
    # Both have repositories of one cut.
    successors = dict(replaced(cut.call("verify", "--repair", "--json")))
    assert cut.manifest("canary")["id"] == successors[old]
    held = cut.later(1.2).named("held")
    assert [(e["channel"], e["snapshot"]) for e in held] == [("vetted", successors[old])]
    assert cut.manifest()["id"] == successors.get(back, back)


@pytest.mark.full
def test_a_rollback_leads_to_the_successor_of_what_was_shown_then(cut):
    old = cut.manifest()["id"]
    lost = own(cut)
    cut.later(9)
    assert cut.manifest()["id"] != old
    time.sleep(1.1)
    for files in lost.values():
        rot(cut, files[SIGNATURE])
    [(before, successor)] = replaced(cut.call("verify", "--repair", "--json"))
    assert before == old
    assert repairs(cut) == [(None, old, successor)]
    cut.call("rollback", TREE)
    assert cut.manifest()["id"] == successor
    cut.call("verify")
    age_generations(cut.public)
    cut.call("rollback", TREE)
    cut.call("prune", "--keep", "9")
    assert old not in kept(cut)
    assert successor in kept(cut)


def test_a_repair_that_is_cut_short_goes_on_with_the_same_successor(cut, monkeypatch):
    old = cut.manifest()["id"]
    lose_signatures(cut)
    repair = ["-c", str(cut.conf), "verify", "--repair"]
    cut.write_conf()
    before = kept(cut)

    def killed(*_arguments, **_more):
        raise MemoryError

    with monkeypatch.context() as context:
        context.setattr("tuxmirror.usecases.successor.publish", killed)
        assert cli.main(repair) == 70
    assert cut.manifest()["id"] == old
    [made] = kept(cut) - before
    time.sleep(1.1)
    assert cli.main(repair) == 0
    assert cut.manifest()["id"] == made


@pytest.mark.parametrize(
    "mutant", ["tuxmirror.usecases.successor.replace_unsigned", "tuxmirror.usecases.recut.mend"]
)
def test_without_its_parts_a_repair_would_leave_damage(cut, monkeypatch, mutant):
    """Mutants: nothing is signed anew, nothing is cut anew."""
    lost = {path: sha for files in own(cut).values() for path, sha in files.items()}
    for path, sha in lost.items():
        if (path == SIGNATURE) == ("successor" in mutant):
            rot(cut, sha)
    cut.write_conf()
    repair = ["-c", str(cut.conf), "verify", "--repair"]
    with monkeypatch.context() as context:
        context.setattr(mutant, lambda *_: [])
        assert cli.main(repair) == 4
    assert cli.main(repair) == 0


def test_our_own_packages_are_signed_anew_as_well(tmp_path, keys, tuxcare_rpms):
    tree = "tuxcare/9.2/esu"
    site = MirrorSite(tmp_path / "mirror")
    site.root.mkdir()
    site.main["signing_key"] = keys.operator.fingerprint
    site.main["gnupghome"] = keys.operator.homedir
    site.add_local(tree, keys.tuxcare, tuxcare_rpms / "esu" / "x86_64")
    assert site.sync().status == 0
    before = site.view()
    [signature] = (site.public / "vetted" / tree).resolve().rglob("repomd.xml.asc")
    time.sleep(1.1)
    signature.write_bytes(b"rotten")
    assert site.run("verify", "--repair").status == 0
    assert site.run("verify").status == 0
    after = site.view()
    changed = {path for path in before if before[path] != after.get(path)}
    assert {path.rpartition("/")[2] for path in changed} == {
        "repomd.xml.asc",
        "SNAPSHOT.json",
        "SNAPSHOT.json.asc",
    }
    done = site.sync("--json")
    assert done.status == 0
    assert done.named("unchanged")
