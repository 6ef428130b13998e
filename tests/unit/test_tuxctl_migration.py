"""`tuxctl migrate`: where a host is on the way, and what is to be typed next."""

import json

import pytest

from tests.support.client_root import ClientRoot, Tuxctl
from tuxctl.migration import Facts, stage_of

READY = {"people": ("alice",)}


@pytest.mark.parametrize(
    ("facts", "stage"),
    [
        (Facts("centos", "CentOS Linux", "7.9.2009"), "1a"),
        (Facts("centos", "CentOS Stream", "8"), "1b"),
        (Facts("centos", "CentOS Linux", "8.5"), None),
        (Facts("centos", "CentOS Stream", "9"), None),
        (Facts("rhel", "Red Hat Enterprise Linux", "8.10"), None),
        (Facts("almalinux", "AlmaLinux", "8.10"), "2"),
        (Facts("almalinux", "AlmaLinux", "9.2"), "3"),
        (Facts("almalinux", "AlmaLinux", "9.4"), "past"),
        (Facts("almalinux", "AlmaLinux", "10.0"), None),
        (
            Facts("almalinux", "AlmaLinux", "9.2", has_package=True, registered=True,
                  fips_mode="patched"),
            "done",
        ),
    ],
)  # fmt: skip
def test_where_a_host_is(facts, stage):
    found = stage_of(facts)
    assert (found.id if found else None) == stage


def commands(facts):
    return [step.command for step in stage_of(facts).steps]


def failed(facts):
    return [check.name for check in stage_of(facts).checks if not check.ok]


def test_what_must_be_so_before_a_stage():
    assert failed(Facts("centos", "CentOS Linux", "7.9.2009", **READY)) == []
    assert failed(Facts("centos", "CentOS Linux", "7.6", people=(), unfit=("root",))) == [
        "release",
        "another account than root",
        "SSH keys that FIPS mode takes",
    ]
    assert failed(Facts("almalinux", "AlmaLinux", "8.9", **READY)) == ["release"]


def test_steps_that_are_done_are_not_shown():
    host = Facts("almalinux", "AlmaLinux", "8.10", root_login=False, **READY)
    assert not any("PermitRootLogin" in command for command in commands(host))
    assert any("PermitRootLogin" in c for c in commands(host._replace(root_login=True)))
    host = Facts("almalinux", "AlmaLinux", "9.2", has_package=True)
    assert commands(host)[0].startswith("tuxctl --license-key-file")
    left = host._replace(leftovers=("elevate-release-1.0-1.el9",), excludes=("/etc/dnf/dnf.conf",))
    assert commands(left)[:2] == [
        "sed -i '/^exclude=.*/d' /etc/dnf/dnf.conf",
        "dnf -y remove '*leapp*' elevate-release 'kernel-*.el8*'",
    ]


@pytest.fixture
def root(tmp_path):
    return ClientRoot(tmp_path / "root")


def test_the_command_shows_steps_and_changes_nothing(root):
    root.write("etc/os-release", 'NAME="CentOS Linux"\nID="centos"\nVERSION_ID="7"\n')
    root.path("etc/almalinux-release").unlink()
    root.write("etc/centos-release", "CentOS Linux release 7.9.2009 (Core)\n")
    root.write(
        "etc/passwd", "root:x:0:0:root:/root:/bin/bash\nbob:x:1001:1001::/home/bob:/bin/sh\n"
    )
    root.write("etc/ssh/sshd_config", "PermitRootLogin yes\n")
    root.write("home/bob/.ssh/authorized_keys", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA bob\n")
    before = root.snapshot()
    done = Tuxctl(root)("migrate")
    assert done.status == 0, done.err
    assert done.out.startswith("CentOS Linux 7.9.2009: Migrate CentOS 7.9 to AlmaLinux 8.10\n")
    assert "ok  another account than root: bob" in done.out
    assert "NOT SSH keys that FIPS mode takes: not those of bob" in done.out
    document = json.loads(Tuxctl(root)("migrate", "--json").out)
    assert (document["schema"], document["stage"]) == (1, "1a")
    assert document["steps"][-1]["command"] == "reboot"
    assert root.snapshot() == before


def test_other_systems_are_not_on_the_way(root):
    root.write("etc/os-release", 'NAME="Debian GNU/Linux"\nID=debian\nVERSION_ID="12"\n')
    root.path("etc/almalinux-release").unlink()
    done = Tuxctl(root)("migrate")
    assert done.status == 2
    assert "this is Debian GNU/Linux 12: the way leads from CentOS 7.9" in done.err
