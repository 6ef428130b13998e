"""status, validate and releasever."""

import json
import socket

import pytest

from tests.integration.conftest import LICENCE
from tests.support.client_root import BASEOS, FIPS_CONF, OWN, RELEASEVER, TOKEN
from tuxctl.system import System

# -- questions -------------------------------------------------------------------------------------


def test_validate_masks_the_token(register, tuxctl, client_root):
    register()
    token = client_root.read(TOKEN).strip()
    for command in (["validate"], ["-v"]):
        assert tuxctl(*command).out == "********" + token[-4:] + "\n"
    assert tuxctl("validate", "--show-token").out == token + "\n"


def test_status_of_a_host_that_is_not_registered(tuxctl):
    done = tuxctl("status", "--json")
    assert done.status == 0
    document = json.loads(done.out)
    assert document["registered"] is False
    assert document["release"] == {"installed": "9.2", "followed": "9.2"}
    assert document["drift"] == []
    assert "Registered: no\n" in tuxctl("status").out


def test_status_tells_the_truth_without_a_network(register, tuxctl, registration):
    register("--fips", "--strict")
    calls = len(registration.calls)
    document = json.loads(tuxctl("status", "--offline", "--json").out)
    assert len(registration.calls) == calls
    assert document["schema"] == 1
    assert document["registered"] is True
    assert document["products"] == ["essential", "esu", "fips"]
    assert (document["fips"]["mode"], document["fips"]["release"]) == ("strict", "9.2")
    sources = {item["id"]: item["source"] for item in document["repositories"]}
    assert sources["baseos"] == "vetted"
    assert sources["baseos-source"] == "elsewhere"
    assert sources["tuxcare-fips"] == "tuxcare"


@pytest.mark.parametrize(
    ("drift", "words"),
    [
        (lambda root: root.path(TOKEN).chmod(0o644), "mode 0644, expected 0600"),
        (lambda root: root.write(TOKEN, "x\n"), "does not hold a token"),
        (
            lambda root: root.write(BASEOS, root.read(BASEOS).replace("# mirror", "mirror")),
            "almalinux-baseos.repo does not follow",
        ),
        (
            lambda root: root.write(OWN, root.read(OWN).replace("enabled=1", "enabled=0")),
            "tuxcare-esu is not enabled",
        ),
    ],
)
def test_drift_is_exit_eight(register, tuxctl, client_root, drift, words):
    register()
    drift(client_root)
    done = tuxctl("status")
    assert done.status == 8
    assert words in done.err


def test_two_runs_at_once_are_exit_seven(register, client_root):
    with System(str(client_root.directory)).lock(str(client_root.path("var/lib/tuxcare"))):
        done = register()
    assert done.status == 7
    assert "another run of tuxctl" in done.err


# -- releasever ------------------------------------------------------------------------------------


@pytest.fixture
def essential(registration):
    """The licence covers Essential Support alone."""
    registration.keys[LICENCE].update(products=["essential"], releases=[])


def test_the_followed_release_is_shown_and_moved(essential, register, tuxctl, client_root):
    before = client_root.snapshot()
    register()
    assert tuxctl("releasever").out == "9.2\n"
    done = tuxctl("releasever", "9.4")
    assert done.status == 0
    assert "past 9.2 a host cannot take them up any more without a new installation" in done.err
    assert client_root.read(RELEASEVER) == "9.4\n"
    assert tuxctl("releasever").out == "9.4\n"
    tuxctl("unregister")
    assert client_root.snapshot() == before


def test_a_host_with_esu_keeps_to_releases_that_have_it(register, tuxctl, client_root):
    register()
    before = client_root.snapshot()
    done = tuxctl("releasever", "9.4")
    assert done.status == 5
    assert "AlmaLinux 9.4 has no Extended Security Updates, which this host is" in done.err
    assert "Move to 9.6" in done.err
    assert client_root.snapshot() == before
    assert tuxctl("releasever", "9.4", "--leave-esu").status == 0
    assert client_root.read(RELEASEVER) == "9.4\n"


