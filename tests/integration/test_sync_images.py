"""Installation trees and images: fetched, verified, published, repaired and carried as packages
are; one that lies is refused and changes nothing."""

import hashlib
import json
import time

import pytest

from tests.integration.test_sync_s3 import in_bucket
from tests.support.bundles import call
from tests.support.images import INSTALLER, add_images, add_kickstart, checksum_list, treeinfo
from tests.support.mirror import TREE, MirrorSite, age_generations
from tests.support.mirror import run as run_anew
from tests.support.rpms import RpmSpec

pytest_plugins = ("tests.support.mirror_fixtures",)

KICKSTART = f"{TREE}/BaseOS/x86_64/kickstart"
ISOS = {
    "AlmaLinux-9.2-x86_64-boot.iso": b"boot" * 30_000,
    "AlmaLinux-9.2-x86_64-dvd.iso": b"dvd" * 50_000,
}


IMAGES_CAN = ("added", "removed", "changed")


@pytest.fixture
def image_site(site, tiny_upstream):
    site.trees[TREE]["kickstart"] = add_kickstart(tiny_upstream, "BaseOS")
    site.trees[TREE]["images"] = "isos"
    site.folder = add_images(tiny_upstream, "isos", ISOS)
    return site


def served(site, path):
    return site.public / "vetted" / path


def refused(site, status, *words):
    run = site.sync("--json")
    assert run.status == status, run
    for word in words:
        assert word in json.dumps(run.error), (word, run.error)
    return run.error


def test_they_lie_where_installers_look_for_them(image_site, upstream, tiny_upstream):
    site = image_site
    plan = site.sync("--dry-run", "--json")
    assert plan.named("plan")[0]["images"] == len(INSTALLER) + len(ISOS)
    assert "3 packages and 6 images" in site.sync("--dry-run").stdout
    done = site.sync("--json")
    assert done.status == 0, done
    assert [event["images"] for event in done.named("fetching") if "images" in event] == [6]
    os_dir = tiny_upstream.os_dir("BaseOS", "x86_64")
    for path in (*INSTALLER, ".treeinfo", "repodata/repomd.xml", "repodata/repomd.xml.asc"):
        expected = os_dir.with_name("kickstart").joinpath(path).read_bytes()
        assert served(site, f"{KICKSTART}/{path}").read_bytes() == expected
    assert list(served(site, KICKSTART).rglob("*.rpm"))
    for name, data in ISOS.items():
        assert served(site, f"{TREE}/isos/x86_64/{name}").read_bytes() == data
    signed = served(site, f"{TREE}/isos/x86_64/CHECKSUM").read_bytes()
    assert signed == (site.folder / "CHECKSUM").read_bytes()

    snapshot = json.loads(served(site, f"{TREE}/SNAPSHOT.json").read_text())
    found = snapshot["repositories"]["isos/x86_64"]
    assert found["signed_by"] == tiny_upstream.key.fingerprint
    assert found["bytes"] == sum(map(len, ISOS.values()))

    # One list a folder is asked for, and nothing else of it.
    upstream.reset()
    assert site.sync("--json").named("unchanged")
    assert upstream.paths("*isos*") == ["/9.2/isos/x86_64/CHECKSUM"]
    assert upstream.paths("*treeinfo") == []


def test_a_new_image_comes_with_its_list_and_the_rest_stays(image_site, upstream, tiny_upstream):
    site = image_site
    assert site.sync().status == 0
    add_images(tiny_upstream, "isos", {**ISOS, "AlmaLinux-9.2-x86_64-minimal.iso": b"min" * 9000})
    upstream.reset()
    assert site.sync().status == 0
    assert upstream.paths("*.iso") == ["/9.2/isos/x86_64/AlmaLinux-9.2-x86_64-minimal.iso"]
    assert served(site, f"{TREE}/isos/x86_64/AlmaLinux-9.2-x86_64-minimal.iso").exists()


