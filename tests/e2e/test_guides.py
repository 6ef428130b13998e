"""Every command block of both administrator's guides, typed as it stands.

The hosts are throwaway ones on a network of their own, in which the guides' names lead to the real
`tuxmirror serve` (through TLS), and to a community mirror. Real are rpm, dnf, tuxctl, the packages
that `./dev rpm` builds, sed and shell; EL's boot tools are stand-ins (tests.support.el_tools).
Licence keys stand in place of the guides' ESU-XXX; nothing else is changed.

HANDLED says of every block which test types it or compares its output; CANNOT says why a block
cannot be run here. A block that stands in neither fails `test_every_block_is_dealt_with`.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support import SHARED_DATA, guides
from tests.support.boot import BootTools
from tests.support.host import DNF_CONF, SITE_PACKAGES, Host
from tests.support.httpd import Httpd
from tests.support.internet import Internet, in_network, stop
from tests.support.mirror import MirrorSite, run
from tests.support.packages import build_packages
from tests.support.rpms import RpmSpec, build_rpms
from tests.support.tree import copy_linked

pytestmark = pytest.mark.shared_data

OLD, NEW = "guide-2023-11", "guide-2025-03"
FOLDER = SHARED_DATA.parent / "seeds"

INSTALL = "Installing tuxctl"
ESSENTIAL = "Installing tuxctl (Essential Support)"
FIPS = "Enabling FIPS 140-3 mode"
UNINSTALL = "Uninstalling tuxctl"
SWITCH = "Switching repositories"
MIGRATE = "3. Enable AlmaLinux 9.2 ESU repositories and FIPS mode"
SUPPORT = "Accessing Technical Support"

_OF_2025 = [f"{INSTALL}/{n}" for n in range(1, 6)] + [f"{FIPS}/{n}" for n in (1, 2)]
HANDLED = {
    NEW: {
        **dict.fromkeys(
            _OF_2025 + [f"{UNINSTALL}/{n}" for n in range(1, 5)],
            "test_the_guide_of_2025_from_registering_to_removing",
        ),
        **dict.fromkeys([f"{ESSENTIAL}/{n}" for n in (1, 2, 3)], "test_essential_support_on_8_10"),
        f"{ESSENTIAL}/4": "test_essential_support_moves_to_9_4",
        f"{MIGRATE}/1": "test_the_last_step_of_the_migration",
        f"{SUPPORT}/2": "test_essential_support_moves_to_9_4",
    },
    OLD: {
        **dict.fromkeys(_OF_2025, "test_the_guide_of_2023"),
        **dict.fromkeys([f"{SWITCH}/{n}" for n in (1, 2)], "test_the_guide_of_2023"),
    },
}
_OTHER_PRODUCT = "KernelCare and LibCare are products of their own, with an installer of their own"
_OTHER_SYSTEM = "upgrades a running CentOS or AlmaLinux 8 in place, by programs of others (leapp)"
CANNOT = {
    NEW: {
        "1A. Migrate CentOS 7.9 ELS to AlmaLinux 8.10/1": _OTHER_SYSTEM,
        "1B. Migrate CentOS Stream 8 ELS to AlmaLinux 8.10/1": _OTHER_SYSTEM,
        "2. Upgrade AlmaLinux 8.10 to 9.2/1": _OTHER_SYSTEM,
        f"{SUPPORT}/1": "asks Amazon with the customer's own credentials",
    },
    OLD: {
        "Installation/1": _OTHER_PRODUCT,
        "Installation/2": _OTHER_PRODUCT,
        "Enabling rapid security updates for userspace components/1": _OTHER_PRODUCT,
        "Using the Live Patching for AlmaLinux (KernelCare and LibCare)/1": _OTHER_PRODUCT,
        "Using the Live Patching for AlmaLinux (KernelCare and LibCare)/2": _OTHER_PRODUCT,
    },
}
COUNTS = {NEW: (17, 4), OLD: (9, 5)}


@pytest.fixture(scope="module")
def guide():
    return {name: guides.read(FOLDER / f"{name}.md") for name in (OLD, NEW)}


@pytest.mark.parametrize("name", [OLD, NEW])
def test_every_block_is_dealt_with(guide, name):
    blocks, handled, cannot = guide[name], HANDLED[name], CANNOT[name]
    assert sorted(blocks) == sorted([*handled, *cannot])
    assert (len(handled), len(cannot)) == COUNTS[name]
    assert set(handled.values()) <= set(globals())


def test_a_block_that_is_new_in_a_guide_is_noticed(guide, tmp_path):
    text = (FOLDER / f"{NEW}.md").read_text(encoding="utf-8")
    path = tmp_path / f"{NEW}.md"
    path.write_text(text + "\n## Something new\n\n```text\n# true\n```\n", encoding="utf-8")
    assert guides.read(path).keys() - guide[NEW].keys() == {"Something new/1"}
    assert "Something new/1" not in {**HANDLED[NEW], **CANNOT[NEW]}


# -- what the guides' names lead to --------------------------------------------------------------


class Site(MirrorSite):
    """A mirror with everything that the guides install; `files` are what others serve."""

    files: Path

    def licence(self, *products: str) -> str:
        options = [f"--product={product}" for product in products]
        done = run(self.command("license", "create", *options), self.environment)
        assert done.status == 0, done
        return done.stdout.strip()


@pytest.fixture(scope="module")
def site(tmp_path_factory, keys, standard_tree_master, tuxcare_rpms_master):
    """AlmaLinux 9.2 at the mirror is as released; 9.4 there, and the community's 9, are newer."""
    top = tmp_path_factory.mktemp("guides")
    first = standard_tree_master.copy(top / "first")
    second = standard_tree_master.copy(top / "second")
    second.advance()
    with Httpd(first.root) as released, Httpd(second.root) as newer:
        site = Site(top / "mirror")
        site.root.mkdir()
        site.main["upstream"] = released.url
        repos = {"repos": "BaseOS AppStream CRB extras"}
        site.add_tree("almalinux/9.2", keys.almalinux, upstream=f"{released.url}/9.2", **repos)
        for tree in ("almalinux/9.4", "almalinux/9"):
            site.add_tree(tree, keys.almalinux, upstream=f"{newer.url}/9.2", open="yes", **repos)
        for name in ("esu", "fips"):
            source = copy_linked(tuxcare_rpms_master / name, top / name)
            site.add_local(f"tuxcare/9.2/{name}", keys.tuxcare, source)
        site.files = top / "files"
        _publish_own_packages(site, keys, top)
        _publish_community(site.files / "repo.almalinux.org", second.root)
        assert site.sync().status == 0
        yield site


