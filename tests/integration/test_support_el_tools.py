"""The stand-ins for EL's boot tools refuse what the originals refuse, and do what those do."""

import pytest

from tests.support.boot import COMMAND_LINE, BootTools

KERNEL = "5.14.0-284.30.1.el9_2.x86_64"
IMAGE = f"/boot/vmlinuz-{KERNEL}"


@pytest.fixture
def tools(host):
    tools = BootTools(host)
    host.run(["kernel-install", "add", KERNEL, f"/lib/modules/{KERNEL}/vmlinuz"])
    return tools


def test_what_is_unknown_is_refused(host, tools):
    refused = {
        "grubby": ["", "--frobnicate", "--set-default", "--args=x", "--set-default=/boot/other"],
        "fips-mode-setup": ["", "--on", "--enable --disable"],
        "fips-finish-install": ["", "--all"],
        "update-crypto-policies": ["", "--set", "--set lower", "--frobnicate"],
        "dracut": ["", "-f", "--regenerate-all"],
        "kernel-install": ["", "add", "frobnicate 5.14.0"],
        "uname": ["-a", "-r -m"],
        "openssl": ["", "version", "list"],
        "reboot": ["now"],
    }
    before = host.run("find /boot /etc/kernel -type f -exec sha256sum {} +").stdout
    for program, lines in refused.items():
        for line in lines:
            done = host.run([program, *line.split()], check=False)
            assert done.returncode != 0, (program, line)
            assert done.stderr or "usage:" in done.stdout, (program, line)
    assert host.run("find /boot /etc/kernel -type f -exec sha256sum {} +").stdout == before


def test_fips_mode_on_and_off_as_the_originals_leave_it(host, tools):
    said = host.run(["fips-mode-setup", "--enable"]).stdout
    assert said.splitlines()[-2:] == [
        "FIPS mode will be enabled.",
        "Please reboot the system for the setting to take effect.",
    ]
    assert (tools.arguments, tools.policy) == ({f"{COMMAND_LINE} fips=1"}, "FIPS")
    assert "fips" in host.read(f"/boot/initramfs-{KERNEL}.img")
    check = host.run(["fips-mode-setup", "--check"], check=False)
    assert (check.returncode, check.stdout.splitlines()[-1]) == (1, "Inconsistent state detected.")
    tools.reboot()
    assert host.run(["fips-mode-setup", "--check"]).stdout == "FIPS mode is enabled.\n"
    host.run(["fips-mode-setup", "--disable"])
    # fips=0 stays behind: tuxctl takes it out.
    assert (tools.arguments, tools.policy) == ({f"{COMMAND_LINE} fips=0"}, "DEFAULT")
    tools.reboot()
    assert host.run(["fips-mode-setup", "--is-enabled"], check=False).returncode == 2


def test_a_fips_boot_without_its_boot_argument_is_a_dead_host(make_host):
    host = make_host("separate")
    tools = BootTools(host, separate_boot=True)
    host.run(["kernel-install", "add", KERNEL, f"/lib/modules/{KERNEL}/vmlinuz"])
    host.run(["grubby", "--update-kernel=ALL", "--args=fips=1"])
    dead = host.run(["reboot"], check=False)
    assert dead.returncode == 75
    host.run(["fips-mode-setup", "--enable"])
    assert "boot=UUID=" in tools.arguments.pop()
    tools.reboot()