def test_diff_tells_them_too(image_site, tiny_upstream):
    site = image_site
    assert site.sync().status == 0
    minimal, boot, dvd = (f"AlmaLinux-9.2-x86_64-{n}.iso" for n in ("minimal", "boot", "dvd"))
    add_images(tiny_upstream, "isos", {boot: b"again" * 300, minimal: b"min" * 9000})
    tiny_upstream.add("BaseOS", "x86_64", [RpmSpec("fresh")])
    tiny_upstream.publish(timestamp=tiny_upstream.timestamp + 60)
    [made] = site.sync("--no-publish", "--json").named("snapshot")
    arguments = ("diff", TREE, "vetted", made["snapshot"])
    found = json.loads(call(site, *arguments, "--json").stdout)
    told = {how: [i["path"] for i in found[f"images_{how}"]] for how in IMAGES_CAN}
    assert told == {"added": [minimal], "removed": [dvd], "changed": [boot]}
    assert found["image_bytes_added"] == 300 * 5 + 9000 * 3
    assert [entry["nevra"] for entry in found["added"]] == ["fresh-1.0-1.el9.x86_64"]
    assert found["changed"] == []
    text = call(site, *arguments).stdout
    assert f"  * {boot}  (isos/x86_64)" in text
    assert "images: 1 added, 1 removed, 1 changed, +28.5 kB" in text
    same = json.loads(call(site, "diff", TREE, "vetted", "vetted", "--json").stdout)
    assert not any(same[f"images_{how}"] for how in IMAGES_CAN)


def test_what_came_of_a_broken_transfer_is_not_fetched_again(image_site, upstream):
    site = image_site
    site.limits = {"attempts": 1, "backoff": 0.01}
    upstream.fault("*dvd.iso", "cut", after=60_000)
    refused(site, 3, "dvd.iso")
    upstream.heal()
    upstream.reset()
    assert site.sync().status == 0
    [dvd] = [r for r in upstream.requests if r.path.endswith("dvd.iso")]
    ranges = {k.lower(): v for k, v in dvd.headers.items()}.get("range")
    assert ranges and ranges != "bytes=0-"
    assert upstream.paths("*boot.iso") == []


@pytest.mark.parametrize("sizes", [True, pytest.param(False, marks=pytest.mark.full)])
def test_other_bytes_than_the_list_says_are_refused(image_site, tiny_upstream, sizes):
    site = image_site
    assert site.sync().status == 0
    newer = {"AlmaLinux-9.2-x86_64-boot.iso": b"newer" * 1000}
    folder = add_images(tiny_upstream, "isos", newer, text=checksum_list(newer, sizes))
    (folder / "AlmaLinux-9.2-x86_64-boot.iso").write_bytes(b"wrong" * 1000)
    before = site.view()
    refused(site, 4, "boot.iso", "isos/x86_64", hashlib.sha256(b"newer" * 1000).hexdigest())
    assert site.view() == before


def test_a_list_that_nobody_vouches_for_is_refused(image_site, tiny_upstream, keys):
    site = image_site
    assert site.sync().status == 0
    before = site.view()
    more = {**ISOS, "evil.iso": b"evil"}
    good = add_images(tiny_upstream, "isos", ISOS) / "CHECKSUM"
    honest = good.read_bytes()

    add_images(tiny_upstream, "isos", more, signed_by=keys.stranger)
    refused(site, 4, "CHECKSUM", "isos/x86_64")
    for text in (
        checksum_list(more).encode(),
        checksum_list(more).encode() + honest,
        honest + checksum_list(more).encode(),
        honest + honest,
        honest.replace(b"boot.iso", b"evil.iso"),
        honest.replace(b"Hash: SHA256\n\n", b"Hash: SHA256\n\n" + checksum_list(more).encode()),
    ):
        good.write_bytes(text)
        error = refused(site, 4, "CHECKSUM", "isos/x86_64")
        assert "nothing was published" in error["way_out"]
    assert site.view() == before


def test_an_older_list_is_refused(image_site, tiny_upstream):
    site = image_site
    older = (site.folder / "CHECKSUM").read_bytes()
    # What a signature says of its time are whole seconds.
    time.sleep(1.1)
    newer = {**ISOS, "AlmaLinux-9.2-x86_64-minimal.iso": b"min" * 9000}
    add_images(tiny_upstream, "isos", newer)
    assert site.sync().status == 0
    (site.folder / "CHECKSUM").write_bytes(older)
    refused(site, 5, "older", "--allow-rollback", "isos/x86_64")
    assert site.sync("--allow-rollback").status == 0


def test_a_treeinfo_that_is_not_the_pinned_one_is_refused(image_site, tiny_upstream):
    site = image_site
    pin = site.trees[TREE]["kickstart"].partition(":")[2]
    lies = {**INSTALLER, "images/install.img": b"evil"}
    add_kickstart(tiny_upstream, "BaseOS", lies)
    error = refused(site, 4, ".treeinfo", pin, "BaseOS/x86_64/kickstart")
    assert "kickstart =" in error["way_out"]
    assert not served(site, TREE).exists()