def _publish_own_packages(site, keys, top):
    """tuxcare-base, whose release package has the name in /tuxcare/ that people install it by. In
    the older guide's name is the major release, and the package is the one for every arch."""
    built = build_packages(top / "dist", keys.tuxcare, arches=["x86_64", "noarch"])
    own = [path for path in built.packages if path.name.startswith("tuxcare-")]
    for release, arch in (("9.2", "x86_64"), ("9", "noarch")):
        base = top / f"base-{release}" / "x86_64"
        base.mkdir(parents=True)
        for path in own:
            if path.name.endswith(f".{arch}.rpm"):
                os.link(path, base / path.name)
        name = f"tuxcare/{release}/base"
        site.add_local(name, keys.tuxcare, base.parent, latest="tuxcare-release")


def _publish_community(folder, tree):
    (folder / "almalinux").mkdir(parents=True)
    for major in ("8", "9"):
        (folder / "almalinux" / major).symlink_to(tree / "9.2")
        for name, repo in (("baseos", "BaseOS"), ("appstream", "AppStream"), ("extras", "extras")):
            path = folder.parent / "mirrors.almalinux.org" / "mirrorlist" / major / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"https://repo.almalinux.org/almalinux/{major}/{repo}/$basearch/os/\n")


class Shell:
    """Somebody at the host's root prompt, who says yes to whatever dnf asks."""

    def __init__(self, host: Host, key: str) -> None:
        self.host = host
        self.tools: BootTools
        self._key = key

    def type(self, block: guides.Block, *, end: str = "", check=True):
        """Every command of a block, each with the guide's own output compared where it shows any;
        `end` goes behind tuxctl's. Returns how they ended."""
        ended = []
        for step in block.steps:
            command = guides.with_key(step.command, self._key)
            if command.startswith("tuxctl"):
                command += end
            done = self.host.run(command, check=False, input="y\n" * 9, timeout=300)
            assert not check or done.returncode == 0, (command, done)
            if step.output:
                assert _words(done.stdout) == _words("\n".join(step.output)), (command, done)
            ended.append(done)
        return ended

    def installed(self, *names: str) -> list[str]:
        return [nevra for nevra in self.host.rpmdb() if nevra.rsplit("-", 2)[0] in names]


