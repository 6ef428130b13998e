"""An operator's day, with real hosts on two channels: what docs/operators.md tells, done.

Morning: upstream moves, the canary gets it by itself, the plan for customers is read, a package is
held, the rest approved. Noon: a bad update reaches the canary and is taken back. Afternoon: bits
flip and are mended, old snapshots go, a site without a network gets a bundle.
"""

import json

import pytest
import requests

from tests.support.mirror import MirrorSite, run
from tests.support.rpms import RpmSpec
from tests.support.storage import Place

ALMA = "almalinux/9.2"
OLD_CURL, NEW_CURL = "curl-7.76.1-23.el9_2.1.x86_64", "curl-7.76.1-23.el9_2.4.x86_64"
OLD_VIM = "vim-minimal-2:8.2.2637-20.el9_1.x86_64"
REPOS = ("BaseOS", "AppStream")


class Day:
    """The operator at his terminal, and the two hosts."""

    def __init__(self, site, hosts):
        self.site = site
        self.hosts = hosts

    def do(self, *arguments, status=0):
        self.site.write_conf()
        done = run(self.site.command(*arguments), self.site.environment, 300)
        assert done.status == status, done
        return done

    def view(self, channel):
        """What a client of a channel finds, wherever it lies."""
        return self.site.place.shown(channel)

    def snapshots(self):
        kept = self.site.place.kept()
        start = f"snapshots/{ALMA}/"
        return {name for name in kept if name.startswith(start) and name.endswith(".json")}

    def flip_a_bit(self, package):
        """In the one content that a channel shows under such a name."""
        [sha] = {sha for path, sha in self.view("vetted").items() if package in path}
        name = f"pool/{sha[:2]}/{sha}"
        data = bytearray(self.site.place.kept()[name])
        data[-7] ^= 1
        self.site.place.damage(name, bytes(data))

    def shown(self, channel):
        [tree] = json.loads(self.do("status", ALMA, "--json").stdout)["trees"]
        return tree["channels"][channel]["snapshot"]

    def candidate(self):
        [tree] = json.loads(self.do("status", ALMA, "--json").stdout)["trees"]
        return tree["candidate"]["snapshot"]

    def upgrade(self, channel):
        host = self.hosts[channel]
        host.dnf("--refresh", "upgrade")
        return host.rpmdb()


def follow(host, base, key_url, gpgkey):
    """A host's repositories, metadata verified too."""
    text = "".join(
        f"[{repo.lower()}]\nname={repo}\nbaseurl={base}/{repo}/x86_64/os/\nenabled=1\n"
        f"gpgcheck=1\nrepo_gpgcheck=1\ngpgkey={key_url} {gpgkey}\n"
        for repo in REPOS
    )
    host.run("rm -f /etc/yum.repos.d/*.repo")
    host.write("/etc/yum.repos.d/vetted.repo", text)


@pytest.fixture
def day(operator, serving, keys, make_host):
    if not hasattr(operator, "place"):
        operator.place = Place("files", operator.root)
    operator.main["signing_key"] = keys.operator.fingerprint
    operator.main["gnupghome"] = keys.operator.homedir
    operator.trees["channel/canary"] = {"follows": "candidate"}
    operator.trees["policy/customers"] = {"exclude": "nobody-wants-this"}
    customers = {"follows": "candidate", "policy": "customers", "approval": "required"}
    operator.trees["channel/vetted"] = customers
    assert operator.sync().status == 0
    made = Day(operator, {})
    made.do("publish", ALMA, "--snapshot", "candidate")
    for channel in ("canary", "vetted"):
        key = operator.licence("--product=essential", f"--channel={channel}")
        answer = requests.post(
            f"{serving.url}/cln/api/els/token/register",
            json={"key": key, "host_name": channel},
            timeout=60,
        )
        token = answer.json()["token"]
        host = make_host(channel)
        host.trust(keys.almalinux)
        root = f"{serving.url}/{ALMA}"
        # Signed by AlmaLinux where nothing is filtered, else by the operator.
        own = f"{root}/{token}/RPM-GPG-KEY-tuxmirror"
        follow(host, f"{root}/{token}", own, "file:///etc/pki/rpm-gpg/RPM-GPG-KEY-AlmaLinux-9")
        host.dnf("install", "curl", "vim-minimal", "tzdata")
        made.hosts[channel] = host
    return made


