"""`tuxmirror export` and `import`: the same snapshot on a site without a network, or nothing."""

import shutil
from pathlib import Path

import pytest

from tests.support.bundles import ESU, alter, call, shown
from tests.support.mirror import IMPATIENT, TREE, difference, run
from tests.support.rpms import RpmSpec, build_rpms

pytest_plugins = ("tests.support.mirror_fixtures", "tests.support.bundle_fixtures")

# What others show already takes its time: `./dev test --full`.
FULL = pytest.mark.full


def content(site, channel="vetted"):
    """What customers see, without what says when it was made."""
    return {
        path: digest
        for path, digest in site.view(channel).items()
        if not path.endswith(("TIME", "SNAPSHOT.json", "SNAPSHOT.json.asc"))
        and "RPM-GPG-KEY-tuxmirror" not in path
    }  # fmt: skip


@pytest.mark.parametrize(
    "form",
    [pytest.param("bundle", marks=FULL), pytest.param("bundle.tar", marks=FULL), "parts.tar"],
)
def test_the_other_site_shows_the_same_snapshots(home, far, tmp_path, form):
    split = ["--split", "20k"] if form == "parts.tar" else []
    call(home, "export", "-o", str(tmp_path / form), *split)
    if split:
        assert len(list(tmp_path.glob("parts.tar.*"))) > 3
    done = call(far, "import", str(tmp_path / form))
    assert "its signature holds" in done.stdout
    assert [shown(far, tree) for tree in (TREE, ESU)] == [shown(home, t) for t in (TREE, ESU)]
    assert content(far) == content(home), difference(content(home), content(far))
    assert call(far, "verify").status == 0
    assert "last import" in call(far, "status").stdout
    again = call(far, "import", str(tmp_path / form), "--json")
    assert len(again.named("unchanged")) == 2
    assert not list((far.store / "incoming").rglob("bundle/*"))


def test_what_was_lost_comes_with_the_same_bundle_again(far, home_master):
    """There is no upstream to ask."""
    bundle = str(home_master.bundle)
    assert call(far, "import", bundle).status == 0
    [package] = (far.public / "vetted" / TREE).resolve().rglob("alpha-*.rpm")
    good = package.read_bytes()
    package.write_bytes(b"rotten")
    far.limits = IMPATIENT
    refused = call(far, "verify", "--repair", "--json", status=4)
    ways = {event["way_out"] for event in refused.named("damaged") if "repository" in event}
    assert any("import the bundle" in way for way in ways), ways
    assert call(far, "import", bundle).status == 0
    call(far, "verify", "--repair")
    call(far, "verify")
    [package] = (far.public / "vetted" / TREE).resolve().rglob("alpha-*.rpm")
    assert package.read_bytes() == good


def grow(home, tiny_upstream, name):
    tiny_upstream.add("BaseOS", "x86_64", [RpmSpec(name, size=9000)])
    tiny_upstream.publish()
    assert home.sync().status == 0


def test_since_a_snapshot_it_is_small_and_needs_that_one(home, far, tiny_upstream, tmp_path):
    first = shown(home)
    call(home, "export", TREE, "-o", str(tmp_path / "whole.tar"))
    grow(home, tiny_upstream, "delta")
    grow(home, tiny_upstream, "omega")
    done = call(home, "export", TREE, "--since", first, "-o", str(tmp_path / "more.tar"), "--json")
    [made] = done.named("exporting")
    assert made["trees"] == [{"tree": TREE, "snapshot": shown(home), "since": first}]
    assert (tmp_path / "more.tar").stat().st_size < made["bytes"] + 512 * 2 * 20 + 10000
    assert made["contents"] < 12
    with far.harmless():
        error = call(far, "import", str(tmp_path / "more.tar"), "--json", status=5).error
    assert first in error["message"]
    assert "export" in error["way_out"]
    call(far, "import", str(tmp_path / "whole.tar"))
    assert shown(far) == first
    call(far, "import", str(tmp_path / "more.tar"))
    assert shown(far) == shown(home)
    with far.harmless():
        error = call(far, "import", str(tmp_path / "whole.tar"), "--json", status=5).error
    assert error["error"] == "rollback"
    call(far, "import", str(tmp_path / "whole.tar"), "--allow-rollback")
    assert shown(far) == first
    call(home, "export", TREE, "--since", shown(home), "-o", str(tmp_path / "none.tar"))
    assert not (tmp_path / "none.tar").exists()


