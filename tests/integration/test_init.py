"""`tuxmirror init`: what it writes is read by the program, and works."""

import json
import os
import pty
import subprocess
import sys

import pytest

from tests.support.mirror import MirrorSite, run
from tuxmirror.core import config, newconfig
from tuxmirror.core.errors import ConfigError
from tuxmirror.core.newconfig import Wishes

pytest_plugins = ("tests.support.mirror_fixtures",)


@pytest.mark.parametrize(
    ("release", "repos"),
    [
        ("8.10", "BaseOS AppStream PowerTools extras"),
        ("9.2", "BaseOS AppStream CRB extras"),
        ("9", "BaseOS AppStream CRB extras"),
        ("10.1", "BaseOS AppStream CRB extras"),
    ],
)
@pytest.mark.parametrize("arches", [("x86_64",), ("aarch64", "ppc64le")])
def test_what_is_written_is_what_was_asked_for(release, repos, arches):
    wishes = Wishes(release, arches, own=("base", "esu", "fips"))
    read = config.parse(newconfig.render(wishes))
    tree = read.tree(f"almalinux/{release}")
    assert (tree.repos, tree.arches) == (tuple(repos.split()), arches)
    assert tree.upstream[0] == f"https://repo.almalinux.org/almalinux/{release}"
    assert ("vault" in str(tree.upstream)) == ("." in release)
    major = release.partition(".")[0]
    assert any(path.name.endswith(f"AlmaLinux-{major}") for path in tree.gpgkey)
    assert len(tree.fingerprints) == (2 if major == "8" else 1)
    assert read.tree(f"tuxcare/{release}/base").latest == "tuxcare-release"
    assert {t.type for n, t in read.trees.items() if n.startswith("tuxcare")} == {"local"}


def test_images_and_installation_trees_stand_in_it():
    pin = "a" * 64
    wishes = Wishes(
        "9.2", ("x86_64",), images=("isos", "live"), kickstart=(f"BaseOS/x86_64:{pin}",)
    )
    tree = config.parse(newconfig.render(wishes)).tree("almalinux/9.2")
    assert (tree.images, tree.kickstart) == (("isos", "live"), {"BaseOS/x86_64": pin})
    none = config.parse(newconfig.render(Wishes("9.2", ("x86_64",)))).tree("almalinux/9.2")
    assert (none.images, none.kickstart) == ((), {})


def test_x86_64_v2_is_of_10_alone():
    newconfig.render(Wishes("10.0", ("x86_64_v2",)))
    for release, arch in (("9.2", "x86_64_v2"), ("9.2", "i686"), ("7.9", "x86_64"), ("9.", "x")):
        with pytest.raises(ConfigError):
            newconfig.render(Wishes(release, (arch,)))


def init(site, *arguments, status=0, **kwargs):
    command = [sys.executable, "-m", "tuxmirror", "-c", str(site.conf), "init", *arguments]
    done = run(command, site.environment, **kwargs)
    assert done.status == status, done
    return done


@pytest.fixture
def fresh(tmp_path):
    site = MirrorSite(tmp_path / "mirror")
    site.root.mkdir()
    return site


def flags(site, upstream, keys):
    return (
        *("--release", "9.2", "--arch", "x86_64", "--repo", "BaseOS"),
        *("--store", str(site.store), "--public", str(site.public)),
        *("--upstream", f"{upstream.url}/9.2", "--key", str(keys.almalinux.public)),
    )


@pytest.mark.parametrize("pin", [False, True])
def test_the_first_sync_works(fresh, upstream, tiny_upstream, keys, pin):
    if pin:
        tiny_upstream.publish(unsigned=True)
    done = init(fresh, *flags(fresh, upstream, keys), *(["--pin"] if pin else []))
    assert f"wrote {fresh.conf}" in done.stdout
    assert "not there yet" not in done.stdout
    done = run(fresh.command("sync"), fresh.environment)
    assert done.status == 0, done
    assert len(fresh.packages()) == 3
    shown = run(fresh.command("status"), fresh.environment).stdout
    assert ("pinned by SHA-256" in shown) == pin


def test_nothing_is_overwritten(fresh, upstream, keys):
    fresh.conf.write_text("; mine\n")
    done = init(fresh, *flags(fresh, upstream, keys), status=2)
    assert "never overwritten" in done.stderr
    assert fresh.conf.read_text() == "; mine\n"
    other = fresh.root / "etc" / "other.conf"
    done = init(fresh, *flags(fresh, upstream, keys), "--output", str(other), "--json")
    assert json.loads(done.stdout)["trees"] == ["almalinux/9.2"]
    assert other.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in other.parent.iterdir()] == ["other.conf"]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ((), 2, "--release"),
        (("--release", "9.2", "--arch", "m68k"), 2, "x86_64, aarch64"),
        (("--release", "nine"), 2, "one such as 9.2"),
        (("--release", "9.2", "--arch", "x86_64", "--upstream", "ftp://x"), 2, "http"),
        (("--release", "9.2", "--arch", "x86_64", "--repo", "../x"), 2, "cannot be the name"),
        (("--release", "9.2", "--arch", "x86_64", "--images", "iso"), 2, "isos"),
        (("--release", "9.2", "--arch", "x86_64", "--kickstart", "BaseOS"), 2, "REPO/ARCH:SHA256"),
        (
            ("--release", "9.2", "--arch", "x86_64", "--pin", "--upstream", "http://127.0.0.1:1"),
            3,
            "127.0.0.1",
        ),
    ],
)
def test_what_makes_no_configuration_writes_none(fresh, arguments, status, words):
    done = init(fresh, *arguments, status=status)
    assert words in done.stderr
    assert list(fresh.root.iterdir()) == []


def test_missing_keys_are_named_with_their_source(fresh):
    done = init(fresh, "--release", "9.2", "--arch", "x86_64", "--esu")
    assert "https://repo.almalinux.org/almalinux/RPM-GPG-KEY-AlmaLinux-9" in done.stdout
    assert "https://repo.tuxcare.com/tuxcare/RPM-GPG-KEY-TuxCare" in done.stdout


def test_on_a_terminal_it_asks(fresh):
    """Five questions, two of them answered."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "tuxmirror", "-c", str(fresh.conf), "init"]
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=fresh.environment,
        text=True,
    )
    os.close(theirs)
    os.write(ours, f"9.6\nx86_64 aarch64\n{fresh.store}\n\nyes\n".encode())
    stdout, stderr = process.communicate(timeout=120)
    os.close(ours)
    assert process.returncode == 0, stderr
    assert "Which release" in stderr
    read = config.parse(fresh.conf.read_text())
    assert read.store == fresh.store
    assert read.tree("almalinux/9.6").arches == ("x86_64", "aarch64")
    assert "tuxcare/9.6/esu" in read.trees
    assert "next: tuxmirror" in stdout
