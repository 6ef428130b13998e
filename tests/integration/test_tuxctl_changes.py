"""refresh, repos and prepare-image; and for each command that changes the host, trouble at every
operation: the host is as before or as after, and the next run goes on."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.integration.conftest import LICENCE
from tests.support.client_root import BASEOS, FIPS_CONF, RELEASEVER, TOKEN
from tests.support.faults import FaultySystem, Killed
from tuxctl.system import System

REGISTRATION = "var/lib/tuxcare/registration.json"
MACHINE_ID = "etc/machine-id"


def contents(client_root, without=()):
    """Modes and bytes of all files whose names do not begin with one of `without`."""
    return {
        name: (state[0], state[1] and state[1][0])
        for name, state in client_root.snapshot().items()
        if not name.startswith(tuple(without) or "\n")
    }


# -- refresh ---------------------------------------------------------------------------------------


def test_a_refreshed_token_takes_the_place_of_the_old_one(
    register, tuxctl, client_root, registration
):
    client_root.configure("[main]\ncompat_vars = yes\n")
    before = client_root.snapshot()
    register()
    old = client_root.read(TOKEN)
    registration.keys[LICENCE]["expires"] = "2031-01-01T00:00:00+00:00"
    done = tuxctl("refresh")
    assert (done.status, done.out, done.err) == (0, "Token refreshed\n", "")
    new = client_root.read(TOKEN)
    assert new != old
    assert new.strip() in registration.tokens
    assert client_root.mode(TOKEN) == 0o600
    assert client_root.read("etc/dnf/vars/tuxcare_token") == new
    assert json.loads(client_root.read(REGISTRATION))["expires"] == "2031-01-01T00:00:00+00:00"
    assert new.strip() not in done.out
    assert tuxctl("unregister").status == 0
    assert client_root.snapshot() == before


def test_a_service_that_does_not_rotate_is_no_trouble(register, tuxctl, client_root, registration):
    register()
    registration.has_refresh = False
    before = client_root.snapshot()
    done = tuxctl("refresh")
    assert done.status == 0
    assert "does not rotate tokens" in done.out
    assert client_root.read(TOKEN) == before[TOKEN][1][0].decode()


def test_a_token_that_is_not_accepted_says_what_to_do(register, tuxctl, client_root, registration):
    register()
    registration.tokens.clear()
    before = contents(client_root)
    done = tuxctl("refresh")
    assert done.status == 5
    assert "does not accept this host's token any more" in done.err
    assert "tuxctl --force --license-key-file" in done.err
    assert contents(client_root) == before


def test_refreshing_needs_a_registration(tuxctl, client_root):
    before = client_root.snapshot()
    done = tuxctl("refresh")
    assert (done.status, done.err) == (1, "Server is not registered\n")
    assert client_root.snapshot() == before


def test_a_full_disk_while_refreshing_never_locks_the_host_out(
    register, tuxctl, client_root, registration, no_waiting_for_the_disk
):
    register()
    statuses = set()
    for number in range(1, 100):
        tuxctl.system_at = lambda root, n=number: FaultySystem(root, fail_at=n)
        done = tuxctl("refresh")
        tuxctl.system_at = System
        assert client_root.read(TOKEN).strip() in registration.tokens, number
        statuses.add(done.status)
        if done.status == 0 and number > 30:
            break
    assert statuses == {0, 6}
    assert tuxctl("refresh").status == 0


# -- repos -----------------------------------------------------------------------------------------

GUIDE_SWITCH = r"""sed -i \
  -e 's|https://repo.almalinux.org/almalinux/|https://repo.tuxcare.com/almalinux/|' \
  -e 's|^mirrorlist|# mirrorlist|' \
  -e 's|^# baseurl|baseurl|' \
  etc/yum.repos.d/almalinux*.repo"""


def test_switching_without_a_licence_and_back(tuxctl, client_root):
    before = client_root.snapshot()
    shown = tuxctl("repos", "diff")
    assert shown.status == 0
    assert client_root.snapshot() == before
    wanted = "baseurl=https://repo.tuxcare.com/almalinux/$releasever/BaseOS/$basearch/os/"
    assert "--- /etc/yum.repos.d/almalinux-baseos.repo\n" in shown.out
    assert f"\n+{wanted}\n" in shown.out
    done = tuxctl("repos", "switch")
    assert (done.status, done.out) == (0, "Switched: baseos, crb\n")
    assert f"\n{wanted}\n" in client_root.read(BASEOS)
    assert "# mirrorlist=https://mirrors.almalinux.org/mirrorlist/$releasever/baseos\n" in (
        client_root.read(BASEOS)
    )
    # Its debug and source repositories are not mirrored: they stay.
    assert "\nmirrorlist=https://mirrors.almalinux.org/mirrorlist/$releasever/baseos-source\n" in (
        client_root.read(BASEOS)
    )
    assert "Nothing to change" in tuxctl("repos", "diff").err
    found = json.loads(tuxctl("status", "--json").out)
    sources = {item["id"]: item["source"] for item in found["repositories"]}
    assert sources["baseos"] == "vetted"
    back = tuxctl("repos", "revert")
    assert back.status == 0
    # With the times of then, too.
    assert client_root.snapshot() == before


def test_an_own_content_server(tuxctl, client_root):
    assert tuxctl("repos", "switch", "--server", "http://mirror.example/").status == 0
    wanted = "\nbaseurl=http://mirror.example/almalinux/$releasever/BaseOS/$basearch/os/\n"
    assert wanted in client_root.read(BASEOS)
    assert tuxctl("repos", "switch", "--server", "x").status == 2
    assert tuxctl("repos", "revert").status == 0
    assert "mirror.example" not in client_root.read(BASEOS)


def test_later_edits_survive_going_back(tuxctl, client_root):
    tuxctl("repos", "switch")
    client_root.write(BASEOS, client_root.read(BASEOS).replace("enabled=1\n", "enabled=1\nx=1\n"))
    assert tuxctl("repos", "revert").status == 0
    text = client_root.read(BASEOS)
    assert "enabled=1\nx=1\n" in text
    assert "tuxcare" not in text


def test_what_the_guides_sed_switched_can_be_reverted(tuxctl, client_root):
    """No record says what was there; sed also uncommented what is not mirrored, which stays."""
    shipped = client_root.read(BASEOS)
    subprocess.check_call(GUIDE_SWITCH, shell=True, cwd=str(client_root.directory))
    assert "repo.tuxcare.com" in client_root.read(BASEOS)
    done = tuxctl("repos", "revert")
    assert done.status == 0
    own, source = client_root.read(BASEOS).split("\n\n")
    assert own == shipped.split("\n\n")[0]
    assert "vault" in source


def test_a_registered_host_reverts_and_follows_again(register, tuxctl, client_root):
    register()
    switched = client_root.read(BASEOS)
    done = tuxctl("repos", "revert")
    assert done.status == 0
    assert "stays registered" in done.err
    assert "$tuxcare_token" not in client_root.read(BASEOS)
    assert tuxctl("status", "--offline").status == 8
    assert tuxctl("repos", "switch").status == 0
    assert client_root.read(BASEOS) == switched
    assert tuxctl("status", "--offline").status == 0


@pytest.mark.shared_data
@pytest.mark.parametrize("source", ["almalinux-8.9", "almalinux-9.3"])
def test_switching_shipped_files_does_what_the_guides_sed_does_and_no_harm(
    tuxctl, client_root, shared_data, source
):
    folder = Path(str(shared_data)) / "repofiles" / source / "etc/yum.repos.d"
    shipped = {file.name: file.read_bytes() for file in sorted(folder.glob("almalinux*.repo"))}
    for file in client_root.path("etc/yum.repos.d").glob("almalinux*"):
        file.unlink()
    for name, data in shipped.items():
        client_root.write(f"etc/yum.repos.d/{name}", data)
    assert tuxctl("repos", "switch").status == 0
    switched = {name: client_root.read(f"etc/yum.repos.d/{name}") for name in shipped}
    for name, data in shipped.items():
        client_root.write(f"etc/yum.repos.d/{name}", data)
    subprocess.check_call(GUIDE_SWITCH, shell=True, cwd=str(client_root.directory))
    for name, text in switched.items():
        guide = client_root.read(f"etc/yum.repos.d/{name}").splitlines()
        lines = zip(text.splitlines(), guide)
        different = [own for own, sed in lines if own.rstrip("/") != sed.rstrip("/")]
        # Debug and source repositories alone: sed points them at a place that nobody mirrors.
        assert all("-debug" in line or "-source" in line or "vault" in line for line in different)
        client_root.write(f"etc/yum.repos.d/{name}", text)
    assert tuxctl("repos", "revert").status == 0
    for name, data in shipped.items():
        assert client_root.path(f"etc/yum.repos.d/{name}").read_bytes() == data


# -- prepare-image ---------------------------------------------------------------------------------


def test_an_image_keeps_all_but_what_makes_it_unique(register, tuxctl, client_root, registration):
    before = client_root.snapshot()
    register("--fips")
    switched, fips = client_root.read(BASEOS), client_root.read(FIPS_CONF)
    token = client_root.read(TOKEN).strip()
    client_root.write("var/log/dnf.librepo.log", f"GET {registration.url}/almalinux/9.2/{token}/\n")
    client_root.write("var/cache/dnf/baseos-1/mirrorlist", "nothing\n")
    done = tuxctl("prepare-image")
    assert done.status == 0, done.err
    assert done.out == "Ready to be copied\n"
    assert "/var/log/dnf.librepo.log: has the token in it" in done.err
    assert "/var/cache" not in done.err
    assert token not in done.err
    assert registration.tokens == {}
    assert not client_root.exists(TOKEN)
    assert not client_root.exists(REGISTRATION)
    assert client_root.read(MACHINE_ID) == ""
    assert (client_root.read(BASEOS), client_root.read(FIPS_CONF)) == (switched, fips)
    assert "Registered: no" in tuxctl("status").out
    # A copy comes to life, registers, and leaves without a trace.
    client_root.write(MACHINE_ID, "e" * 32 + "\n")
    assert register().status == 0
    assert len(registration.tokens) == 1
    assert client_root.read(BASEOS) == switched
    assert tuxctl("unregister").status == 0
    after = client_root.snapshot()
    for made in (MACHINE_ID, "var/log", "var/log/dnf.librepo.log", "var/cache", "var/cache/dnf",
                 "var/cache/dnf/baseos-1", "var/cache/dnf/baseos-1/mirrorlist"):  # fmt: skip
        after.pop(made, None)
        before.pop(made, None)
    assert after == before


def test_an_image_of_a_host_that_is_not_registered(tuxctl, client_root):
    before = client_root.snapshot()
    assert tuxctl("prepare-image").status == 1
    assert client_root.snapshot() == before


def test_without_a_network_an_image_is_prepared_only_if_asked(
    register, tuxctl, client_root, registration, monkeypatch
):
    monkeypatch.setattr("tuxctl.transport._TRIES", 1)
    register()
    before = client_root.snapshot()
    registration.answer("token/unregister", status=500)
    done = tuxctl("prepare-image")
    assert done.status == 3
    assert "--local" in done.err
    assert client_root.snapshot() == before
    assert tuxctl("prepare-image", "--local").status == 0
    assert not client_root.exists(TOKEN)


# -- unregister, as a package's removal does -------------------------------------------------------


def test_best_effort_gives_the_seat_back_where_it_can(register, tuxctl, client_root, registration):
    before = client_root.snapshot()
    register()
    assert tuxctl("unregister", "--best-effort").status == 0
    assert registration.tokens == {}
    assert client_root.snapshot() == before


@pytest.mark.parametrize("status", [500, 429, 302])
def test_best_effort_never_fails_for_the_service(
    register, tuxctl, client_root, registration, status
):
    before = client_root.snapshot()
    register()
    registration.answer("token/unregister", status=status)
    calls = len(registration.called("token/unregister"))
    done = tuxctl("unregister", "--best-effort")
    assert done.status == 0
    assert "seat stays taken" in done.err
    assert len(registration.called("token/unregister")) == calls + 1
    assert client_root.snapshot() == before


# -- trouble at every operation --------------------------------------------------------------------

COMMANDS = {
    "releasever": ["releasever", "9.6"],
    "refresh": ["refresh"],
    "repos revert": ["repos", "revert"],
    "prepare-image": ["prepare-image"],
    "unregister": ["unregister"],
}


def bytes_of(client_root):
    """All but the journal and what tokens differ in."""
    return contents(client_root, ("var/lib/tuxcare", TOKEN))


@pytest.mark.parametrize(
    "command", [*list(COMMANDS)[:-1], pytest.param("unregister", marks=pytest.mark.full)]
)
@pytest.mark.parametrize("trouble", ["fail_at", "kill_at"])
def test_trouble_at_any_operation_leaves_the_host_before_or_after(
    register, tuxctl, client_root, registration, no_waiting_for_the_disk, command, trouble
):
    untouched = bytes_of(client_root)
    ends = 0
    for number in range(1, 300):
        client_root.write(MACHINE_ID, "0123456789abcdef0123456789abcdef\n")
        assert register().status == 0
        before = bytes_of(client_root)
        tuxctl.system_at = lambda root, n=number: FaultySystem(root, **{trouble: n})
        try:
            done = tuxctl(*COMMANDS[command])
            killed = False
        except Killed:
            killed = True
        tuxctl.system_at = System
        if not killed:
            assert done.status in (0, 6), done.err
        # Whatever changes the host next goes on from there.
        again = tuxctl(*COMMANDS[command])
        assert again.status in (0, 1), again.err
        after = bytes_of(client_root)
        if command == "releasever":
            assert after.pop(RELEASEVER)[1] == b"9.6\n"
            before.pop(RELEASEVER)
            assert after == before, number
        elif command == "refresh":
            assert after == before, number
            assert client_root.read(TOKEN).strip() in registration.tokens
        elif command == "unregister":
            assert after == untouched, number
        elif command == "prepare-image":
            assert client_root.read(MACHINE_ID) == "" or again.status == 1, number
            assert not client_root.exists(TOKEN)
        else:
            assert after[BASEOS] == untouched[BASEOS], number
        tuxctl("unregister", "--local")
        ends += not killed and done.status == 0
        if ends and number > 3:
            break
    assert ends
    client_root.write(MACHINE_ID, "0123456789abcdef0123456789abcdef\n")
    assert bytes_of(client_root) == untouched
