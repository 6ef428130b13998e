"""The package on hosts with the real dnf and rpm: from installing to removing, and what is left."""

from __future__ import annotations

import time

import pytest

from tests.support.keys import Keys
from tests.support.packages import Built, build_packages, other_checkout
from tests.support.registration import RegistrationServer
from tests.support.repodata import make_repository
from tests.support.repofiles import repo_files
from tests.support.rpms import RpmSpec, build_rpms

KEY = "/etc/pki/rpm-gpg/RPM-GPG-KEY-TuxCare"
LICENCE = "ESU-23456789ABCDEFGHJKMNPQRS"
BASEOS = "/etc/yum.repos.d/almalinux-baseos.repo"
TUXCARE_CONF = "/etc/tuxcare/tuxcare.conf"
# Where package managers keep their own books, and where every process may write.
BOOKS = "/var/lib/rpm /var/lib/dnf /var/cache /var/log /usr/lib/sysimage /var/tmp"


@pytest.fixture(scope="module")
def built(tmp_path_factory, keys: Keys) -> Built:
    return build_packages(tmp_path_factory.mktemp("dist"), keys.tuxcare)


@pytest.fixture(scope="module")
def newer(tmp_path_factory, keys: Keys, built: Built) -> Built:
    """Release 2, which says something new in a configuration file."""
    checkout = other_checkout(built, tmp_path_factory.mktemp("newer") / "source")
    conf = checkout / "etc" / "tuxcare" / "tuxcare.conf"
    conf.write_text(conf.read_text() + "# New in release 2.\n")
    return build_packages(
        tmp_path_factory.mktemp("dist2"),
        keys.tuxcare,
        checkout=checkout,
        defines=["baserelease 2"],
    )


@pytest.fixture
def registration():
    with RegistrationServer() as server:
        yield with_licence(server)


def with_licence(server):
    server.keys[LICENCE] = {"products": ["essential", "esu", "fips"]}
    server.repositories.add("/")
    return server


@pytest.fixture
def customer(host, built, newer):
    """An AlmaLinux 9.2 host that sees the packages' folders and no network repository."""
    for folder in (built.root, newer.root):
        host.share(folder)
    # What EL's filesystem, dnf and Python own.
    host.run(
        "mkdir -p /etc/dnf/vars /etc/dnf/protected.d /etc/dnf/plugins /usr/share/licenses"
        " /usr/lib/python3.9/site-packages/dnf-plugins/__pycache__"
    )
    # systemd's own on EL: units are off unless a preset says otherwise.
    preset = "/usr/lib/systemd/system-preset/99-default-disable.preset"
    host.write(preset, "disable *\n")
    return host


def files(host, *folders):
    """path -> type, mode, owner and content of all that is below /etc, /usr, /var, /srv."""
    pruned = " -o ".join(f"-path {book}" for book in BOOKS.split())
    found = host.run(
        f"find /etc /usr /var /srv -xdev \\( {pruned} \\) -prune -o -printf '%p %y %m %U %G %l\\n'"
    ).stdout
    result = dict(line.split(" ", 1) for line in found.splitlines())
    sums = host.run("find /etc /var/lib/tuxcare* -xdev -type f -exec sha256sum {} +", check=False)
    for line in sums.stdout.splitlines():
        digest, path = line.split(None, 1)
        result[path] += digest
    return result


def changed(before, after):
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


def local(host, *arguments, check=True):
    """dnf with what is in files alone."""
    return host.dnf("--disablerepo=*", *arguments, check=check)


def register(host, server, *options):
    return host.run(
        ["tuxctl", "--license-key-file", "-", "--server", server.url, *options],
        input=LICENCE + "\n",
    )


def verify(host, name="tuxcare-release"):
    return host.run(["rpm", "-V", name], check=False).stdout


def listed(host, queryformat, name="tuxcare-release"):
    return host.run(["rpm", "-q", "--qf", queryformat, name]).stdout.splitlines()


# -- installing ----------------------------------------------------------------------------------