def _words(text: str) -> list[str]:
    return text.split()


@pytest.fixture
def member(make_host, site, keys, tmp_path):
    """`member(products, ...)`: a host that knows nothing of TuxCare, and a licence."""
    running = []

    def start(*products, release="9.2", packages=("curl", "openssl", "nss", "gnutls", "kernel")):
        host = make_host(release=release, network="own")
        key = site.licence(*products)
        shell = Shell(host, key)
        server = in_network(
            host,
            site.command("serve", "--listen", "127.0.0.1:8080"),
            env=site.environment,
            stdout=subprocess.PIPE,
            stderr=(tmp_path / "serve.log").open("w"),
        )
        running.append(lambda: stop(server))
        assert server.stdout.readline().startswith(b"listening on ")
        internet = Internet(host, tmp_path / "internet", _sites(site), ("169.254.169.254",))
        internet.__enter__()
        running.append(lambda: internet.__exit__())
        _dress(shell, keys, release)
        if packages:
            host.dnf("install", *packages, *_others(host, tmp_path))
            shell.tools.reboot()
        return shell

    yield start
    for end in reversed(running):
        end()


def _sites(site):
    cloud = site.files / "cloud" / "latest" / "dynamic" / "instance-identity"
    if not cloud.exists():
        cloud.mkdir(parents=True)
        (cloud / "document").write_text('{\n  "accountId" : "123456789012",\n  "region" : "x"\n}\n')
    return {
        "repo.tuxcare.com": 8080,
        "cln.cloudlinux.com": 8080,
        "repo.almalinux.org": site.files / "repo.almalinux.org",
        "mirrors.almalinux.org": site.files / "mirrors.almalinux.org",
        "169.254.169.254": site.files / "cloud",
    }


def _dress(shell, keys, release):
    host = shell.host
    host.trust(keys.almalinux)
    shell.tools = BootTools(host)
    major = release.partition(".")[0]
    host.write("/etc/rpm/macros.almalinux", f"%almalinux {major}\n")
    host.write("/etc/dnf/protected.d/sudo.conf", "sudo\n")
    if major == "8":
        host.write("/etc/dnf/dnf.conf", DNF_CONF.replace("3.9", "3.6"))
        host.run(f"ln -s python3.9 {SITE_PACKAGES.rpartition('/python')[0]}/python3.6")
        host.run("ln -s /usr/bin/python3 /usr/libexec/platform-python")


def _others(host, tmp_path):
    """What stands in for the many packages that need openssl-libs, sudo among them."""
    folder = tmp_path / "others"
    sudo = RpmSpec("sudo", requires=("openssl-libs(x86-64)",))
    paths = build_rpms([sudo], folder)
    host.share(folder)
    return paths