def test_a_host_with_esu_moves_to_the_next_that_has_it(register, tuxctl, client_root):
    register()
    done = tuxctl("releasever", "9.6")
    assert (done.status, done.err) == (0, "")
    assert client_root.read(RELEASEVER) == "9.6\n"


def test_a_dry_run_says_what_would_move(register, tuxctl, client_root):
    register()
    before = client_root.snapshot()
    done = tuxctl("releasever", "9.6", "--dry-run")
    assert (done.status, done.out) == (0, "/etc/dnf/vars/tuxcare_releasever: 9.2 -> 9.6\n")
    assert tuxctl("releasever", "9.4", "--dry-run").status == 5
    assert client_root.snapshot() == before


def test_a_release_that_the_server_does_not_open_is_refused(
    essential, register, tuxctl, client_root, registration
):
    register()
    before = client_root.snapshot()
    registration.repositories.discard("/almalinux/9.4/")
    done = tuxctl("releasever", "9.4")
    assert done.status == 5
    assert f"{registration.url} has no AlmaLinux 9.4" in done.err
    registration.tokens.clear()
    done = tuxctl("releasever", "9.4")
    assert done.status == 5
    assert "does not open AlmaLinux 9.4 to this host" in done.err
    assert client_root.read(TOKEN).strip() not in done.err
    assert client_root.snapshot() == before


def test_a_server_out_of_reach_does_not_keep_a_host_where_it_is(
    essential, register, tuxctl, client_root
):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    register()
    path = "var/lib/tuxcare/registration.json"
    client_root.write(path, json.dumps(dict(json.loads(client_root.read(path)), content_url=url)))
    done = tuxctl("releasever", "9.4")
    assert done.status == 0
    assert "not checked whether it has 9.4" in done.err
    assert client_root.read(RELEASEVER) == "9.4\n"


@pytest.mark.parametrize(
    ("release", "status", "words"),
    [
        ("9.3", 2, "not a supported release"),
        ("nine", 2, "not a supported release"),
        ("10.0", 5, "takes a migration"),
        ("8.10", 5, "takes a migration"),
    ],
)
def test_releases_that_cannot_be_followed_are_refused(
    register, tuxctl, client_root, release, status, words
):
    register()
    before = client_root.snapshot()
    done = tuxctl("releasever", release)
    assert done.status == status
    assert words in done.err
    assert client_root.snapshot() == before


def test_a_release_behind_the_hosts_own_is_refused(register, tuxctl, client_root, registration):
    client_root.write("etc/almalinux-release", "AlmaLinux release 9.4 (X)\n")
    registration.keys[LICENCE]["releases"] = []
    register()
    done = tuxctl("releasever", "9.2")
    assert done.status == 5
    assert "packages do not go back" in done.err


def test_fips_holds_the_release(register, tuxctl):
    register("--fips")
    done = tuxctl("releasever", "9.4")
    assert done.status == 5
    assert "tuxctl fips disable" in done.err


def test_fips_mode_moves_along(register, tuxctl, client_root):
    before = client_root.snapshot()
    register("--fips")
    done = tuxctl("releasever", "9.6")
    assert done.status == 0
    assert "The pins are those of AlmaLinux 9.6 from now on" in done.err
    assert "release = 9.6\n" in client_root.read(FIPS_CONF)
    assert tuxctl("unregister").status == 0
    assert client_root.snapshot() == before


def test_strict_mode_waits_for_the_certificates(register, tuxctl, client_root):
    register("--fips", "--strict")
    before = client_root.snapshot()
    done = tuxctl("releasever", "9.6")
    assert done.status == 5
    assert "under review" in done.err
    assert client_root.snapshot() == before


def test_moving_needs_a_registration(tuxctl):
    assert tuxctl("releasever", "9.4").status == 1
