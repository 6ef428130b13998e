"""Ways around the pins that an administrator with an idea would try.

Real dnf on throwaway roots, as in test_plugin_commands.
"""

from __future__ import annotations

import shutil

import pytest

from tests.support import pinlab as lab

REFUSED = "of AlmaLinux 9.2 forbids this:"


@pytest.mark.parametrize("arguments", [("remove", "nss"), ("autoremove", "gnutls")], ids=" ".join)
def test_another_architecture_on_the_command_line_does_not_lift_the_pins(pinlab, arguments):
    """On aarch64 only kernel and openssl are pinned; this root is none."""
    host = pinlab.host("validated", "strict")
    before = host.installed()
    done = host.run("--forcearch=aarch64", *arguments)
    assert done.exit != 0, done.text
    assert host.installed() == before


@pytest.mark.parametrize("mode", ["strict", "patched"])
@pytest.mark.parametrize("command", ["remove", "autoremove"])
def test_calling_a_library_installonly_does_not_let_it_go(pinlab, mode, command):
    """Old kernels may go where newer ones stay. A library is no kernel, whatever is said of it."""
    host = pinlab.host("patched", mode)
    before = host.installed()
    done = host.run(
        "--setopt=installonlypkgs=openssl-libs,kernel", command, "openssl-libs", "openssl"
    )
    held = {nevra for nevra in before if nevra.startswith("openssl")}
    if mode == "patched":
        assert done.exit != 0, done.text
        assert REFUSED in done.text
        assert held <= host.installed()


@pytest.mark.parametrize("place", ["etc/tuxcare/fips.conf", "etc/tuxcare"])
def test_a_choice_that_cannot_be_reached_is_not_taken_for_off(pinlab, place):
    """A link that leads nowhere, as to a file system that is not mounted."""
    host = pinlab.host("validated", "strict")
    path = host.root / place
    shutil.move(path, host.root / "away")
    path.symlink_to("/nowhere/at/all")
    before = host.installed()
    done = host.run("upgrade", "curl", "--setopt=baseos.baseurl=" + host.lab.content_url
                    + f"/almalinux/9.2/{lab.TOKEN}/BaseOS/x86_64/os/")  # fmt: skip
    assert done.exit != 0, done.text
    assert "fips.conf" in done.text
    assert host.installed() == before
    assert host.run("repolist").exit == 0


# -- transactions that were resolved before --------------------------------------------------------


def stored(pinlab, tmp_path, *command):
    """The transaction of a command as a host without pins ran it, in dnf's file for replays.

    `dnf system-upgrade` and `dnf offline-upgrade` keep theirs in the same form
    (dnf.transaction_sr) and carry it out after a reboot.
    """
    host = pinlab.host("validated", None)
    assert host.run(*command).exit == 0
    file = tmp_path / "transaction.json"
    done = host.run("history", "store", "-o", str(file), "last")
    assert done.exit == 0, done.text
    return str(file)


@pytest.mark.parametrize(
    ("command", "forbidden"),
    [
        (("upgrade", "curl", "tzdata"), False),
        (("upgrade", "gnutls", "curl"), True),
        (("remove", "nss"), True),
    ],
    ids=str,
)
@pytest.mark.parametrize("options", [(), ("--ignore-installed", "--skip-unavailable")], ids=str)
def test_a_stored_transaction_is_held_to_the_pins_when_it_is_carried_out(
    pinlab, tmp_path, command, forbidden, options
):
    file = stored(pinlab, tmp_path, *command)
    host = pinlab.host("validated", "strict")
    done = host.run("history", "replay", *options, file)
    held = lab.names(lab.VALIDATED, *lab.BASE_NAMES)
    assert not held & done.lost, done.text
    assert not any(nevra.startswith(("gnutls", "nss")) for nevra in done.gained), done.text
    if not forbidden:
        assert done.exit == 0, done.text
        assert any(nevra.startswith("curl-7.76.1-23.el9_2.4") for nevra in done.gained)
    elif not options:
        assert done.exit != 0, done.text
