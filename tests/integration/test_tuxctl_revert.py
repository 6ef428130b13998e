"""Unregistering: every byte back, later edits kept; on real repository files too."""

import subprocess
from pathlib import Path

import pytest

from tests.support.client_root import BASEOS, RELEASEVER

# -- the way back ----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["unregister"], ["--delete"], ["-d"]])
def test_unregistering_puts_every_byte_back(register, tuxctl, client_root, registration, command):
    before = client_root.snapshot()
    register("--fips")
    done = tuxctl(*command)
    assert done.status == 0, done.err
    assert done.out == "De-registration successful\n"
    assert client_root.snapshot() == before
    assert client_root.rpm_keys() == []
    assert registration.tokens == {}


def test_a_key_that_rpm_knew_before_stays(register, tuxctl, client_root, stand_in_key):
    subprocess.check_call(
        ["rpm", "--root", str(client_root.directory), "--import", str(stand_in_key.file)],
        stderr=subprocess.DEVNULL,
    )
    assert "already imported" in register().out
    tuxctl("unregister")
    assert client_root.rpm_keys() == [stand_in_key.fingerprint[-8:].lower()]


def test_the_key_may_stay(register, tuxctl, client_root, stand_in_key):
    before = client_root.snapshot()
    register()
    assert tuxctl("unregister", "--local", "--keep-key").status == 0
    assert client_root.snapshot() == before
    assert client_root.rpm_keys() == [stand_in_key.fingerprint[-8:].lower()]


def test_an_administrators_later_edits_stay(register, tuxctl, client_root):
    register()
    client_root.write(BASEOS, client_root.read(BASEOS).replace("gpgcheck=1", "gpgcheck=1\nx=1", 1))
    client_root.write(RELEASEVER, "9.4\n")
    done = tuxctl("unregister")
    assert done.status == 0
    assert done.err == "/etc/dnf/vars/tuxcare_releasever: was changed since, left alone\n"
    text = client_root.read(BASEOS)
    assert "gpgcheck=1\nx=1\n" in text
    assert "\nmirrorlist=https://mirrors.almalinux.org/mirrorlist/$releasever/baseos\n" in text
    assert "tuxcare" not in text


def test_a_host_that_is_not_registered_says_so(tuxctl, client_root):
    before = client_root.snapshot()
    for command in (["unregister"], ["-d"], ["validate"], ["-v"]):
        done = tuxctl(*command)
        assert done.status == 1
        assert done.err == "Server is not registered\n"
    assert client_root.snapshot() == before


def test_without_network_nothing_is_undone_unless_asked(
    register, tuxctl, client_root, registration, monkeypatch
):
    monkeypatch.setattr("tuxctl.transport._TRIES", 1)
    before = client_root.snapshot()
    register()
    registered = client_root.snapshot()
    registration.answer("token/unregister", status=500)
    done = tuxctl("unregister")
    assert done.status == 3
    assert "--local" in done.err
    assert client_root.snapshot() == registered
    assert tuxctl("unregister", "--local").status == 0
    assert client_root.snapshot() == before


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_token_that_the_service_forgot_is_no_obstacle(
    register, tuxctl, client_root, registration, status
):
    before = client_root.snapshot()
    register()
    registration.answer("token/unregister", status=status)
    done = tuxctl("unregister")
    assert done.status == 0
    assert "did not know this host's token" in done.err
    assert client_root.snapshot() == before


# -- real files ------------------------------------------------------------------------------------


@pytest.mark.shared_data
@pytest.mark.parametrize("source", ["almalinux-8.9", "almalinux-9.3", "epel-8-16", "epel-9-8"])
def test_shipped_repository_files_round_trip(register, tuxctl, client_root, shared_data, source):
    folder = Path(str(shared_data)) / "repofiles" / source / "etc/yum.repos.d"
    shipped = sorted(folder.glob("*.repo"))
    assert shipped
    for file in shipped:
        client_root.write(f"etc/yum.repos.d/{file.name}", file.read_bytes())
    before = client_root.snapshot()
    assert register("--fips").status == 0
    for file in shipped:
        text = client_root.read(f"etc/yum.repos.d/{file.name}")
        if file.name.startswith("almalinux"):
            assert "/almalinux/$tuxcare_releasever/$tuxcare_token/" in text
            assert (
                "\nmirrorlist=https://mirrors.almalinux.org/mirrorlist/$releasever/baseos\n"
                not in text
            )
        else:
            assert text == file.read_text()
    assert tuxctl("unregister").status == 0
    assert client_root.snapshot() == before


GUIDE_REVERT = r"""sed -i \
  -e 's|https://repo.tuxcare.com/almalinux/|https://repo.almalinux.org/almalinux/|' \
  -e 's|^# mirrorlist|mirrorlist|' \
  -e 's|^baseurl|# baseurl|' \
  -e 's|$tuxcare_releasever/$tuxcare_token|$releasever|g' \
  -e 's|almacare|tuxcare|g' \
  -e 's|$tuxcare_releasever|$releasever|g' \
  -e '/^exclude/d' \
  etc/yum.repos.d/almalinux*.repo"""


@pytest.mark.shared_data
@pytest.mark.parametrize("source", ["almalinux-8.9", "almalinux-9.3"])
def test_the_guides_own_revert_gives_the_shipped_files_back(client_root, shared_data, source):
    """Switched for the public service, by the command that the administrator's guide prints."""
    from tuxctl import repos

    folder = Path(str(shared_data)) / "repofiles" / source / "etc/yum.repos.d"
    shipped = {file.name: file.read_bytes() for file in folder.glob("almalinux*.repo")}
    for name, data in shipped.items():
        switched = repos.switch(data, "https://repo.tuxcare.com", ["nss", "openssl"]).data
        assert switched != data
        client_root.write(f"etc/yum.repos.d/{name}", switched)
    subprocess.check_call(GUIDE_REVERT, shell=True, cwd=str(client_root.directory))
    for name, data in shipped.items():
        assert client_root.path(f"etc/yum.repos.d/{name}").read_bytes() == data
