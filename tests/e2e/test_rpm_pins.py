"""tuxcare-fips-pin and tuxmirror as packages, on hosts with the real dnf and rpm."""

from __future__ import annotations

import pytest

from tests.support.keys import Keys
from tests.support.packages import Built, build_packages, rpm_query
from tests.support.registration import RegistrationServer
from tests.support.repodata import make_repository
from tests.support.rpms import RpmSpec, build_rpms

LICENCE = "ESU-23456789ABCDEFGHJKMNPQRS"
VALIDATED = (
    "openssl-libs-1:3.0.7-20.el9_2.tuxcare.1",
    "kernel-core-5.14.0-284.11.1.el9_2.tuxcare.6",
    "nss-softokn-3.90.0-6.el9_2.tuxcare.1",
    "nss-softokn-freebl-3.90.0-6.el9_2.tuxcare.1",
    "nss-util-3.90.0-6.el9_2.tuxcare.1",
    "gnutls-3.7.6-23.el9_2.tuxcare.3",
    "nettle-3.8-3.el9_2.tuxcare.1",
    "libgcrypt-1.10.0-10.el9_2.tuxcare.3",
    "libkcapi-1.3.1-3.el9",
)
PROTECTED = "/etc/dnf/protected.d/tuxcare-fips-pin.conf"


@pytest.fixture(scope="module")
def built(tmp_path_factory, keys: Keys) -> Built:
    built = build_packages(tmp_path_factory.mktemp("dist"), keys.tuxcare)
    make_repository(built.root, keys.tuxcare)
    return built


@pytest.fixture
def customer(host, built, keys, httpd, standard_upstream, tuxcare_rpms):
    """Repositories: AlmaLinux in its second state, TuxCare's fips and esu, our packages."""
    standard_upstream.advance()
    host.trust(keys.almalinux)
    host.use_upstream(httpd(standard_upstream.root).url)
    tuxcare = host.trust(keys.tuxcare, "/etc/pki/rpm-gpg/test")
    for name in ("fips", "esu"):
        make_repository(tuxcare_rpms / name / "x86_64", keys.tuxcare)
        host.add_repo(f"tuxcare-{name}-test", httpd(tuxcare_rpms / name / "x86_64").url,
                      gpgkey=f"file://{tuxcare}")  # fmt: skip
    host.add_repo("base-test", httpd(built.root).url, gpgkey=f"file://{tuxcare}")
    host.share(tuxcare_rpms)
    host.share(standard_upstream.root)
    return host


def installed(host, name):
    return [nevra for nevra in host.rpmdb() if nevra.rsplit("-", 2)[0] == name]


def test_strict_brings_the_validated_builds_and_holds_them_without_the_plugin(
    customer, standard_upstream, tuxcare_rpms
):
    customer.dnf("install", "openssl-libs", "nettle")  # AlmaLinux's newer ones
    customer.dnf("--allowerasing", "install", "tuxcare-fips-pin-strict")
    for nevra in VALIDATED:
        assert f"{nevra}.x86_64" in customer.rpmdb(), nevra

    customer.dnf("upgrade", "--nobest")
    newer = standard_upstream.package("openssl-libs-3.0.7-2*.x86_64.rpm")
    patched = next((tuxcare_rpms / "esu" / "x86_64").glob("openssl-libs-*.x86_64.rpm"))
    for package in (newer, patched):
        refused = customer.run(["rpm", "-U", package], check=False)
        assert "conflicts with (installed) tuxcare-fips-pin-strict" in refused.stderr
    for package in ("nettle", VALIDATED[1]):
        refused = customer.run(["rpm", "-e", package], check=False)
        assert "is needed by (installed) tuxcare-fips-pin-strict" in refused.stderr
    for nevra in VALIDATED:
        assert f"{nevra}.x86_64" in customer.rpmdb(), nevra


def test_patched_lets_security_patches_in_and_older_builds_not(
    customer, standard_upstream, tuxcare_rpms
):
    customer.dnf("--allowerasing", "install", "tuxcare-fips-pin", *VALIDATED)
    patched = next((tuxcare_rpms / "esu" / "x86_64").glob("openssl-libs-*.x86_64.rpm"))
    customer.run(["rpm", "-U", patched])
    assert installed(customer, "openssl-libs") == ["openssl-libs-1:3.0.7-20.el9_2.tuxcare.2.x86_64"]
    older = standard_upstream.package("openssl-libs-3.0.7-1*.x86_64.rpm")
    refused = customer.run(["rpm", "-U", "--oldpackage", older], check=False)
    assert "conflicts with (installed) tuxcare-fips-pin" in refused.stderr


def test_the_epoch_counts(customer, tmp_path):
    """1:3.0.8 without the epoch would sort below, and pass for older."""
    customer.dnf("--allowerasing", "install", "tuxcare-fips-pin-strict")
    newer = RpmSpec("openssl-libs", "3.0.8", "1.el9", epoch=1)
    unepoched = RpmSpec("openssl-libs", "3.0.7", "20.el9_2.tuxcare.1")
    customer.share(tmp_path)
    for package in build_rpms([newer, unepoched], tmp_path):
        refused = customer.run(["rpm", "-U", "--oldpackage", package], check=False)
        assert "tuxcare-fips-pin-strict" in refused.stderr, package