@pytest.fixture
def directory(home_master, tmp_path):
    return Path(shutil.copytree(home_master.bundle, tmp_path / "bundle"))


def contents(directory):
    return sorted(directory.glob("contents/*/*"), key=lambda path: path.stat().st_size)


@pytest.mark.parametrize(
    ("how", "status"),
    [
        (lambda d: alter(d / "BUNDLE.json"), 4),
        (lambda d: (d / "BUNDLE.json.asc").unlink(), 4),
        (lambda d: alter(contents(d)[-1]), 4),
        (lambda d: contents(d)[0].unlink(), 4),
        pytest.param(lambda d: alter(d / "BUNDLE.json.asc"), 4, marks=FULL),
        pytest.param(lambda d: (d / "BUNDLE.json").unlink(), 4, marks=FULL),
        pytest.param(lambda d: alter(contents(d)[0]), 4, marks=FULL),
        pytest.param(lambda d: alter(contents(d)[len(contents(d)) // 2]), 4, marks=FULL),
        pytest.param(lambda d: contents(d)[-1].unlink(), 4, marks=FULL),
        pytest.param(lambda d: shutil.rmtree(d), 4, marks=FULL),
    ],
)
def test_what_is_altered_or_missing_changes_nothing(far, directory, how, status):
    how(directory)
    with far.harmless():
        done = call(far, "import", str(directory), status=status)
    assert "way out" in done.stderr


def test_an_altered_byte_of_a_tar_file_changes_nothing(home, far, tmp_path):
    path = tmp_path / "bundle.tar"
    call(home, "export", TREE, "-o", str(path))
    whole = path.read_bytes()
    step = len(whole) // 3
    for position in range(100, len(whole), step):
        altered = bytearray(whole)
        altered[position] ^= 0x40
        path.write_bytes(bytes(altered))
        shutil.rmtree(far.store / "incoming", ignore_errors=True)
        with far.harmless():
            call(far, "import", str(path), status=4)


def test_a_strangers_signature_does_not_count(far, directory, keys):
    far.main["bundle_keys"] = keys.almalinux.public
    with far.harmless():
        error = call(far, "import", str(directory), "--json", status=4).error
    assert keys.almalinux.fingerprint in error["expected"]
    assert "bundle_keys" in error["way_out"]
    del far.main["bundle_keys"]
    assert "bundle_keys" in call(far, "import", str(directory), status=2).stderr


def test_packages_are_verified_by_this_sites_keys(far, directory, keys):
    """The operator vouches for the bundle, and still AlmaLinux has to for the packages."""
    far.add_tree(TREE, keys.stranger, upstream="http://127.0.0.1:1/9.2")
    with far.harmless():
        error = call(far, "import", str(directory), "--json", status=4).error
    assert error["error"] == "signature"


def test_a_tree_of_other_repositories_is_no_place_for_it(far, directory, keys):
    far.trees[TREE]["arches"] = "x86_64 aarch64"
    with far.harmless():
        error = call(far, "import", str(directory), "--json", status=2).error
    assert "BaseOS/aarch64" in error["found"]
    del far.trees[TREE]
    call(far, "import", str(directory), status=2)


def test_the_directory_of_this_site_does_not_replace_what_was_imported(home, far, tmp_path):
    call(home, "export", ESU, "-o", str(tmp_path / "own"))
    call(far, "import", str(tmp_path / "own"))
    with far.harmless():
        done = call(far, "sync", ESU, status=5)
    assert "tuxmirror import" in done.stderr


def test_our_own_packages_signed_by_somebody_else_are_refused(home, far, tmp_path, keys):
    far.trees[ESU]["gpgkey"] = keys.stranger.public
    call(home, "export", ESU, "-o", str(tmp_path / "own"))
    with far.harmless():
        call(far, "import", str(tmp_path / "own"), status=4)


def test_an_export_says_what_it_lacks(home, tmp_path, keys):
    out = str(tmp_path / "out")
    call(home, "export", "-o", out, "--snapshot", "feed", status=2)
    call(home, "export", TREE, "-o", out, "--snapshot", "feed", status=2)
    call(home, "export", TREE, "-o", out, "--channel", "canary", status=2)
    call(home, "export", TREE, "-o", out, "--split", "4G", status=2)
    call(home, "export", TREE, "-o", f"{out}.tar", "--split", "many", status=2)
    call(home, "export", TREE, "-o", f"{out}/there/not.tar", status=2)
    assert "would write" in call(home, "export", "-o", out, "--dry-run").stdout
    [package] = (home.public / "vetted" / TREE).rglob("alpha-*.rpm")
    whole = package.read_bytes()
    package.write_bytes(whole[:-1] + b"!")
    assert "--repair" in call(home, "export", "-o", out, status=4).stderr
    package.write_bytes(whole)
    del home.main["signing_key"]
    assert "signing_key" in call(home, "export", "-o", out, status=2).stderr
    home.main["signing_key"] = keys.operator.fingerprint
    call(home, "export", "-o", out)
    assert "not empty" in call(home, "export", "-o", out, status=2).stderr


def test_a_dry_run_and_a_run_without_publishing(far, directory):
    with far.harmless():
        done = call(far, "import", str(directory), "--dry-run", "--json")
    [plan] = done.named("plan")
    assert plan["added"] == 3
    call(far, "import", str(directory), "--no-publish")
    assert not far.view()
    call(far, "publish", TREE)
    assert far.packages()


def test_new_packages_of_our_own_arrive_too(home, far, tmp_path, keys):
    call(home, "export", ESU, "-o", str(tmp_path / "one"))
    call(far, "import", str(tmp_path / "one"))
    base = shown(home, ESU)
    build_rpms([RpmSpec("fresh", arch="x86_64")], home.source, key=keys.tuxcare)
    assert home.sync(ESU).status == 0
    call(home, "export", ESU, "--since", base, "-o", str(tmp_path / "two"))
    call(far, "import", str(tmp_path / "two"))
    assert any("fresh" in name for name in far.packages(f"{ESU}/x86_64"))
    assert shown(far, ESU) == shown(home, ESU)


@pytest.mark.parametrize(
    ("form", "call_", "ordinal"),
    [
        ("bundle", "rename", 9),
        ("bundle.tar", "write", 20),
        pytest.param("bundle", "rename", 2, marks=FULL),
        pytest.param("bundle", "write", 20, marks=FULL),
        pytest.param("bundle.tar", "rename", 2, marks=FULL),
        pytest.param("bundle.tar", "write", 12, marks=FULL),
    ],
)
def test_a_killed_export_is_no_bundle_and_goes_on(home, far, tmp_path, form, call_, ordinal):
    from tests.support.crash import killed

    path = tmp_path / form
    far.write_conf()
    killed(home, call_, ordinal, "export", TREE, "-o", str(path))
    if run(far.command("import", str(path)), far.environment).status:
        assert not far.view()
        call(home, "export", TREE, "-o", str(path))
        call(far, "import", str(path))
    assert shown(far) == shown(home)
    assert not list(tmp_path.glob(".bundle*"))


@pytest.mark.parametrize(
    ("call_", "ordinal"),
    [
        ("rename", 12),
        ("link", 4),
        pytest.param("rename", 3, marks=FULL),
        pytest.param("symlink", 1, marks=FULL),
        pytest.param("write", 30, marks=FULL),
    ],
)
def test_a_killed_import_shows_nothing_half_and_goes_on(far, home_master, call_, ordinal):
    from tests.support.crash import damaged, killed

    killed(far, call_, ordinal, "import", str(home_master.bundle))
    before = far.view()
    assert not before or any(path.endswith("repomd.xml") for path in before)
    assert damaged(far) == []
    call(far, "import", str(home_master.bundle))
    assert shown(far) == shown(home_master)
    assert call(far, "verify").status == 0


def test_a_full_disk_stops_it_by_name_and_harms_nothing(far, home_master):
    from tests.support.crash import failed

    for call_, ordinal in (("write", 25), ("rename", 6)):
        done = failed(far, call_, ordinal, "ENOSPC", "import", str(home_master.bundle))
        assert done.status in (0, 6), done
        assert not done.status or "No space left" in done.stderr
    call(far, "import", str(home_master.bundle))
    assert shown(far) == shown(home_master)
