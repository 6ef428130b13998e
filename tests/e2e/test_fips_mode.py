"""`tuxctl fips` on hosts with the real rpm and dnf and the real mirror behind them.

EL's boot and FIPS tools are played by stand-ins that check their arguments; tests.support.el_tools
says what each one mimics.
"""

from __future__ import annotations

import json

import pytest

from tests.support.boot import BOOT_UUID, COMMAND_LINE, BootTools
from tests.support.packages import build_packages
from tests.support.repodata import make_repository

OLD = "5.14.0-284.11.1.el9_2.x86_64"
NEW = "5.14.0-284.11.1.el9_2.tuxcare.6.x86_64"
WITH_FIPS = f"{COMMAND_LINE} fips=1 boot=UUID={BOOT_UUID}"
STATUS = [
    ("fips-mode-setup --check", "FIPS mode is enabled."),
    ("uname -r", NEW),
    ("crypto policy", "FIPS"),
    ("openssl list -providers", "version 3.0.7-1d2bd88ee26b3c90, active"),
    ("boot default", f"/boot/vmlinuz-{NEW}"),
]


@pytest.fixture(scope="module")
def pin_packages(tmp_path_factory, keys):
    """tuxcare-release and its pin packages, as tuxcare-base offers them."""
    built = build_packages(tmp_path_factory.mktemp("dist"), keys.tuxcare)
    make_repository(built.root, keys.tuxcare)
    return built


@pytest.fixture
def member(customer, serving, operator, pin_packages, httpd, keys):
    """A registered host that is not in FIPS mode, with a /boot of its own, freshly booted."""
    assert operator.sync().status == 0
    tuxcare = customer.trust(keys.tuxcare, "/etc/pki/rpm-gpg/test")
    customer.add_repo("base-test", httpd(pin_packages.root).url, gpgkey=f"file://{tuxcare}")
    customer.tools = BootTools(customer, separate_boot=True)
    customer.tools.reboot()
    key = operator.licence("--product=esu", "--product=fips")
    argv = ["tuxctl", "--license-key-file", "-", "--server", operator.url]
    customer.run(argv, input=key + "\n")
    return customer


def fips(host, *arguments, status=0):
    done = host.run(["tuxctl", "fips", *arguments], check=False)
    assert done.returncode == status, done
    return done


def state(host):
    """All that `fips` changes, packages aside."""
    etc = host.run("cd /etc && find tuxcare dnf yum.repos.d -type f -exec sha256sum {} + | sort")
    tools = host.tools
    return (etc.stdout, tools.default, tools.arguments, tools.policy)


def installed(host, name):
    return sorted(nevra for nevra in host.rpmdb() if nevra.rsplit("-", 2)[0] == name)


def test_into_fips_mode_and_out_of_it(member):
    tools = member.tools
    before, packages = state(member), member.rpmdb()

    # A plan changes nothing, and neither does a run that nobody agreed to.
    plan = json.loads(fips(member, "enable", "--strict", "--dry-run", "--json").stdout)
    assert "openssl-libs-1:3.0.7-20.el9_2.tuxcare.1.x86_64" in plan["install"]
    assert plan["boot"] == {
        "default_before": f"/boot/vmlinuz-{OLD}",
        "default_after": f"/boot/vmlinuz-{NEW}",
        "arguments": f"fips=1 boot=UUID={BOOT_UUID}",
        "switches_mode": True,
    }
    refused = fips(member, "enable", "--strict", status=2)
    assert "nobody is there to be asked" in refused.stderr
    assert "+mode = strict" in refused.stdout
    assert (state(member), member.rpmdb()) == (before, packages)

    done = fips(member, "enable", "--strict", "--yes")
    assert "4. Switch FIPS mode on for the next boot: fips=1 boot=UUID=" in done.stdout
    assert sorted(set(plan["install"]) - set(member.rpmdb())) == []
    assert tools.arguments == {WITH_FIPS}
    waiting = fips(member, "status", status=8)
    assert "takes effect with the next boot" in waiting.stderr

    tools.reboot()
    document = json.loads(fips(member, "status", "--json").stdout)
    assert [(check["name"], check["found"]) for check in document["checks"]] == STATUS
    assert {module["state"] for module in document["modules"]} == {"validated"}
    assert document["drift"] == []
    assert "Nothing to do." in fips(member, "enable", "--strict").stdout

    # The other mode: the pin packages change places, the rest is there already.
    fips(member, "enable", "--patched", "--yes")
    assert installed(member, "tuxcare-fips-pin") != []
    assert installed(member, "tuxcare-fips-pin-strict") == []
    assert "mode = patched" in member.read("/etc/tuxcare/fips.conf")
    assert len(tools.calls("fips-mode-setup")) == 1 + 2  # enabled once, asked by status twice
    member.dnf("upgrade")
    assert installed(member, "openssl") == ["openssl-1:3.0.7-20.el9_2.tuxcare.2.x86_64"]
    tools.reboot()
    assert "patched: openssl-3.0.7-20" in fips(member, "status").stdout

    # Out of it again: everything as before, save the builds.
    fips(member, "disable", status=2)
    done = fips(member, "disable", "--yes")
    assert "The installed builds stay" in done.stderr
    assert "until the next boot: reboot" in done.stderr
    assert state(member) == before
    assert installed(member, "tuxcare-fips-pin") == []
    assert installed(member, "nss") == ["nss-3.90.0-6.el9_2.tuxcare.1.x86_64"]
    assert not member.path("/var/lib/tuxcare/fips.json").exists()
    tools.reboot()
    assert fips(member, "status").stdout == "FIPS mode: off\n"
    member.run(["tuxctl", "unregister"])
    assert not member.path("/var/lib/tuxcare/journal").exists()