def test_dnf_removes_the_pins_only_after_fips_mode_is_off(customer, built):
    customer.dnf("install", "tuxcare-release")
    customer.dnf("--allowerasing", "install", "tuxcare-fips-pin", *VALIDATED)
    with RegistrationServer() as server:
        server.keys[LICENCE] = {"products": ["essential", "esu", "fips"]}
        server.repositories.add("/")
        argv = ["tuxctl", "-l", "-", "--server", server.url, "--fips"]
        customer.run(argv, input=LICENCE + "\n")
        for plugins in ([], ["--noplugins"]):
            refused = customer.dnf(*plugins, "--disablerepo=*", "remove", "tuxcare-fips-pin",
                                   check=False)  # fmt: skip
            assert refused.returncode == 1
            assert "protected" in refused.stderr
        assert customer.read(PROTECTED) == "tuxcare-fips-pin\n"

        # The guide's way: the package of the tool goes, the pins stay and can be removed then.
        customer.dnf("--disablerepo=*", "remove", "tuxcare-release")
    assert not customer.path(PROTECTED).exists()
    assert installed(customer, "tuxcare-fips-pin")
    customer.dnf("--disablerepo=*", "remove", "tuxcare-fips-pin")
    assert not installed(customer, "tuxcare-fips-pin")


def test_changing_the_mode_swaps_the_pins(customer):
    customer.dnf("install", "tuxcare-release")
    customer.dnf("--allowerasing", "install", "tuxcare-fips-pin", *VALIDATED)
    with RegistrationServer() as server:
        server.keys[LICENCE] = {"products": ["essential", "esu", "fips"]}
        server.repositories.add("/")
        argv = ["tuxctl", "-l", "-", "--server", server.url, "--fips"]
        customer.run(argv, input=LICENCE + "\n")
        swap = ("--disablerepo=*", "--enablerepo=base-test", "swap", "tuxcare-fips-pin",
                "tuxcare-fips-pin-strict")  # fmt: skip
        assert customer.dnf(*swap, check=False).returncode == 1
        customer.run(["tuxctl", "fips", "enable", "--strict", "--pins-only"])
        customer.dnf(*swap)
    assert installed(customer, "tuxcare-fips-pin-strict")
    assert not installed(customer, "tuxcare-fips-pin")


# -- tuxmirror -----------------------------------------------------------------------------------


@pytest.fixture
def operator(host, built, tmp_path):
    """A host with a stand-in for the libraries that tuxmirror's package asks for."""
    needs = rpm_query("[%{REQUIRES}\n]", built.package("tuxmirror", "noarch")).split()
    provides = [
        f"{name} = 1" for name in needs if name.startswith(("python3-", "createrepo", "gnupg"))
    ]
    build_rpms([RpmSpec("stand-in", "1", "1", arch="noarch", provides=provides)], tmp_path)
    host.share(tmp_path)
    host.share(built.root)
    host.dnf("--disablerepo=*", "install", tmp_path / "stand-in-1-1.noarch.rpm")
    host.run("mkdir -p /usr/lib/python3.9/site-packages")
    return host


def test_tuxmirror_brings_its_user_folders_and_a_service_that_is_off(operator, built):
    operator.run("systemd-sysusers && ! getent passwd tuxmirror")
    operator.dnf("--disablerepo=*", "install", built.package("tuxmirror", "noarch"))
    assert operator.run(["rpm", "-V", "tuxmirror"], check=False).stdout == ""
    user = operator.run("getent passwd tuxmirror").stdout.strip().split(":")
    assert (user[5], user[6]) == ("/var/lib/tuxmirror", "/usr/sbin/nologin")
    owners = operator.run(
        "stat -c '%n %U %G %a' /var/lib/tuxmirror /srv/tuxmirror /etc/tuxmirror/tuxmirror.conf"
    ).stdout.splitlines()
    assert owners == [
        "/var/lib/tuxmirror tuxmirror tuxmirror 750",
        "/srv/tuxmirror tuxmirror tuxmirror 755",
        "/etc/tuxmirror/tuxmirror.conf root tuxmirror 640",
    ]
    for unit in ("tuxmirror.service", "tuxmirror-sync.timer"):
        state = operator.run(["systemctl", "is-enabled", unit], check=False).stdout.strip()
        assert state in ("enabled", "disabled"), unit  # the distribution's presets decide
    done = operator.run("runuser -u tuxmirror -- tuxmirror sync", check=False)
    assert (done.returncode, "no tree is configured" in done.stderr) == (2, True), done


def test_tuxmirror_upgrades_and_goes_and_leaves_what_was_mirrored(operator, built):
    package = built.package("tuxmirror", "noarch")
    operator.dnf("--disablerepo=*", "install", package)
    conf = "/etc/tuxmirror/tuxmirror.conf"
    operator.write("/var/lib/tuxmirror/pool/x.rpm", "mirrored")
    operator.write("/srv/tuxmirror/vetted/x.rpm", "published")
    operator.run(f"echo '; ours' >> {conf}")
    operator.dnf("--disablerepo=*", "reinstall", package)
    assert "; ours" in operator.read(conf)
    operator.dnf("--disablerepo=*", "remove", "tuxmirror")
    assert "; ours" in operator.read(conf + ".rpmsave")
    assert operator.read("/var/lib/tuxmirror/pool/x.rpm") == "mirrored"
    assert operator.read("/srv/tuxmirror/vetted/x.rpm") == "published"
    left = operator.run("find /usr /etc -xdev -name '*tuxmirror*'").stdout.split()
    assert sorted(left) == ["/etc/tuxmirror", conf + ".rpmsave"]


def test_both_packages_share_a_machine(operator, built):
    operator.dnf("--disablerepo=*", "install", built.package("tuxmirror", "noarch"),
                 built.package("tuxcare-release"))  # fmt: skip
    assert operator.run(["rpm", "-V", "tuxmirror", "tuxcare-release"], check=False).stdout == ""
    operator.dnf("--disablerepo=*", "remove", "tuxcare-release")
    assert operator.run(["tuxmirror", "--version"]).stdout.startswith("tuxmirror ")