def test_installing_from_a_file_adds_its_files_and_changes_no_other(customer, built):
    before = files(customer)
    local(customer, "install", built.root / "tuxcare-release-latest-9.2.x86_64.rpm")
    after = files(customer)

    owned = set(customer.run(["rpm", "-ql", "tuxcare-release"]).stdout.split())
    assert changed(before, after) <= owned
    ghosts = {line.split()[0] for line in listed(customer, "[%{FILENAMES} %{FILEFLAGS:fflags}\n]")
              if line.endswith(" g")}  # fmt: skip
    assert owned - after.keys() == ghosts
    assert verify(customer) == ""
    assert customer.read("/etc/tuxcare-release") == (
        "TuxCare Enterprise Support for AlmaLinux release 9.2\n"
    )
    assert "enabled=1" not in customer.read("/etc/yum.repos.d/tuxcare.repo")


def test_installing_from_a_repository_checks_the_signature(customer, built, keys, httpd):
    make_repository(built.root, keys.tuxcare)
    url = httpd(built.root).url
    key = customer.trust(keys.tuxcare, "/etc/pki/rpm-gpg/test")
    # The host's own repositories have no server here.
    customer.run("rm /etc/yum.repos.d/almalinux*")
    customer.add_repo("base", url, gpgkey="file://" + customer.trust(keys.stranger, "/etc/other"))
    refused = customer.dnf("install", "tuxcare-release", check=False)
    assert refused.returncode == 1
    customer.add_repo("base", url, gpgkey="file://" + key)
    customer.dnf("install", "tuxcare-release")
    assert listed(customer, "%{ARCH}") == ["x86_64"]
    assert verify(customer) == ""


def test_it_takes_the_place_of_almacare_release(customer, built, keys, httpd, tmp_path):
    build_rpms([RpmSpec("almacare-release", "9.2", "3.el9", arch="noarch")], tmp_path)
    customer.share(tmp_path)
    local(customer, "install", tmp_path / "almacare-release-9.2-3.el9.noarch.rpm")
    make_repository(built.root, keys.tuxcare)
    customer.run("rm /etc/yum.repos.d/almalinux*")
    customer.add_repo("base", httpd(built.root).url, gpgcheck=0)
    customer.dnf("upgrade")
    names = [nevra.rsplit("-", 2)[0] for nevra in customer.rpmdb()]
    assert "tuxcare-release" in names
    assert "almacare-release" not in names


def test_the_noarch_twin_is_replaced_by_the_package_of_the_architecture(
    customer, newer, tmp_path, keys
):
    twin = build_packages(tmp_path / "twin", keys.tuxcare, arches=["noarch"])
    customer.share(twin.root)
    local(customer, "install", twin.package("tuxcare-release", "noarch"))
    local(customer, "upgrade", newer.package("tuxcare-release"))
    assert listed(customer, "%{RELEASE}.%{ARCH}") == ["2.el9_2.x86_64"]


# -- a registered host ---------------------------------------------------------------------------


def test_removing_a_registered_hosts_package_leaves_the_host_as_it_was(
    customer, built, registration
):
    before = files(customer)
    local(customer, "install", built.package("tuxcare-release"))
    assert "TuxCare installed successfully" in register(customer, registration, "--fips").stdout
    assert verify(customer) == ""
    assert "$tuxcare_token" in customer.read(BASEOS)
    assert customer.read("/etc/dnf/protected.d/tuxcare-fips-pin.conf") == "tuxcare-fips-pin\n"

    registration.calls.clear()
    done = customer.dnf("remove", "almacare-release", "tuxcare-release")  # as the guide has it
    assert changed(before, files(customer)) == set()
    assert "seat stays taken" not in done.stdout
    assert [call[1].rpartition("/")[2] for call in registration.calls] == ["unregister"]
    assert registration.tokens == {}
    assert repo_files("9.2")["almalinux-baseos.repo"] == customer.read(BASEOS)
    left = customer.run("ls -A /var/lib/tuxcare /etc/tuxcare", check=False)
    assert left.returncode != 0, left.stdout


@pytest.mark.parametrize("status", [500, 401])
def test_a_service_that_does_not_take_the_seat_back_keeps_no_package(
    customer, built, registration, status
):
    before = files(customer)
    local(customer, "install", built.package("tuxcare-release"))
    register(customer, registration)
    registration.answer("token/unregister", status=status)
    done = customer.dnf("remove", "tuxcare-release")
    assert ("seat stays taken" in done.stdout + done.stderr) is (status == 500)
    assert changed(before, files(customer)) == set()