LUKS = """\
#!/bin/sh
# cryptsetup(8) luksDump of a LUKS2 volume, as version 2.6 prints it.
[ "$*" = "luksDump /dev/vda3" ] || { echo "Unknown action." >&2; exit 1; }
cat <<END
LUKS header information
Version:        2
UUID:           cfbcc942-e06b-4c4a-952f-e9c9b2011c27

Keyslots:
  0: luks2
        Key:        512 bits
        PBKDF:      argon2id
        Time cost:  7
  1: luks2
        Key:        512 bits
        PBKDF:      pbkdf2
        Hash:       sha256
Tokens:
Digests:
  0: pbkdf2
        Hash:       sha256
END
"""
LSBLK = """\
#!/bin/sh
# lsblk(8) of util-linux 2.37.
[ "$*" = "--json --paths --output NAME,FSTYPE" ] || { echo "lsblk: $*" >&2; exit 1; }
cat <<END
{"blockdevices": [{"name": "/dev/vda", "fstype": null, "children": [
  {"name": "/dev/vda1", "fstype": "xfs"},
  {"name": "/dev/vda3", "fstype": "crypto_LUKS", "children": [
    {"name": "/dev/mapper/root", "fstype": "ext4"}]}]}]}
END
"""


def stopped_by_what_stands_in_the_way(member, tools):
    tools.program("lsblk", LSBLK)
    tools.program("cryptsetup", LUKS)
    member.write("/etc/ssh/ssh_host_ed25519_key.pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA root\n")
    member.run("rm -f /etc/ssh/ssh_host_rsa* /etc/ssh/ssh_host_ecdsa*")
    before, packages = state(member), member.rpmdb()
    done = fips(member, "enable", "--yes", status=5)
    assert "/dev/vda3: key slot 0 uses argon2id" in done.stderr
    assert "cryptsetup luksConvertKey --pbkdf pbkdf2 --key-slot 0 /dev/vda3" in done.stderr
    assert "no host key that FIPS mode takes: ssh-ed25519" in done.stderr
    assert "--accept luks --accept ssh-host-keys" in done.stderr
    assert (state(member), member.rpmdb()) == (before, packages)
    fips(member, "enable", "--dry-run", "--accept", "luks", "--accept", "ssh-host-keys")

    tools.remove("lsblk")
    tools.remove("cryptsetup")
    member.path("/etc/ssh/ssh_host_ed25519_key.pub").unlink()


def test_a_step_that_fails_or_is_killed_is_undone_and_gone_on_with(member):
    tools = member.tools
    stopped_by_what_stands_in_the_way(member, tools)
    before = state(member)

    tools.fail("dracut")  # which a scriptlet of kernel-core starts
    failed = fips(member, "enable", "--yes", status=2)
    assert f"/boot/initramfs-{NEW}.img: missing, the entry would not boot" in failed.stderr
    assert "What 'dnf install' had done by then stays done" in failed.stderr
    assert state(member) == before
    tools.fail()
    member.run(["kernel-install", "add", NEW, f"/lib/modules/{NEW}/vmlinuz"])
    tools.default = before[1]

    tools.kill_caller_of("fips-mode-setup")
    died = member.run(["tuxctl", "fips", "enable", "--yes"], check=False)
    assert died.returncode in (-9, 137)
    assert "mode = patched" in member.read("/etc/tuxcare/fips.conf")
    tools.kill_caller_of()
    tools.fail("fips-finish-install")
    failed = fips(member, "enable", "--yes", status=6)
    assert "An earlier 'tuxctl fips enable' was cut off" in failed.stderr
    assert "Installation of FIPS modules could not be completed" in failed.stderr
    assert state(member) == before
    tools.fail()

    fips(member, "enable", "--yes")
    tools.reboot()
    fips(member, "status")

    tools.fail("update-crypto-policies")
    fips(member, "disable", "--yes", status=6)
    assert tools.arguments == {WITH_FIPS}
    assert "mode = patched" in member.read("/etc/tuxcare/fips.conf")
    tools.fail()
    fips(member, "disable", "--yes")
    assert state(member) == before