# -- the guide of 2025 ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "end", "upgraded"),
    [
        ("patched", "", "openssl-1:3.0.7-20.el9_2.tuxcare.2.x86_64"),
        pytest.param(
            "strict", " --strict", "openssl-1:3.0.7-20.el9_2.tuxcare.1.x86_64",
            marks=pytest.mark.full,
        ),
    ],
)  # fmt: skip
def test_the_guide_of_2025_from_registering_to_removing(member, guide, mode, end, upgraded):
    blocks = guide[NEW]
    shell = member("essential", "esu", "fips")
    host = shell.host
    before = _configuration(host)

    _register(shell, blocks)
    shell.type(blocks[f"{FIPS}/1"], end=end)
    shell.type(blocks[f"{FIPS}/2"])
    assert "mode = " + mode in host.read("/etc/tuxcare/fips.conf")
    _complete(host, mode)
    host.dnf("upgrade")
    assert shell.installed("openssl") == [upgraded]

    removed = shell.type(blocks[f"{UNINSTALL}/1"])[0]
    assert _configuration(host) == before
    assert host.run(["fips-mode-setup", "--check"], check=False).stdout.startswith(
        "FIPS mode is disabled."
    )
    if mode == "strict":
        # What 'fips enable' did and nobody took back is said. dnf's pattern means names where there
        # are such: the pin package goes first, alone.
        assert "'dnf remove tuxcare-fips-pin*'" in removed.stdout + removed.stderr
        held = host.dnf("downgrade", "openssl", check=False)
        assert "tuxcare-fips-pin-strict" in held.stdout + held.stderr
        shell.type(blocks[f"{UNINSTALL}/2"])
        assert shell.installed("tuxcare-fips-pin-strict") == []
    [refused] = shell.type(blocks[f"{UNINSTALL}/2"], check=False)
    _compare_error(refused, blocks[f"{UNINSTALL}/3"])
    shell.type(blocks[f"{UNINSTALL}/4"])
    host.dnf("upgrade")
    left = [nevra for nevra in host.rpmdb() if "tuxcare" in nevra]
    assert left == []


def _complete(host, mode):
    """The guide installs `nss` of the validated build, and not the modules below it: where the
    community's were newer already, they are not validated. tuxctl says so, and helps."""
    told = host.run(["tuxctl", "fips", "status"], check=False)
    assert told.returncode == 8
    assert "nss: is not a build that the mode allows" in told.stderr
    assert "openssl: is not" not in told.stderr
    if mode == "strict":
        host.run(["tuxctl", "fips", "enable", "--strict", "--yes"])
    else:
        host.dnf("install", "libkcapi-hmaccalc")
        host.dnf("distro-sync")
    assert "validated: nss-3.90.0-6" in host.run(["tuxctl", "fips", "status"]).stdout


def _register(shell, blocks):
    """The first five blocks of either guide."""
    shell.type(blocks[f"{INSTALL}/1"])
    [done] = shell.type(blocks[f"{INSTALL}/2"])
    assert done.stdout.splitlines()[-1:] == list(blocks[f"{INSTALL}/3"].lines)
    [again] = shell.type(blocks[f"{INSTALL}/2"], check=False)
    assert again.returncode == 1
    assert again.stderr.splitlines() == list(blocks[f"{INSTALL}/4"].lines)
    shell.type(blocks[f"{INSTALL}/5"])


def _configuration(host):
    found = host.run("cd /etc && find yum.repos.d dnf -type f -exec sha256sum {} + | sort")
    return found.stdout


def _compare_error(done, block):
    """dnf refuses as the guide shows it; which packages are protected differs from host to host."""
    expected = block.lines[1].partition(" protected packages: ")[0]
    assert done.returncode == 1, done
    assert expected in done.stderr, done
    assert "sudo" in done.stderr.partition("protected packages: ")[2]


# -- the guide of 2023 ---------------------------------------------------------------------------


