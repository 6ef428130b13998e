"""`tuxmirror verify`: damage is found wherever it is, and repaired from upstream, never from thin
air."""

import json
import os

import pytest

from tests.support.mirror import OS_DIR, TREE, difference, run, sha256
from tests.support.rpms import RpmSpec

pytest_plugins = ("tests.support.mirror_fixtures",)

ALPHA = f"{OS_DIR}/Packages/alpha-1.0-1.el9.x86_64.rpm"


def verify(site, *arguments, status=0):
    site.write_conf()
    done = run(site.command("verify", "--json", *arguments), site.environment)
    assert done.status == status, done
    assert done.events[-1]["event"] == "done"
    assert done.events[-1]["exit_status"] == status
    return done


def flip(path):
    """One bit, in place: in the pool and in all that is linked to it."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def pooled(site, digest):
    return site.store / "pool" / digest[:2] / digest


def record(site):
    [path] = (site.store / "snapshots" / TREE).glob("*.json")
    return json.loads(path.read_text())["repositories"]["BaseOS/x86_64"]


def test_a_sound_mirror_is_told_so_and_left_alone(synced):
    with synced.harmless():
        done = verify(synced)
    [verified] = done.named("verified")
    assert verified["damaged"] == 0
    # Three packages, their metadata, the file list and the record of what was verified.
    assert verified["files"] == 3 + 2 + len(
        list((synced.public / "vetted" / OS_DIR).glob("repodata/*"))
    )
    plain = run(synced.command("verify"), synced.environment)
    assert "as they were verified" in plain.stdout


def test_a_flipped_bit_is_found_and_named(synced):
    flip(synced.public / "vetted" / ALPHA)
    before = synced.fingerprint()
    done = verify(synced, status=4)
    places = {event["path"] for event in done.named("damaged")}
    assert "Packages/alpha-1.0-1.el9.x86_64.rpm" in places
    assert "--repair" in run(synced.command("verify"), synced.environment).stderr
    assert synced.fingerprint() == before


@pytest.mark.parametrize("name", ["Packages/alpha-*.rpm", "repodata/*-primary.xml.gz"])
@pytest.mark.parametrize("how", [flip, os.unlink])
def test_what_is_damaged_or_lost_in_the_pool_is_fetched_again(synced, name, how):
    before = synced.view()
    [path] = (synced.public / "vetted" / OS_DIR).glob(name)
    how(pooled(synced, sha256(path)))
    verify(synced, status=4)
    done = verify(synced, "--repair")
    assert done.named("repaired")
    assert synced.view() == before, difference(before, synced.view())
    assert verify(synced).named("damaged") == []


def test_everything_lost_at_once_comes_back(synced):
    before = synced.view()
    kept = record(synced)["files"]
    for path in (synced.store / "pool").glob("??/*"):
        if path.name != kept:
            flip(path)
    verify(synced, "--repair")
    assert synced.view() == before
    assert synced.sync().status == 0


def test_the_record_of_what_was_verified_is_written_again(synced):
    flip(pooled(synced, record(synced)["verified"]))
    verify(synced, status=4)
    verify(synced, "--repair")
    verify(synced)


def test_what_upstream_has_with_another_signature_is_not_taken(synced, tiny_upstream, keys):
    """The digest is what counts: another build under the same name repairs nothing."""
    path = synced.public / "vetted" / ALPHA
    digest = sha256(path)
    flip(path)
    tiny_upstream.remove("BaseOS", "x86_64", "alpha-*")
    tiny_upstream.add("BaseOS", "x86_64", [RpmSpec("alpha", size=3000)], signed_by=keys.stranger)
    done = verify(synced, "--repair", status=4)
    assert any("alpha" in event["message"] for event in done.named("warning"))
    assert not pooled(synced, digest).exists()


def test_one_that_nobody_has_stops_no_other(synced, tiny_upstream):
    for path in (synced.public / "vetted" / OS_DIR / "Packages").iterdir():
        flip(path)
    tiny_upstream.package("beta-*").unlink()
    done = verify(synced, "--repair", status=4)
    damaged = {event["path"] for event in done.named("damaged")}
    assert all("beta" in path for path in damaged), damaged
    assert {e["path"] for e in done.named("repaired") if ":" not in e["path"]} == {
        "Packages/alpha-1.0-1.el9.x86_64.rpm",
        "Packages/gamma-0.5~rc1-1.el9.noarch.rpm",
    }


def test_a_published_file_that_nothing_names_is_taken_away(synced):
    before = synced.fingerprint()
    stray = synced.public / "vetted" / OS_DIR / "Packages/evil.rpm"
    stray.write_bytes(b"evil")
    done = verify(synced, status=4)
    assert any("evil.rpm" in event["path"] for event in done.named("damaged"))
    verify(synced, "--repair")
    assert synced.fingerprint() == before


@pytest.mark.parametrize("name", [ALPHA, f"{TREE}/TIME", f"{TREE}/SNAPSHOT.json"])
def test_a_published_file_that_was_replaced_or_lost_is_put_right(synced, name):
    before = synced.view()
    path = synced.public / "vetted" / name
    path.unlink()
    verify(synced, status=4)
    path.write_bytes(b"other")
    verify(synced, status=4)
    verify(synced, "--repair")
    assert synced.view() == before


def test_a_damaged_record_is_damage(synced):
    [path] = (synced.store / "snapshots" / TREE).glob("*.json")
    path.write_text("{}")
    done = verify(synced, status=4)
    assert any("damaged snapshot" in event["message"] for event in done.named("damaged"))


def test_what_stays_for_the_grace_time_counts_too(synced, tiny_upstream):
    tiny_upstream.remove("BaseOS", "x86_64", "gamma-*")
    tiny_upstream.publish()
    assert synced.sync().status == 0
    [path] = (synced.public / "vetted" / OS_DIR).glob("Packages/gamma-*")
    flip(path)
    done = verify(synced, status=4)
    assert any("gamma" in event["path"] for event in done.named("damaged"))


def test_our_own_packages_are_repaired_from_their_directory(synced, keys, tuxcare_rpms):
    tree = "tuxcare/9.2/esu"
    source = tuxcare_rpms / "esu" / "x86_64"
    synced.add_local(tree, keys.tuxcare, source)
    assert synced.sync(tree).status == 0
    before = synced.view()
    flip(next((synced.public / "vetted" / tree).rglob("*.rpm")))
    verify(synced, tree, status=4)
    verify(synced, tree, "--repair")
    assert synced.view() == before


def test_a_repair_does_not_run_beside_a_sync(synced):
    import fcntl

    with (synced.store / "state/locks" / TREE.replace("/", "%")).open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        verify(synced, "--repair", status=7)
        verify(synced)


def add(tiny_upstream, name):
    tiny_upstream.add("BaseOS", "x86_64", [RpmSpec(name)])
    tiny_upstream.publish()


def test_what_one_may_go_back_to_is_looked_at_as_well(synced, tiny_upstream):
    synced.main["grace"] = "0s"
    gone = sha256(next((synced.public / "vetted" / OS_DIR).glob("Packages/gamma-*")))
    tiny_upstream.remove("BaseOS", "x86_64", "gamma-*")
    tiny_upstream.publish()
    assert synced.sync().status == 0
    flip(pooled(synced, gone))
    done = verify(synced, status=4)
    assert any("gamma" in event["path"] for event in done.named("damaged"))


@pytest.mark.parametrize("how", ["--from", "vault ="])
def test_what_upstream_gave_up_comes_from_another_root(synced, tiny_upstream, httpd, tmp_path, how):
    vault = tiny_upstream.copy(tmp_path / "vault")
    tiny_upstream.package("beta-*").unlink()
    flip(next((synced.public / "vetted" / OS_DIR).glob("Packages/beta-*")))
    verify(synced, "--repair", status=4)
    root = httpd(vault.root).url
    more = ["--from", f"{root}/9.2"]
    if how != "--from":
        synced.main["vault"], more = root, []
    verify(synced, "--repair", *more)
    verify(synced)


def test_where_to_repair_from_goes_with_repair(synced):
    assert "--repair" in synced_error(synced, "verify", "--from", "https://v.example.org/9.2")
    assert "expected an http" in synced_error(synced, "verify", "--repair", "--from", "vault")


def synced_error(site, *arguments):
    site.write_conf()
    done = run(site.command(*arguments), site.environment)
    assert done.status == 2, done
    return done.stderr


def test_a_signature_that_no_key_of_today_vouches_for_is_damage(synced, tiny_upstream, keys):
    synced.add_tree(TREE, keys.stranger, upstream="http://127.0.0.1:1/9.2")
    done = verify(synced, status=4)
    [damaged] = [e for e in done.named("damaged") if "repomd.xml.asc" in e["message"]]
    assert keys.stranger.fingerprint in damaged["expected"]
    assert "gpgkey" in damaged["way_out"]


def test_a_signature_of_what_is_shown_nowhere_is_a_warning(synced, tiny_upstream, keys):
    synced.main["grace"] = "0s"
    tiny_upstream.publish(signed_by=keys.almalinux, timestamp=None)
    add(tiny_upstream, "more")
    assert synced.sync().status == 0
    verify(synced)
    # A key of its own for the newer state: only the older is not vouched for any more.
    tiny_upstream.publish(signed_by=keys.operator)
    synced.trees[TREE]["gpgkey"] = f"{keys.almalinux.public} {keys.operator.public}"
    assert synced.sync().status == 0
    synced.trees[TREE]["fingerprints"] = keys.operator.fingerprint
    done = verify(synced)
    assert any("shown nowhere" in event["message"] for event in done.named("warning"))


def test_what_nothing_needs_is_told(synced):
    stray = "ab" + "0" * 62
    (synced.store / "pool/ab").mkdir(exist_ok=True)
    (synced.store / "pool/ab" / stray).write_bytes(b"12345")
    [strays] = verify(synced).named("strays")
    assert (strays["files"], strays["bytes"]) == (1, 5)
    assert "prune" in run(synced.command("verify"), synced.environment).stdout