def test_a_pinned_treeinfo_that_lies_is_refused(image_site, tiny_upstream):
    """The operator pinned it, and it is still held against what is there."""
    site = image_site
    options = site.trees[TREE]
    options["kickstart"] = add_kickstart(tiny_upstream, "BaseOS")
    place = tiny_upstream.os_dir("BaseOS", "x86_64").with_name("kickstart")
    (place / "images/install.img").write_bytes(b"evil" * 3)
    refused(site, 4, "images/install.img", "BaseOS/x86_64/kickstart")

    wrong = treeinfo(INSTALLER, repomd=b"another repomd.xml")
    options["kickstart"] = add_kickstart(tiny_upstream, "BaseOS", info=wrong)
    refused(site, 4, "repomd.xml is not the one", "kickstart")

    unlisted = treeinfo({k: v for k, v in INSTALLER.items() if "install" not in k})
    options["kickstart"] = add_kickstart(tiny_upstream, "BaseOS", info=unlisted)
    refused(site, 4, "without a digest", "images/install.img")
    assert not served(site, TREE).exists()

    options["kickstart"] = add_kickstart(tiny_upstream, "BaseOS", vouch=False)
    assert site.sync().status == 0


def test_who_vouches_for_the_packages_of_an_installation_tree(image_site, tiny_upstream):
    site = image_site
    place = tiny_upstream.os_dir("BaseOS", "x86_64").with_name("kickstart")
    options = site.trees[TREE]
    options["kickstart"] = add_kickstart(tiny_upstream, "BaseOS", vouch=False)
    (place / "repodata/repomd.xml.asc").unlink()
    refused(site, 4, "no usable signature", "kickstart")
    # Older than upstream's signatures of metadata: the pinned .treeinfo has its digest.
    options["kickstart"] = add_kickstart(tiny_upstream, "BaseOS")
    (place / "repodata/repomd.xml.asc").unlink()
    assert site.sync().status == 0
    snapshot = json.loads(served(site, f"{TREE}/SNAPSHOT.json").read_text())
    assert snapshot["repositories"]["BaseOS/x86_64/kickstart"]["signed_by"] == "pinned"
    assert call(site, "verify").status == 0
    # Packages are verified by their own signatures all the same.
    options["kickstart"] = options["kickstart"].partition(":")[0] + ":" + "0" * 64
    told = call(site, "verify", "--json", status=4)
    assert ".treeinfo is not the pinned one" in told.stdout


def test_damage_is_found_and_mended(image_site):
    site = image_site
    assert site.sync().status == 0
    before = site.view()
    iso, stage2 = next(iter(ISOS.values())), INSTALLER["images/install.img"]
    for data in (iso, stage2):
        sha = hashlib.sha256(data).hexdigest()
        path = site.store / "pool" / sha[:2] / sha
        path.unlink()
        path.write_bytes(b"damaged")
    found = call(site, "verify", "--json", status=4)
    assert "boot.iso" in found.stdout
    assert "images/install.img" in found.stdout
    assert call(site, "verify", "--repair").status == 0
    assert call(site, "verify").status == 0
    assert site.view() == before


@pytest.mark.full
def test_prune_keeps_what_is_shown_and_gives_up_the_rest(image_site, tiny_upstream):
    site = image_site
    site.main["grace"] = "0s"
    dvd = "AlmaLinux-9.2-x86_64-dvd.iso"
    gone = hashlib.sha256(ISOS[dvd]).hexdigest()
    assert site.sync().status == 0
    add_images(tiny_upstream, "isos", {k: v for k, v in ISOS.items() if k != dvd})
    call(site, "prune", "--keep", "1")
    assert served(site, f"{TREE}/isos/x86_64/{dvd}").read_bytes() == ISOS[dvd]
    assert site.sync().status == 0
    call(site, "rollback", TREE)
    assert served(site, f"{TREE}/isos/x86_64/{dvd}").read_bytes() == ISOS[dvd]
    call(site, "publish", TREE, "--snapshot", "candidate")
    assert not served(site, f"{TREE}/isos/x86_64/{dvd}").exists()
    # Nobody is in an older generation any more.
    age_generations(site.public)
    for number in range(4):
        tiny_upstream.add("BaseOS", "x86_64", [RpmSpec("fresh", version=f"1.{number}")])
        tiny_upstream.publish(timestamp=tiny_upstream.timestamp + 60)
        assert site.sync().status == 0
        age_generations(site.public)
    call(site, "prune", "--keep", "1")
    assert not (site.store / "pool" / gone[:2] / gone).exists()
    assert call(site, "verify").status == 0


