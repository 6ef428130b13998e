"""The installed tuxctl on a throwaway host, registering with the real service."""

import json
import os

import pytest

from tests.support.service import Operator

REPOMD = "tuxcare/9.2/base/x86_64/repodata/repomd.xml"


@pytest.fixture(scope="module")
def operator(tmp_path_factory):
    operator = Operator(tmp_path_factory.mktemp("tuxctl") / "operator")
    operator.publish({REPOMD: b"<repomd/>"})
    return operator


@pytest.fixture(scope="module")
def service(operator):
    with operator.serve() as service:
        yield service


@pytest.fixture
def customer(host, keys):
    """A host with our files on it, that trusts a stand-in for the TuxCare key."""
    host.install_checkout()
    host.write("/etc/pki/rpm-gpg/RPM-GPG-KEY-TuxCare", keys.tuxcare.public.read_bytes())
    host.write("/etc/tuxcare/tuxcare.conf", f"[gpg]\nfingerprint = {keys.tuxcare.fingerprint}\n")
    host.write("/etc/machine-id", os.urandom(16).hex() + "\n")
    return host


@pytest.fixture
def register(customer, service):
    def run(key, *options):
        return customer.run(
            ["tuxctl", "--license-key-file", "-", "--server", service.url, *options],
            input=key,
            check=False,
        )

    return run


def etc(host):
    """All files under /etc: path -> mode and bytes."""
    top = host.path("/etc")
    return {
        str(path.relative_to(top)): (path.stat().st_mode, path.read_bytes())
        for path in top.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def gpg_keys(host):
    return host.run(["rpm", "-q", "gpg-pubkey"], check=False).stdout


def test_a_host_registers_and_leaves_without_a_trace(customer, register, operator, keys):
    key = operator.create_licence("--product", "esu", "--product", "fips", "--release", "9.2")
    before, keys_before = etc(customer), gpg_keys(customer)
    done = register(key, "--fips")
    assert done.returncode == 0, done
    assert done.stdout.endswith("\nTuxCare installed successfully\n")
    assert "6. Enable the TuxCare ESU repo: tuxcare-base, tuxcare-esu; FIPS mode" in done.stdout
    assert keys.tuxcare.fingerprint[-8:].lower() in gpg_keys(customer)
    assert operator.json("license", "show", key)["hosts_taken"] == 1

    again = register(key)
    assert again.returncode == 1
    assert again.stderr == (
        "This server already has a TuxCare token installed\n"
        "To force re-registration, please run the script with --force\n"
    )
    assert register(key, "--force").returncode == 0
    assert operator.json("license", "show", key)["hosts_taken"] == 1

    left = customer.run(["tuxctl", "--delete"])
    assert left.stdout == "De-registration successful\n"
    assert etc(customer) == before
    assert gpg_keys(customer) == keys_before
    assert operator.json("license", "show", key)["hosts_taken"] == 0


def test_a_licence_for_another_release_lets_nobody_in(customer, register, operator):
    key = operator.create_licence("--product", "esu", "--release", "9.6")
    before = etc(customer)
    done = register(key)
    assert done.returncode == 5
    assert "does not cover AlmaLinux 9.2; it covers 9.6" in done.stderr
    assert etc(customer) == before


def test_a_revoked_licence_lets_nobody_in(customer, register, operator):
    key = operator.create_licence("--product", "esu")
    operator.call("license", "revoke", key)
    before = etc(customer)
    done = register(key)
    assert done.returncode == 5
    assert "(revoked)" in done.stderr
    assert etc(customer) == before


def test_the_last_seat_is_not_given_twice(customer, register, operator, service):
    key = operator.create_licence("--product", "esu", "--hosts", "1")
    assert service.register(key, "elsewhere", machine_id=os.urandom(16).hex()).status_code == 200
    before = etc(customer)
    done = register(key)
    assert done.returncode == 5
    assert "(exhausted)" in done.stderr
    assert "Unregister a host" in done.stderr
    assert etc(customer) == before


def test_without_root_status_works_and_nothing_else_does(customer, register, operator):
    assert register(operator.create_licence("--product", "esu")).returncode == 0
    shown = customer.run(["tuxctl", "status", "--json"], uid=65534)
    assert json.loads(shown.stdout)["registered"] is True
    for command in (["unregister"], ["--license-key", "ESU-23456789ABCD"], ["fips", "enable"]):
        refused = customer.run(["tuxctl", *command], uid=65534, check=False)
        assert refused.returncode == 2, refused
        assert "run it as root" in refused.stderr
    refused = customer.run(["tuxctl", "validate"], uid=65534, check=False)
    assert refused.returncode == 2
    assert "read by root alone" in refused.stderr


def test_a_read_only_etc_is_found_before_anything_happens(customer, register, operator):
    key = operator.create_licence("--product", "esu")
    customer.run("mount --bind /etc /etc && mount -o remount,bind,ro /etc")
    done = register(key)
    assert done.returncode == 6
    assert "cannot be written to" in done.stderr
    assert operator.json("license", "show", key)["hosts_taken"] == 0


def test_the_key_is_in_no_childs_arguments(customer, service, operator):
    """All programs that the installed tuxctl starts, as the kernel saw them."""
    key = operator.create_licence("--product", "esu")
    customer.run(
        [
            *("strace", "-f", "-qq", "-s", "4096", "-e", "trace=execve", "-o", "/tmp/trace"),
            *("tuxctl", "--license-key-file", "-", "--server", service.url),
        ],
        input=key,
    )
    trace = customer.read("/tmp/trace")
    assert '"--import"' in trace
    assert key not in trace
