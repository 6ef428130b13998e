"""`latest`: a package of a base tree under a name that stays, switched with its tree."""

import json

import pytest

from tests.support.mirror import MirrorSite, run, sha256
from tests.support.rpms import RpmSpec, build_rpms

BASE = "tuxcare/9.2/base"
RELEASE = RpmSpec("tuxcare-release", version="9.2", release="1", arch="noarch")
FIXED = "tuxcare/tuxcare-release-latest-9.2.x86_64.rpm"


@pytest.fixture
def based(tmp_path, keys):
    site = MirrorSite(tmp_path / "mirror")
    site.root.mkdir()
    site.base = tmp_path / "base"
    site.base.mkdir()
    build_rpms([RELEASE], site.base, key=keys.tuxcare)
    site.add_local(BASE, keys.tuxcare, site.base, latest="tuxcare-release")
    assert site.sync().status == 0
    return site


def add(based, keys, *releases):
    specs = [RELEASE.but(release=release) for release in releases]
    return build_rpms(specs, based.base, key=keys.tuxcare)


def fixed(site, channel="vetted", name=FIXED):
    return sha256(site.public / channel / name)


def call(site, *arguments, status=0):
    site.write_conf()
    done = run(site.command(*arguments), site.environment)
    assert done.status == status, done
    return done


def test_it_follows_the_channel_forth_and_back(based, keys):
    first = fixed(based)
    assert fixed(based, name="tuxcare/tuxcare-release-latest-9.2.noarch.rpm") == first
    newest, *_ = add(based, keys, "10", "9")
    assert based.sync().status == 0
    assert fixed(based) == sha256(newest)
    call(based, "rollback", BASE)
    assert fixed(based) == first
    assert fixed(based, "candidate") == sha256(newest)
    call(based, "verify")


def test_an_unchanged_tree_is_published_once(based):
    before = based.fingerprint()
    assert based.sync("--json").named("unchanged")
    assert based.fingerprint() == before


def test_what_is_switched_on_later_shows_without_a_new_package(based):
    del based.trees[BASE]["latest"]
    assert based.sync().status == 0
    assert not (based.public / "vetted" / FIXED).exists()
    based.trees[BASE]["latest"] = "tuxcare-release"
    assert based.sync().status == 0
    assert (based.public / "vetted" / FIXED).exists()


def test_a_tree_without_that_package_is_not_published(based, keys):
    before = based.fingerprint()
    for path in based.base.glob("*.rpm"):
        path.unlink()
    build_rpms([RpmSpec("other", arch="noarch")], based.base, key=keys.tuxcare)
    error = based.sync("--json").error
    assert error["exit_status"] == 5
    assert error["found"] == "other"
    assert {p: k for p, k in based.fingerprint().items() if p.startswith("vetted")} == {
        p: k for p, k in before.items() if p.startswith("vetted")
    }
    assert fixed(based)


def test_a_package_of_one_arch_has_no_twin_for_all(tmp_path, keys, based):
    for path in based.base.glob("*.rpm"):
        path.unlink()
    build_rpms([RELEASE.but(arch="x86_64", release="3")], based.base, key=keys.tuxcare)
    assert based.sync().status == 0
    names = sorted(path.name for path in (based.public / "vetted/tuxcare").glob("*.rpm"))
    assert names == ["tuxcare-release-latest-9.2.x86_64.rpm"]


def test_releases_share_the_key_or_say_so(based, keys, tmp_path):
    other = tmp_path / "base6"
    other.mkdir()
    build_rpms([RELEASE.but(version="9.6")], other, key=keys.tuxcare)
    based.add_local("tuxcare/9.6/base", keys.tuxcare, other, latest="tuxcare-release")
    assert based.sync().status == 0
    shown = {path.name for path in (based.public / "vetted/tuxcare").iterdir()}
    assert {FIXED.rpartition("/")[2], "tuxcare-release-latest-9.6.x86_64.rpm"} < shown
    for number, tree in enumerate((BASE, "tuxcare/9.6/base")):
        key = tmp_path / f"keys{number}" / "RPM-GPG-KEY-TuxCare"
        key.parent.mkdir()
        key.write_bytes(keys.tuxcare.public.read_bytes() + b"\n" * number)
        based.trees[tree]["gpgkey"] = key
    error = based.sync("--json").named("error")[0]
    assert error["exit_status"] == 5
    assert "key files" in error["way_out"]


@pytest.mark.parametrize(
    ("name", "latest", "words"),
    [
        ("almalinux/9.2", "tuxcare-release", "of our own"),
        ("tuxcare/base/x", "tuxcare-release", "of one release"),
        (BASE, "Tux Care", "small letters"),
    ],
)
def test_what_could_not_be_served_is_refused(based, keys, name, latest, words):
    if name.startswith("almalinux"):
        based.add_tree(name, keys.almalinux, upstream="http://127.0.0.1:1/9.2", latest=latest)
    else:
        based.add_local(name, keys.tuxcare, based.base, latest=latest)
    done = call(based, "status", status=2)
    assert words in done.stderr


def test_an_export_brings_it_to_the_other_site(based, keys, tmp_path):
    based.main["signing_key"] = keys.operator.fingerprint
    based.main["gnupghome"] = keys.operator.homedir
    assert based.sync().status == 0
    call(based, "export", "-o", str(tmp_path / "x.tar"))
    far = MirrorSite(tmp_path / "far")
    far.root.mkdir()
    far.main["bundle_keys"] = keys.operator.public
    (tmp_path / "nothing").mkdir()
    far.add_local(BASE, keys.tuxcare, tmp_path / "nothing", latest="tuxcare-release")
    call(far, "import", str(tmp_path / "x.tar"))
    assert fixed(far) == fixed(based)
    [tree] = json.loads(call(far, "status", "--json").stdout)["trees"]
    assert tree["channels"]["vetted"]["packages"] == 1