@pytest.mark.full
def test_a_policy_passes_them_whole(image_site, tiny_upstream, keys):
    site = image_site
    site.main["signing_key"] = keys.operator.fingerprint
    site.main["gnupghome"] = keys.operator.homedir
    site.trees[TREE]["policy"] = "strict"
    site.trees["policy/strict"] = {"exclude": "gamma"}
    assert site.sync().status == 0
    assert call(site, "plan", TREE).status == 0
    names = [p.name for p in served(site, f"{TREE}/BaseOS/x86_64/os").rglob("*.rpm")]
    assert not [name for name in names if name.startswith("gamma-")]
    assert [p.name for p in served(site, KICKSTART).rglob("gamma-*.rpm")]
    assert served(site, f"{TREE}/isos/x86_64/CHECKSUM").exists()
    assert call(site, "verify").status == 0


def test_a_bundle_carries_them(image_site, tmp_path, keys):
    site = image_site
    site.main["signing_key"] = keys.operator.fingerprint
    site.main["gnupghome"] = keys.operator.homedir
    assert site.sync().status == 0
    call(site, "export", TREE, "-o", str(tmp_path / "b.tar"))
    far = MirrorSite(tmp_path / "far")
    far.root.mkdir()
    far.main["bundle_keys"] = keys.operator.public
    options = dict(site.trees[TREE], upstream="http://127.0.0.1:1/9.2")
    far.add_tree(TREE, keys.almalinux, **options)
    call(far, "import", str(tmp_path / "b.tar"))
    for path in (f"{KICKSTART}/images/install.img", f"{TREE}/isos/x86_64/CHECKSUM"):
        assert served(far, path).read_bytes() == served(site, path).read_bytes()
    assert call(far, "verify").status == 0
    assert call(far, "import", str(tmp_path / "b.tar"), "--json").named("unchanged")

    far.trees[TREE]["kickstart"] = "BaseOS/x86_64:" + "0" * 64
    strict = MirrorSite(tmp_path / "strict", main=dict(far.main), trees=far.trees)
    strict.root.mkdir()
    assert (
        ".treeinfo is not the pinned one"
        in call(strict, "import", str(tmp_path / "b.tar"), status=4).stderr
    )


@pytest.mark.full
def test_memory_does_not_grow_with_an_image(image_site, tiny_upstream):
    site = image_site
    site.runner = run_anew
    small = site.sync()
    assert small.status == 0
    place = add_images(tiny_upstream, "isos", ISOS)
    size = 300 << 20
    sha = hashlib.sha256()
    with (place / "large.iso").open("wb") as file:
        for number in range(size >> 20):
            chunk = number.to_bytes(4, "big") * (1 << 18)
            file.write(chunk)
            sha.update(chunk)
    text = (
        checksum_list(ISOS) + f"# large.iso: {size} bytes\nSHA256 (large.iso) = {sha.hexdigest()}\n"
    )
    (place / "CHECKSUM").write_bytes(tiny_upstream.key.sign_clear(text))
    run = site.sync(timeout=200)
    assert run.status == 0, run
    assert run.max_rss < small.max_rss + (40 << 20)


@pytest.mark.full
def test_they_lie_in_a_bucket_as_well(image_site, s3_service, tiny_upstream):
    site = in_bucket(image_site, s3_service)
    assert site.sync().status == 0
    shown = site.place.shown("vetted")
    for name, data in ISOS.items():
        assert shown[f"{TREE}/isos/x86_64/{name}"] == hashlib.sha256(data).hexdigest()
    assert f"{KICKSTART}/.treeinfo" in shown
    assert site.sync("--json").named("unchanged")
    tiny_upstream.add("BaseOS", "x86_64", [RpmSpec("fresh")])
    tiny_upstream.publish(timestamp=tiny_upstream.timestamp + 60)
    assert site.sync().status == 0
    assert site.run("verify").status == 0


@pytest.mark.full
def test_a_tree_of_images_alone(image_site, tiny_upstream):
    site = image_site
    del site.trees[TREE]["repos"], site.trees[TREE]["kickstart"]
    add_images(tiny_upstream, "cloud", {"AlmaLinux-9.2-GenericCloud.qcow2": b"disk" * 9000})
    site.trees[TREE]["images"] = "isos cloud"
    assert site.sync().status == 0
    cloud = served(site, f"{TREE}/cloud/x86_64/images/AlmaLinux-9.2-GenericCloud.qcow2")
    assert cloud.read_bytes() == b"disk" * 9000
    assert call(site, "verify").status == 0
    assert call(site, "snapshot", "list", TREE).status == 0
    assert call(site, "diff", TREE, "vetted", "candidate").status == 0