def test_the_guide_of_2023(member, guide):
    """Its repositories without a token first, then registering and FIPS mode."""
    blocks = guide[OLD]
    shell = member("essential", "esu", "fips")
    host = shell.host
    before = _repositories(host)
    shell.type(blocks[f"{SWITCH}/1"])
    switched = host.run("grep -h ^baseurl /etc/yum.repos.d/almalinux-baseos.repo").stdout
    assert switched.startswith("baseurl=https://repo.tuxcare.com/almalinux/$releasever/BaseOS/")
    host.dnf("--disablerepo=*", "--enablerepo=baseos", "--refresh", "makecache")
    shell.type(blocks[f"{SWITCH}/2"])
    assert _repositories(host) == before

    _register(shell, blocks)
    shell.type(blocks[f"{FIPS}/1"])
    shell.type(blocks[f"{FIPS}/2"])
    assert host.run(["tuxctl", "fips", "status"], check=False).returncode in (0, 8)
    # Today's way back.
    shell.type(guide[NEW][f"{UNINSTALL}/1"])
    assert _repositories(host) == before


def _repositories(host):
    return host.run("cat /etc/yum.repos.d/almalinux*.repo").stdout


# -- the rest ------------------------------------------------------------------------------------


@pytest.mark.full
def test_the_last_step_of_the_migration(member, guide, tmp_path):
    """A host that leapp brought from 8 to 9.2, with what that leaves behind."""
    shell = member("essential", "esu", "fips")
    host = shell.host
    left = [
        RpmSpec("leapp-upgrade-el8toel9", arch="noarch"),
        RpmSpec("elevate-release", arch="noarch"),
        RpmSpec("kernel-core", "4.18.0", "553.el8"),
    ]
    paths = build_rpms(left, tmp_path / "left")
    host.share(tmp_path / "left")
    host.run(["rpm", "-i", "--oldpackage", "--nodeps", *paths])
    host.write("/etc/dnf/dnf.conf", DNF_CONF + "exclude=kernel*\n")
    host.write("/etc/yum.conf", "[main]\nexclude=leapp*\n")
    shell.type(guide[NEW][f"{MIGRATE}/1"])
    assert shell.installed("leapp-upgrade-el8toel9", "elevate-release") == []
    assert [n for n in shell.installed("kernel-core") if ".el8" in n] == []
    # The guide's 284.11* fits 284.1101 as well, the security patch: mode patched allows it.
    assert host.run(["uname", "-r"]).stdout == "5.14.0-284.1101.el9_2.tuxcare.7.x86_64\n"
    assert host.run(["fips-mode-setup", "--check"], check=False).stdout.startswith(
        "FIPS mode is enabled."
    )


@pytest.mark.full
def test_essential_support_on_8_10(member, guide, site, keys, tmp_path):
    built = build_packages(tmp_path / "dist8", keys.tuxcare, release="8.10")
    source = built.package("tuxcare-release").parent.parent
    site.add_local("tuxcare/8.10/base", keys.tuxcare, source, latest="tuxcare-release")
    assert site.sync().status == 0
    shell = member("essential", release="8.10", packages=())
    python = RpmSpec(
        "platform-python",
        "3.6.8",
        "1.el8",
        provides=("python(abi) = 3.6", "/usr/libexec/platform-python"),
    )
    paths = build_rpms([python], tmp_path / "python")
    shell.host.share(tmp_path / "python")
    shell.host.run(["rpm", "-i", "--nodeps", *paths])
    blocks = guide[NEW]
    shell.type(blocks[f"{ESSENTIAL}/1"])
    shell.type(blocks[f"{ESSENTIAL}/2"])
    [done] = shell.type(blocks[f"{ESSENTIAL}/3"])
    assert "TuxCare installed successfully" in done.stdout
    assert "$tuxcare_token" in shell.host.read("/etc/yum.repos.d/almalinux.repo")


def test_essential_support_moves_to_9_4(member, guide):
    shell = member("essential")
    host = shell.host
    shell.type(guide[NEW][f"{INSTALL}/1"])
    shell.type(guide[NEW][f"{ESSENTIAL}/3"])
    assert shell.installed("curl") == ["curl-7.76.1-23.el9_2.4.x86_64"]
    shell.type(guide[NEW][f"{ESSENTIAL}/4"])
    assert "9.4" in host.run(["dnf", "-v", "repolist", "baseos"]).stdout
    # Before asking for support, on a cloud instance.
    shell.type(guide[NEW][f"{SUPPORT}/2"])
