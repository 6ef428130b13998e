"""A customer's host from day to day, with the real rpm, dnf and mirror: is it well, does its token
still open, may it move, what does support get, and what if it is copied.

EL's boot and FIPS tools are stand-ins that check their arguments (tests.support.el_tools).
"""

from __future__ import annotations

import json
import os
import tarfile
import time

import pytest

from tests.support.boot import BootTools
from tests.support.mirror import run

BASEOS = "/etc/yum.repos.d/almalinux-baseos.repo"
TOKEN = "/etc/tuxcare/token"


@pytest.fixture
def member(customer, serving, operator):
    """A host that registered with a licence for Extended Security Updates and FIPS."""
    assert operator.sync().status == 0
    customer.write("/etc/machine-id", os.urandom(16).hex() + "\n")
    customer.key = operator.licence("--product=esu", "--product=fips", "--release=9.2")
    enter(customer, operator)
    return customer


def enter(host, operator, *options):
    return host.run(
        ["tuxctl", "--license-key-file", "-", "--server", operator.url, *options],
        input=host.key + "\n",
    )


def tuxctl(host, *arguments, status=0, uid=0):
    done = host.run(["tuxctl", *arguments], check=False, uid=uid)
    assert done.returncode == status, done
    return done


def asked(host, *arguments, status=0, uid=0):
    return json.loads(tuxctl(host, *arguments, "--json", status=status, uid=uid).stdout)


def seats(host, operator):
    done = run(operator.command("license", "show", host.key, "--json"), operator.environment)
    return json.loads(done.stdout)["hosts_taken"]


def failed(document):
    return {row["id"] for row in document["rows"] if row["state"] == "fail"}


def test_the_life_of_a_registered_host(member, operator):
    """One host through it all: setting one up costs more than what is tried on it."""
    healthy(member)
    read_only(member)
    rotated(member, operator)
    not_bought(member)
    supported(member, operator)
    revoked(member, operator)


def healthy(member):
    document = asked(member, "status")
    assert document["token"] == "accepted"
    assert document["drift"] == []
    reach = {item["id"]: item["reach"] for item in document["repositories"] if item["enabled"]}
    assert {answer["state"] for answer in reach.values()} == {"ok"}
    assert {"baseos", "appstream", "extras", "tuxcare-esu"} <= set(reach)
    # Without root: what needs the token is not known, the rest is told.
    other = asked(member, "status", uid=65534)
    assert other["registered"] is True
    states = {item["id"]: item["reach"]["state"] for item in other["repositories"] if item["reach"]}
    assert states["baseos"] == "unknown"
    assert other["drift"] == []
    rows = asked(member, "verify", status=8)
    # The test trees' AlmaLinux key is not AlmaLinux's; all else is as it was set up.
    assert failed(rows) == {"almalinux-key"}
    assert "run it as root" in tuxctl(member, "verify", status=2, uid=65534).stderr


def revoked(member, operator):
    """dnf alone would only say 403."""
    name = member.run(["hostname"]).stdout.strip()
    done = run(operator.command("host", "revoke", name), operator.environment)
    assert done.status == 0, done
    deadline = time.monotonic() + 60  # the server remembers what a token opened for ten seconds
    while "refused" not in member.run(["tuxctl", "status"], check=False).stdout:
        assert time.monotonic() < deadline
        time.sleep(1)
    said = tuxctl(member, "status", status=8)
    assert "the service does not accept this host's token any more" in said.stderr
    assert member.read(TOKEN).strip() not in said.stdout + said.stderr
    assert "does not accept this host's token" in tuxctl(member, "refresh", status=5).stderr
    enter(member, operator, "--force")
    assert asked(member, "status")["token"] == "accepted"


def rotated(member, operator):
    old = member.read(TOKEN)
    assert tuxctl(member, "refresh").stdout == "Token refreshed\n"
    assert member.read(TOKEN) != old
    assert member.path(TOKEN).stat().st_mode & 0o777 == 0o600
    member.dnf("--refresh", "upgrade")
    assert seats(member, operator) == 1
    # For ten minutes the old one opens as well: a running dnf ends in peace.
    member.write(TOKEN, old, 0o600)
    assert asked(member, "status")["token"] == "accepted"


def not_bought(member):
    done = tuxctl(member, "releasever", "9.6", status=5)
    assert "does not open AlmaLinux 9.6 to this host" in done.stderr
    assert tuxctl(member, "releasever").stdout == "9.2\n"


