"""$tuxcare_token and $tuxcare_releasever in real dnf, and where a token must not go."""

from __future__ import annotations

import shutil

import pytest

from tests.support import pinlab as lab
from tests.support.pinlab import TOKEN, names

WARNING = (
    "tuxcare: this host has no token, so these repositories are left out: "
    "baseos, tuxcare-esu, tuxcare-fips; register it with 'tuxctl --license-key KEY'"
)


@pytest.fixture
def server(pinlab):
    """The content server, without faults and with nothing asked of it."""
    pinlab.host("validated")  # the first one asks it for all its metadata
    pinlab.httpd.heal()
    pinlab.httpd.reset()
    yield pinlab.httpd
    pinlab.httpd.heal()


@pytest.fixture
def open_repository(pinlab):
    """Arguments for a repository that needs no token."""
    return f"--repofrompath=open,file://{pinlab.local}/genuine"


def test_token_and_release_are_filled_in(pinlab, server):
    outcome = pinlab.host("validated").run("makecache", "--refresh")
    assert outcome.exit == 0, outcome.text
    assert set(server.paths("*repomd.xml")) == {
        f"/almalinux/9.2/{TOKEN}/BaseOS/x86_64/os/repodata/repomd.xml",
        f"/tuxcare/9.2/{TOKEN}/fips/x86_64/repodata/repomd.xml",
        f"/tuxcare/9.2/{TOKEN}/esu/x86_64/repodata/repomd.xml",
    }


def releases_asked_for(server):
    return {path.split("/")[2] for path in server.paths("*repomd.xml")}


def test_the_variable_file_decides_the_release(pinlab, server):
    host = pinlab.host("validated")
    host.write("etc/dnf/vars/tuxcare_releasever", "9.4\n")
    assert host.run("makecache", "--refresh").exit == 1
    assert releases_asked_for(server) == {"9.4"}


def test_a_release_set_otherwise_is_left_alone(pinlab, server):
    host = pinlab.host("validated")
    host.write("etc/dnf/vars/tuxcare_releasever", "9.4\n")
    host.run("makecache", "--refresh", environment={"DNF_VAR_tuxcare_releasever": "9.6"})
    assert releases_asked_for(server) == {"9.6"}


def test_a_release_file_that_holds_none_is_told_and_leaves_repositories_out(
    pinlab, open_repository
):
    host = pinlab.host("validated")
    host.write("etc/dnf/vars/tuxcare_releasever", "newest\n")
    outcome = host.run(open_repository, "repolist", "--enabled")
    assert outcome.exit == 0, outcome.text
    assert "tuxcare_releasever: expected a release such as 9.2, found 'newest'" in outcome.stderr
    assert "no value for $tuxcare_releasever" in outcome.stderr


def test_without_a_token_only_what_needs_it_is_left_out(pinlab, open_repository, server):
    host = pinlab.host("validated")
    (host.root / "etc/tuxcare/token").unlink()
    outcome = host.run(open_repository, "install", "openssl-perl")
    assert (outcome.exit, outcome.gained) == (0, names(lab.OPENSSL, "openssl-perl")), outcome.text
    assert outcome.stderr.count("tuxcare:") == 1
    assert WARNING in outcome.stderr
    assert server.paths() == []


def test_disabled_repositories_are_not_spoken_of(pinlab, open_repository):
    host = pinlab.host("validated")
    (host.root / "etc/tuxcare/token").unlink()
    outcome = host.run(open_repository, "--disablerepo=tuxcare-*,baseos", "repolist")
    assert (outcome.exit, "tuxcare:" in outcome.text) == (0, False), outcome.text


def test_a_damaged_token_is_told_but_not_shown(pinlab, open_repository):
    host = pinlab.host("validated")
    host.write("etc/tuxcare/token", "half-a-token\n", 0o600)
    outcome = host.run(open_repository, "repolist", "--enabled")
    assert outcome.exit == 0, outcome.text
    assert "etc/tuxcare/token: does not hold a token" in outcome.stderr
    assert "half-a-token" not in outcome.text


def test_a_token_in_dnf_s_own_variables_serves_too_and_is_redacted(pinlab, server):
    host = pinlab.host("validated")
    (host.root / "etc/tuxcare/token").unlink()
    outcome = host.run("makecache", "--refresh", environment={"DNF_VAR_tuxcare_token": TOKEN})
    assert outcome.exit == 0, outcome.text
    assert leaks(host) == []


def test_the_installroot_s_release_counts_not_the_host_s(pinlab, server):
    host = pinlab.host("validated")
    host.write("etc/almalinux-release", "AlmaLinux release 9.6 (Sage Margay)\n")
    host.run("makecache", "--refresh")
    assert releases_asked_for(server) == {"9.6"}


def leaks(host) -> list[str]:
    """Files of a root that hold the token, or are named by it; its own file aside."""
    return sorted(
        str(path.relative_to(host.root))
        for path in host.root.rglob("*")
        if TOKEN in path.name
        or (path.is_file() and path.name != "token" and TOKEN.encode() in path.read_bytes())
    )


