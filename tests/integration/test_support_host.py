"""The throwaway host runs the real dnf against the test trees, and vanishes."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support import CHECKOUT
from tests.support.host import CommandFailed, Host
from tests.support.policy import leaks
from tests.support.repodata import make_repository
from tests.support.repofiles import repo_files
from tests.support.rpms import RpmSpec
from tests.support.upstream import standard_tree


@pytest.fixture
def upstream_host(host, httpd, keys, standard_upstream):
    host.trust(keys.almalinux)
    host.use_upstream(httpd(standard_upstream.root).url)
    return host


def test_installs_and_upgrades_from_the_standard_tree(upstream_host, standard_upstream):
    host = upstream_host
    host.dnf("install", "curl", "kernel", "nss", "openssl", "tzdata")
    before = host.rpmdb()
    assert "openssl-libs-1:3.0.7-16.el9_2.x86_64" in before
    assert "nspr-4.35.0-3.el9_2.x86_64" in before
    standard_upstream.advance()
    advisories = host.dnf("updateinfo", "list", "--refresh").stdout
    assert "ALSA-2023:5763 Important/Sec. curl-7.76.1-23.el9_2.4.x86_64" in advisories
    host.dnf("upgrade")
    after = host.rpmdb()
    assert "openssl-libs-1:3.0.7-24.el9_2.x86_64" in after
    assert "curl-7.76.1-23.el9_2.1.x86_64" not in after
    kernels = [nevra for nevra in after if nevra.startswith("kernel-core-")]
    assert kernels == [
        "kernel-core-5.14.0-284.11.1.el9_2.x86_64",
        "kernel-core-5.14.0-284.30.1.el9_2.x86_64",
    ]


def test_modules_groups_and_multilib(upstream_host):
    host = upstream_host
    modules = host.dnf("module", "list").stdout
    assert "postgresql 15 [d] common [d]" in " ".join(modules.split())
    host.dnf("module", "install", "nodejs:18")
    host.dnf("group", "install", "web-server")
    host.dnf("install", "nss-tools", "libcurl.i686", "gnutls-c++")
    installed = host.rpmdb()
    assert "nodejs-18.14.2-3.module_el9.2.0+32+f3c125b5.x86_64" in installed
    assert "httpd-2.4.53-11.el9_2.5.x86_64" in installed
    assert "openssl-libs-1:3.0.7-16.el9_2.i686" in installed


def test_unsigned_package_is_refused(upstream_host, standard_upstream):
    standard_upstream.add("BaseOS", "x86_64", [RpmSpec("rogue")], unsigned=True)
    standard_upstream.publish()
    with pytest.raises(CommandFailed, match="not signed"):
        upstream_host.dnf("install", "rogue")


def test_tuxcare_builds_are_installable(host, httpd, keys, tuxcare_rpms, standard_upstream):
    make_repository(tuxcare_rpms / "fips" / "x86_64")
    host.trust(keys.almalinux)
    host.use_upstream(httpd(standard_upstream.root).url)
    key = host.trust(keys.tuxcare, "/etc/pki/rpm-gpg/RPM-GPG-KEY-TuxCare")
    url = httpd(tuxcare_rpms).url
    host.add_repo("tuxcare-fips", f"{url}/fips/x86_64/", gpgkey=f"file://{key}")
    host.dnf("install", "kernel", "nss-tools", "openssl-devel", "gnutls-utils", "libgcrypt-devel")
    tuxcare = [nevra for nevra in host.rpmdb() if ".tuxcare." in nevra]
    assert "nspr-4.35.0-6.el9_2.tuxcare.1.x86_64" in tuxcare
    assert "kernel-core-5.14.0-284.11.1.el9_2.tuxcare.6.x86_64" in tuxcare
    assert "nettle-3.8-3.el9_2.tuxcare.1.x86_64" in tuxcare
    assert "openssl-libs-1:3.0.7-20.el9_2.tuxcare.1.x86_64" in tuxcare


def test_looks_like_a_fresh_almalinux(host):
    assert host.run("hostname").stdout == "host1\n"
    assert host.rpmdb() == [
        "almalinux-release-9.2-1.el9.x86_64",
        "almalinux-repos-9.2-1.el9.x86_64",
        "basesystem-11-13.el9.noarch",
    ]
    assert host.run("rpm -Va").stdout == ""
    assert host.run("ls /etc/dnf/plugins /root /tmp").stdout.split() == [
        "/etc/dnf/plugins:", "/root:", "/tmp:",
    ]  # fmt: skip
    assert not host.path("/etc/debian_version").exists()
    assert 'VERSION_ID="9.2"' in host.read("/etc/os-release")
    repositories = host.dnf("repolist", "--all").stdout
    assert "crb-debuginfo" in repositories
    releasever = "import dnf; print(dnf.rpm.detect_releasever('/'))"
    assert host.run(["/usr/bin/python3", "-c", releasever]).stdout == "9\n"


def test_foreign_arch_is_what_dnf_and_rpm_see(make_host, httpd, keys, tmp_path):
    tree = standard_tree(tmp_path / "arm", keys.almalinux, arches=("aarch64",))
    host = make_host(arch="aarch64")
    host.trust(keys.almalinux)
    host.use_upstream(httpd(tree.root).url)
    host.dnf("install", "openssl")
    assert "openssl-libs-1:3.0.7-16.el9_2.aarch64" in host.rpmdb()


def test_files_commands_and_users(host):
    host.write("/etc/tuxcare/token", "secret", mode=0o600)
    assert host.read("/etc/tuxcare/token") == "secret"
    assert host.run("cat; echo $EXTRA; pwd", input="in ", env={"EXTRA": "e"}).stdout == "in e\n/\n"
    assert host.run(["cat", "/etc/tuxcare/token"], uid=65534, check=False).returncode == 1
    with pytest.raises(CommandFailed, match="exit 3") as caught:
        host.run("echo out; echo err >&2; exit 3")
    assert "out" in str(caught.value)
    assert "err" in str(caught.value)


def test_shared_folder_is_seen_on_both_sides(host, tmp_path):
    assert not host.path(tmp_path).exists()
    (tmp_path / "from-outside").touch()
    host.share(tmp_path)
    assert host.run(["ls", tmp_path]).stdout == "from-outside\n"
    host.run(["touch", tmp_path / "from-inside"])
    assert (tmp_path / "from-inside").exists()


def test_own_network_is_reached_from_inside_only(make_host):
    host = make_host(network="own")
    host.serve(["python3", "-m", "http.server", "--bind", "127.0.0.1", "8099"], port=8099)
    assert "200" in host.run(["curl", "-sI", "http://127.0.0.1:8099/"]).stdout
    outside = subprocess.run(["curl", "-s", "http://127.0.0.1:8099/"], check=False)
    assert outside.returncode == 7


def test_checkout_installs(host):
    host.install_checkout()
    importing = "import tuxcare.host, tuxctl; print(tuxctl.__file__)"
    assert host.run(["/usr/bin/python3", "-c", importing]).stdout.startswith(
        "/usr/lib/python3.9/site-packages/tuxctl/"
    )


def test_nothing_is_left_of_a_host():
    with Host() as host:
        host.run("sleep 31.4159 >/dev/null 2>&1 & echo started")
        host.write("/tmp/only-inside", "x")
        pid = host.pid
        assert Path(f"/proc/{pid}/root/tmp/only-inside").exists()
    # Mounts live as long as their namespace, and that as long as a process in it.
    assert not Path(f"/proc/{pid}/root/tmp/only-inside").exists()
    assert not Path("/tmp/only-inside").exists()
    processes = subprocess.run(["ps", "ax"], capture_output=True, text=True, check=True).stdout
    assert "sleep 31.4159" not in processes


def test_host_dies_with_a_killed_test_runner():
    script = (
        "import time; from tests.support.host import Host\n"
        "with Host() as host: print(host.pid, flush=True); time.sleep(60)"
    )
    runner = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=CHECKOUT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with runner:
        pid = int(runner.stdout.readline())
        assert Path(f"/proc/{pid}/root/etc").exists()
        runner.kill()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}/root/etc").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}/root/etc").exists()


def test_leaked_process_is_found_and_ended(monkeypatch):
    monkeypatch.setattr("tests.support.policy.GRACE", 0.1)
    environment = {"TUXCARE_TEST_RUN": "leak-test", "PATH": "/usr/bin:/bin"}
    leaked = subprocess.Popen(["sleep", "77"], env=environment)
    assert leaks("leak-test", None) == [f"process {leaked.pid}: sleep 77"]
    assert leaked.wait(timeout=5) == -9
    assert leaks("leak-test", None) == []


@pytest.mark.shared_data
@pytest.mark.parametrize("release", ["8.9", "9.3"])
def test_repository_files_are_those_that_almalinux_ships(shared_data, release):
    shipped = shared_data / "repofiles" / f"almalinux-{release}" / "etc" / "yum.repos.d"
    for name, text in repo_files(release).items():
        assert text == (shipped / name).read_text(), name


@pytest.mark.parametrize(("release", "enabled"), [("8.10", "ha"), ("10.0", "crb")])
def test_other_releases(make_host, release, enabled):
    host = make_host(release=release)
    major = release.split(".")[0]
    assert f"almalinux-release-{release}-1.el{major}.x86_64" in host.rpmdb()
    listed = host.dnf("repolist", "--all").stdout
    assert f"\n{enabled} " in listed
    assert f"AlmaLinux {major} - BaseOS" in listed