def test_a_template_and_a_copy(member, operator):
    prepared(member, operator)
    not_prepared(member, operator)


def prepared(member, operator):
    tuxctl(member, "prepare-image")
    assert seats(member, operator) == 0
    assert not member.path(TOKEN).exists()
    assert member.read("/etc/machine-id") == ""
    switched = member.read(BASEOS)
    assert "$tuxcare_token" in switched
    # First boot of a copy: systemd gives it a machine id, its own start-up registers it.
    member.write("/etc/machine-id", os.urandom(16).hex() + "\n")
    enter(member, operator)
    assert seats(member, operator) == 1
    assert member.read(BASEOS) == switched
    member.dnf("--refresh", "upgrade")


def not_prepared(member, operator):
    original = member.read(TOKEN)
    member.write("/etc/machine-id", os.urandom(16).hex() + "\n")
    assert "is a copy of another one" in tuxctl(member, "status", status=8).stderr
    assert failed(asked(member, "verify", status=8)) == {"almalinux-key", "own-registration"}
    tuxctl(member, "refresh", status=5)
    enter(member, operator, "--force")
    assert seats(member, operator) == 2
    assert member.read(TOKEN) != original
    asked(member, "status")


def supported(member, operator):
    token = member.read(TOKEN).strip()
    member.dnf("--refresh", "upgrade", check=False)
    log = f"{operator.url}/almalinux/9.2/{token}/BaseOS/\n{member.key}\n"
    member.write("/var/log/dnf.log", log)
    done = tuxctl(member, "support-bundle", "--output", "/var/tmp/bundle.tar.gz")
    assert done.stdout.endswith("\nWritten: /var/tmp/bundle.tar.gz\n")
    path = member.path("/var/tmp/bundle.tar.gz")
    assert path.stat().st_mode & 0o777 == 0o600
    with tarfile.open(path) as archive:
        members = {item.name: archive.extractfile(item).read() for item in archive}
    for secret in (token, member.key, member.read("/etc/machine-id").strip()):
        assert not [name for name, data in members.items() if secret.encode() in data]
    assert b"openssl" in members["tuxctl-support/commands/packages"]
    assert b"<token>/BaseOS" in members["tuxctl-support/logs/dnf.log"]
    assert "run it as root" in tuxctl(member, "support-bundle", status=2, uid=65534).stderr


def test_verify_on_a_host_in_fips_mode(member):
    tools = BootTools(member)
    tools.reboot()
    tuxctl(member, "fips", "enable", "--strict", "--yes")
    waiting = asked(member, "status")
    assert "FIPS mode takes effect with the next boot" in waiting["warnings"]
    tools.reboot()
    document = asked(member, "status")
    assert {module["state"] for module in document["fips"]["modules"]} == {"validated"}
    assert document["fips"]["checks"]
    rows = asked(member, "verify", status=8)
    # No pin package is offered here, and update-crypto-policies' stand-in makes no links.
    ours = {"almalinux-key", "pin-package", "crypto-policy-overridden"}
    community = {"tuxcare-builds"}  # the kernel of before is still there
    assert failed(rows) == ours | community
    by_id = {row["id"]: row for row in rows["rows"]}
    for name in ("signatures", "module-files", "running-kernel", "fips-mode", "openssl-provider"):
        assert by_id[name]["state"] == "pass", by_id[name]
    # Behind dnf's back: another build, another default, a changed library.
    tools.default = "/boot/vmlinuz-5.14.0-284.11.1.el9_2.x86_64"
    assert failed(asked(member, "verify", status=8)) == ours | community | {"boot-default"}
    assert "boot default" in tuxctl(member, "status", status=8).stderr
    member.run("rpm -e --nodeps nss-softokn")
    found = failed(asked(member, "verify", status=8))
    assert {"boot-default"} | ours <= found


def read_only(member):
    """As in its unit: nothing but rpm's own folder can be written to."""
    member.run(
        "mount --bind / /mnt && mount -o remount,bind,ro /mnt && "
        "mount --bind /var/lib/rpm /mnt/var/lib/rpm && mount -t proc proc /mnt/proc && "
        "mount --rbind /dev /mnt/dev"
    )
    done = member.run(["chroot", "/mnt", "tuxctl", "verify", "--json"], check=False)
    assert done.returncode == 8, done
    assert failed(json.loads(done.stdout)) == {"almalinux-key"}
    member.run("umount -R /mnt")