LOUD = ("-v", "-d", "10", "-e", "10")


def test_a_session_of_dnf_leaves_the_token_nowhere(pinlab, server):
    host = pinlab.host("validated", "patched")
    said = ""
    for arguments in [
        ("makecache", "--refresh"),
        (*LOUD, "check-update"),
        (*LOUD, "install", "vim-enhanced"),
        (*LOUD, "install", "openssl-3.0.7-24.el9_2"),
        ("repoquery", "openssl"),
        ("repolist",),
        ("-q", "search", "vim"),
        ("info", "openssl"),
        ("history",),
        (*LOUD, "remove", "vim-enhanced"),
    ]:
        said += host.run(*arguments).text
    assert TOKEN not in said
    assert leaks(host) == []


@pytest.mark.parametrize(
    "loudness",
    [
        pytest.param((), id="plain", marks=pytest.mark.full),
        pytest.param(("-q",), id="quiet", marks=pytest.mark.full),
        pytest.param(LOUD, id="loud"),
    ],
)
@pytest.mark.parametrize(
    "pattern, kind, options",
    [
        ("*repomd.xml", "status", {"code": 403}),
        ("*repomd.xml", "status", {"code": 404}),
        ("*primary*", "status", {"code": 404}),
        ("*.rpm", "status", {"code": 403}),
        ("*.rpm", "status", {"code": 503}),
        ("*.rpm", "cut", {"after": 100}),
        ("*.rpm", "swap", {"body": b"other"}),
    ],
    ids=lambda value: str(value).strip("*").replace(" ", ""),
)
def test_a_failed_download_shows_the_token_nowhere(
    pinlab, server, loudness, pattern, kind, options
):
    host = pinlab.host("validated")
    shutil.rmtree(host.root / "var/cache/dnf")
    server.fault(pattern, kind, **options)
    outcome = host.run(*loudness, "--refresh", "--setopt=retries=1", "install", "vim-enhanced")
    assert outcome.exit == 1, outcome.text
    assert TOKEN not in outcome.text
    assert leaks(host) == []


def test_the_check_for_leaks_finds_one(pinlab, server):
    """With the plugin's redaction away dnf does leak: the tests above can fail."""
    host = pinlab.host("validated")
    variables = {"DNF_VAR_tuxcare_token": TOKEN, "DNF_VAR_tuxcare_releasever": "9.2"}
    host.run("--disableplugin=tuxcare", "makecache", "--refresh", environment=variables)
    assert "var/log/dnf.librepo.log" in leaks(host)


LOADED = """
import sys
import dnf.cli.main
before = set(sys.modules)
from tuxcare import dnf_repos, dnf_versions, redact, variables
from tuxcare.hostfiles import HostPaths
variables.inject({}, [HostPaths(sys.argv[1])])
print(*sorted(set(sys.modules) - before))
"""


LOADED_WITH_PINS = """
import sys
import dnf.cli.main
before = set(sys.modules)
from tuxcare import dnf_solver, dnf_versions, manifest
from tuxcare.host import HostPaths
manifest.load(HostPaths(sys.argv[1]), "9.2")
print(*sorted(name for name in set(sys.modules) - before if not name.startswith("tuxcare")))
"""


def test_pins_load_nothing_that_dnf_does_without(pinlab):
    """Without typing, and without what it takes to show mistakes."""
    done = pinlab.python("-c", LOADED_WITH_PINS, str(pinlab.host("validated", "strict").root))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_what_every_command_pays_for_loads_nothing_but_itself(pinlab):
    """typing alone takes as long to load as everything that is allowed here."""
    done = pinlab.python("-c", LOADED, str(pinlab.host("validated", "strict").root))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        "tuxcare", "tuxcare.dnf_repos", "tuxcare.dnf_versions", "tuxcare.errors",
        "tuxcare.hostfiles", "tuxcare.osrelease", "tuxcare.redact", "tuxcare.variables",
    ]  # fmt: skip


def test_other_users_are_not_bothered(make_host):
    host = make_host()
    host.install_checkout()
    host.write("/etc/tuxcare/token", TOKEN + "\n", 0o600)
    for path in host.path("/etc/yum.repos.d").iterdir():
        path.unlink()
    host.add_repo("tuxcare-esu", "http://127.0.0.1:9/$tuxcare_releasever/$tuxcare_token/")

    def repolist(uid):
        return host.dnf("repolist", "--enabled", uid=uid, env={"HOME": "/tmp"})

    assert "tuxcare-esu" in repolist(0).stdout
    theirs = repolist(65534)
    assert "tuxcare" not in theirs.stdout + theirs.stderr
    host.path("/etc/tuxcare/token").unlink()
    theirs = repolist(65534)
    assert "tuxcare" not in theirs.stdout + theirs.stderr
    assert "this host has no token" in repolist(0).stderr