def test_without_a_network_the_package_goes_all_the_same(customer, built):
    before = files(customer)
    local(customer, "install", built.package("tuxcare-release"))
    with RegistrationServer() as service:
        register(customer, with_licence(service))
    started = time.monotonic()
    done = customer.dnf("remove", "tuxcare-release")
    assert time.monotonic() - started < 60
    assert "seat stays taken" in done.stdout + done.stderr
    assert changed(before, files(customer)) == set()


def test_what_an_administrator_edited_since_is_kept(customer, built, registration):
    local(customer, "install", built.package("tuxcare-release"))
    register(customer, registration)
    customer.write(BASEOS, customer.read(BASEOS) + "\n[own]\nname=own\nbaseurl=http://own/\n")
    customer.write(TUXCARE_CONF, "[main]\ncompat_vars = no\n")
    customer.dnf("remove", "tuxcare-release")
    original = repo_files("9.2")["almalinux-baseos.repo"]
    assert customer.read(BASEOS) == original + "\n[own]\nname=own\nbaseurl=http://own/\n"
    assert customer.read(TUXCARE_CONF + ".rpmsave") == "[main]\ncompat_vars = no\n"


def test_upgrade_downgrade_and_reinstall_keep_registration_and_configuration(
    customer, built, newer, registration
):
    local(customer, "install", built.package("tuxcare-release"))
    customer.write(TUXCARE_CONF, customer.read(TUXCARE_CONF) + "# ours\n")
    register(customer, registration, "--fips")
    customer.run("echo 9.4 > /etc/dnf/vars/tuxcare_releasever")
    kept = (
        "/etc/tuxcare/token",
        "/etc/tuxcare/fips.conf",
        "/etc/yum.repos.d/tuxcare.repo",
        "/etc/dnf/vars/tuxcare_releasever",
        "/var/lib/tuxcare/journal/journal.json",
        "/var/lib/tuxcare/registration.json",
        BASEOS,
        TUXCARE_CONF,
    )
    before = {path: customer.path(path).read_bytes() for path in kept}

    for command, package, release in (
        ("upgrade", newer, "2.el9_2"),
        ("reinstall", newer, "2.el9_2"),
        ("downgrade", built, "1.el9_2"),
        ("reinstall", built, "1.el9_2"),
    ):
        local(customer, command, package.package("tuxcare-release"))
        assert listed(customer, "%{RELEASE}") == [release]
        now = {path: customer.path(path).read_bytes() for path in kept}
        assert now == before, command
        assert set(verify(customer).split()) <= {"S.5....T.", "c", TUXCARE_CONF}
        news = customer.read(TUXCARE_CONF + ".rpmnew")
        assert ("# New in release 2." in news) == (release == "2.el9_2")
    assert customer.run(["tuxctl", "validate"]).returncode == 0

    customer.run(["tuxctl", "unregister"])
    assert customer.read(BASEOS) == repo_files("9.2")["almalinux-baseos.repo"]


def test_a_reverted_host_removes_the_upgraded_package_without_a_trace(
    customer, built, newer, registration
):
    before = files(customer)
    local(customer, "install", built.package("tuxcare-release"))
    register(customer, registration)
    local(customer, "upgrade", newer.package("tuxcare-release"))
    customer.dnf("remove", "tuxcare-release")
    assert changed(before, files(customer)) == set()


@pytest.mark.parametrize(
    "broken",
    [
        "printf '#!/bin/sh\\nexit 70\\n' > /usr/sbin/tuxctl",
        "rm /usr/sbin/tuxctl",
        "echo 'raise SystemExit(3)' > /usr/lib/python3.9/site-packages/tuxctl/cli.py",
        "echo '{' > /var/lib/tuxcare/journal/journal.json",
    ],
)
def test_no_trouble_of_a_scriptlet_stops_the_removal(customer, built, registration, broken):
    local(customer, "install", built.package("tuxcare-release"))
    register(customer, registration)
    journal = "/var/lib/tuxcare/journal"
    blobs = sorted(p.name for p in customer.path(journal + "/blobs").iterdir())
    customer.run(broken)
    done = customer.dnf("remove", "tuxcare-release")
    assert "tuxcare-release" not in " ".join(customer.rpmdb())
    assert "/var/lib/tuxcare keeps the originals" in done.stdout + done.stderr
    assert sorted(p.name for p in customer.path(journal + "/blobs").iterdir()) == blobs
