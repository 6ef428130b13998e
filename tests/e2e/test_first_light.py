"""From nothing to `dnf upgrade`, with every real tool on the way."""

import hashlib

VALIDATED = (
    "openssl-3.0.7-20.el9_2.tuxcare.1",
    "kernel-5.14.0-284.11.1.el9_2.tuxcare.6",
    "gnutls-3.7.6-23.el9_2.tuxcare.3",
    "nettle-3.8-3.el9_2.tuxcare.1",
    "libgcrypt-1.10.0-10.el9_2.tuxcare.3",
    "nss-3.90.0-6.el9_2.tuxcare.1",
)


def register(customer, operator, *options, products=("esu", "fips")):
    key = operator.licence(*(f"--product={product}" for product in products))
    return customer.run(
        ["tuxctl", "--license-key-file", "-", "--server", operator.url, *options],
        input=key + "\n",
        check=False,
    )


def installed(host, name):
    return sorted(nevra for nevra in host.rpmdb() if nevra.rsplit("-", 2)[0] == name)


def test_a_registered_fips_host_upgrades_and_keeps_its_builds(
    customer, serving, operator, standard_upstream
):
    assert operator.sync().status == 0
    done = register(customer, operator, "--fips")
    assert done.returncode == 0, done
    assert "TuxCare installed successfully" in done.stdout
    customer.dnf("install", *VALIDATED)

    standard_upstream.advance()
    assert operator.sync().status == 0
    customer.dnf("--refresh", "upgrade")

    assert installed(customer, "curl") == ["curl-7.76.1-23.el9_2.4.x86_64"]
    assert installed(customer, "tzdata") == ["tzdata-2024a-1.el9.noarch"]
    assert installed(customer, "nss") == ["nss-3.90.0-6.el9_2.tuxcare.1.x86_64"]
    assert installed(customer, "gnutls") == ["gnutls-3.7.6-23.el9_2.tuxcare.3.x86_64"]
    # Patched mode: a newer TuxCare build from the ESU repository is as good.
    assert installed(customer, "openssl") == ["openssl-1:3.0.7-20.el9_2.tuxcare.2.x86_64"]
    assert any("284.11.1.el9_2.tuxcare.6" in nevra for nevra in installed(customer, "kernel-core"))

    before = customer.rpmdb()
    refused = customer.dnf("install", "openssl-3.0.7-24.el9_2", check=False)
    assert refused.returncode == 1
    assert "openssl-3.0.7-20.el9_2.tuxcare.1" in refused.stderr
    assert "4823" in refused.stderr
    assert "tuxctl fips" in refused.stderr
    assert "Downloading Packages" not in refused.stdout
    assert customer.rpmdb() == before


def test_strict_holds_the_validated_builds_alone(customer, serving, operator, standard_upstream):
    standard_upstream.advance()
    assert operator.sync().status == 0
    assert register(customer, operator, "--fips", "--strict").returncode == 0
    customer.dnf("install", *VALIDATED)
    customer.dnf("upgrade")
    assert installed(customer, "openssl") == ["openssl-1:3.0.7-20.el9_2.tuxcare.1.x86_64"]
    assert installed(customer, "curl") == ["curl-7.76.1-23.el9_2.4.x86_64"]


def test_the_token_is_nowhere_but_in_its_file(customer, serving, operator):
    assert operator.sync().status == 0
    assert register(customer, operator).returncode == 0
    token = customer.read("/etc/tuxcare/token").strip()
    assert customer.path("/etc/tuxcare/token").stat().st_mode & 0o777 == 0o600
    output = customer.dnf("upgrade").stdout
    output += customer.dnf("install", "no-such-package", check=False).stderr
    found = customer.run(
        f"grep -rlF {token} /etc /var/log /var/lib/dnf /var/lib/tuxcare || true"
    ).stdout
    assert token not in output
    assert found.split() == ["/etc/tuxcare/token"]
    assert token not in (operator.root / "serve.log").read_text()


def test_registering_twice_is_told_and_force_renews(customer, serving, operator):
    assert operator.sync().status == 0
    assert register(customer, operator).returncode == 0
    first = customer.read("/etc/tuxcare/token")
    again = register(customer, operator)
    assert again.returncode == 1
    assert "This server already has a TuxCare token installed" in again.stdout + again.stderr
    assert register(customer, operator, "--force").returncode == 0
    assert customer.read("/etc/tuxcare/token") != first


def test_unregister_puts_every_byte_back(customer, serving, operator):
    def configuration():
        found = customer.run("cd /etc && find yum.repos.d dnf tuxcare -type f | sort").stdout
        return {
            name: hashlib.sha256(customer.path(f"/etc/{name}").read_bytes()).hexdigest()
            for name in found.split()
        }

    before = configuration()
    assert operator.sync().status == 0
    assert register(customer, operator, "--fips").returncode == 0
    assert configuration() != before
    done = customer.run(["tuxctl", "unregister"])
    assert "De-registration successful" in done.stdout
    assert configuration() == before


def test_without_a_licence_nothing_is_served(customer, serving, operator):
    assert operator.sync().status == 0
    done = customer.run(
        ["tuxctl", "--license-key", "ESU-ABCDEFGHJKMNPQRSTUVWXYZ2", "--server", operator.url],
        check=False,
    )
    assert done.returncode == 5, done
    assert not customer.path("/etc/tuxcare/token").exists()
    customer.add_repo(
        "stolen", f"{operator.url}/almalinux/9.2/{'x' * 40}/BaseOS/x86_64/os/", gpgcheck=0
    )
    failed = customer.dnf(
        "--disablerepo=*", "--enablerepo=stolen", "install", "vim-minimal", check=False
    )
    assert failed.returncode == 1
    assert "403" in failed.stderr


def test_an_update_that_does_not_verify_never_reaches_the_host(
    customer, serving, operator, standard_upstream
):
    assert operator.sync().status == 0
    assert register(customer, operator).returncode == 0
    standard_upstream.advance()
    operator.upstream.fault("*/tzdata-2024a-*", "swap", body=b"not a package")
    run = operator.sync("--json")
    assert run.status == 4, run
    customer.dnf("--refresh", "upgrade")
    assert installed(customer, "tzdata") == ["tzdata-2023c-1.el9.noarch"]
    operator.upstream.heal()
    assert operator.sync().status == 0
    customer.dnf("--refresh", "upgrade")
    assert installed(customer, "tzdata") == ["tzdata-2024a-1.el9.noarch"]