def test_an_operators_day(day, standard_upstream, tmp_path, keys):
    released = day.shown("vetted")
    assert OLD_CURL in day.hosts["vetted"].rpmdb()

    # Upstream moves. The canary follows by itself, customers wait for a person.
    standard_upstream.advance()
    assert day.site.sync().status == 0
    assert day.shown("canary") == day.candidate() != released
    assert day.shown("vetted") == released
    assert NEW_CURL in day.upgrade("canary")
    assert OLD_CURL in day.upgrade("vetted")
    assert "waits for approval" in day.do("status").stdout
    approve(day, tmp_path)
    customers = day.upgrade("vetted")
    assert NEW_CURL in customers
    assert OLD_VIM in customers
    assert OLD_VIM not in day.hosts["canary"].rpmdb()
    good = day.shown("canary")

    # A bad update reaches the canary, and is taken back before customers see it.
    standard_upstream.add("BaseOS", "x86_64", [RpmSpec("curl", version="8.0", release="bad.el9")])
    standard_upstream.publish()
    assert day.site.sync().status == 0
    assert "curl-8.0-bad.el9.x86_64" in day.upgrade("canary")
    day.do("rollback", ALMA, "--channel", "canary")
    assert day.shown("canary") == good
    day.hosts["canary"].dnf("--refresh", "distro-sync")
    assert NEW_CURL in day.hosts["canary"].rpmdb()
    assert day.site.sync().status == 0
    assert day.shown("canary") == good, "what was taken back does not come by itself"
    assert NEW_CURL in day.upgrade("vetted")

    # Bits flip; nothing of it stays.
    day.flip_a_bit("/curl-7.76.1-23.el9_2.4.")
    day.do("verify", status=4)
    day.do("verify", "--repair")
    day.do("verify")
    day.hosts["vetted"].dnf("clean", "packages")
    day.hosts["vetted"].dnf("reinstall", "curl")

    # What nobody needs goes; what is shown stays.
    views = {channel: day.view(channel) for channel in day.hosts}
    before = day.snapshots()
    day.do("prune", "--keep", "0")
    assert day.snapshots() <= before
    assert {channel: day.view(channel) for channel in day.hosts} == views

    # A site that has no network shows the same to a host of its own.
    far = another_site(tmp_path, day.site, keys)
    bundle = str(tmp_path / "bundle.tar")
    day.do("export", ALMA, "-o", bundle, "--split", "1M")
    imported = run(far.command("import", f"{bundle}.000"), far.environment)
    assert imported.status == 0, imported
    # Without what only the grace time keeps at home.
    at_home = {name for name in day.view("vetted") if name.endswith(".rpm")}
    assert {f"{ALMA}/{path}" for path in rpms(far.public / "vetted" / ALMA)} < at_home
    [tree] = json.loads(run(far.command("status", "--json"), far.environment).stdout)["trees"]
    assert tree["channels"]["vetted"]["snapshot"] == day.shown("vetted")
    assert run(far.command("verify"), far.environment).status == 0
    host = day.hosts["vetted"]
    host.share(far.public)
    root = (far.public / "vetted").resolve() / ALMA
    own = (
        f"file://{root}/RPM-GPG-KEY-tuxmirror" if (root / "RPM-GPG-KEY-tuxmirror").exists() else ""
    )
    follow(host, f"file://{root}", own, "file:///etc/pki/rpm-gpg/RPM-GPG-KEY-AlmaLinux-9")
    host.dnf("--refresh", "reinstall", "curl", "tzdata")

    log = day.do("log", ALMA).stdout
    assert "rollback" in log
    assert "the chain of" in log


def approve(day, tmp_path):
    """The plan is read, vim is held, the rest goes to customers; an older plan does not."""
    stale = tmp_path / "stale.json"
    stale.write_text(day.do("plan", ALMA, "--json").stdout)
    assert "curl-7.76.1-23.el9_2.4" in day.do("plan", ALMA).stdout
    day.do("hold", "vim*", "--why", "editors wait for the maintenance window")
    day.do("approve", str(stale), status=5)
    plan = tmp_path / "plan.json"
    plan.write_text(day.do("plan", ALMA, "--json").stdout)
    day.do("approve", str(plan))


def rpms(root):
    root = root.resolve()
    return [str(path.relative_to(root)) for path in root.rglob("*.rpm")]


def another_site(tmp_path, home, keys):
    site = MirrorSite(tmp_path / "far")
    site.root.mkdir()
    site.main["bundle_keys"] = keys.operator.public
    section = {**home.trees[ALMA], "upstream": "http://127.0.0.1:1/9.2"}
    site.trees[ALMA] = section
    site.write_conf()
    return site
