"""`./dev demo`: from an upstream of real signed packages to `dnf upgrade`, on this machine.

Everything runs for real: createrepo_c, gpg, rpm, tuxmirror, its server, tuxctl, dnf. Only the
packages' contents are made up, and the host is a throwaway one that is gone afterwards.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from . import CHECKOUT
from .host import Host
from .httpd import Httpd
from .keys import Keys
from .repofiles import repo_files
from .rpms import RpmSpec
from .upstream import StandardTree, standard_tree, tuxcare_packages

FOLDER = CHECKOUT / "build" / "demo"
RELEASE = "9.2"
COMMUNITY = (
    "almalinux-release", "bash", "curl", "tzdata", "vim-minimal", "openssl", "nss", "gnutls",
    "libgcrypt", "kernel",
)  # fmt: skip
VALIDATED = (
    "openssl-3.0.7-20.el9_2.tuxcare.1", "kernel-5.14.0-284.11.1.el9_2.tuxcare.6",
    "gnutls-3.7.6-23.el9_2.tuxcare.3", "nettle-3.8-3.el9_2.tuxcare.1",
    "libgcrypt-1.10.0-10.el9_2.tuxcare.3", "nss-3.90.0-6.el9_2.tuxcare.1",
)  # fmt: skip
SHOWN = re.compile(r"^(kernel-core|openssl-libs|nss|gnutls|curl|tzdata|vim-minimal)-\d")

CONFIG = """\
[main]
store = {folder}/store
public = {folder}/public
upstream = {upstream}

[almalinux/9.2]
repos = BaseOS AppStream CRB extras
arches = x86_64
gpgkey = {almalinux}

[tuxcare/9.2/esu]
type = local
source = {folder}/packages/esu
arches = x86_64
gpgkey = {tuxcare}

[tuxcare/9.2/fips]
type = local
source = {folder}/packages/fips
arches = x86_64
gpgkey = {tuxcare}
"""


class Stage:
    """Says what happens, and runs it."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._colour = sys.stdout.isatty()
        self._number = 0

    def step(self, title: str, explanation: str = "") -> None:
        self._number += 1
        spent = time.monotonic() - self._started
        print(self._paint("1;36", f"\n== {self._number}. {title}") + f"   [{spent:.0f} s]")
        if explanation:
            print(self._paint("2", f"   {explanation}"))

    def command(self, prompt: str, text: str) -> None:
        print(self._paint("1", f"{prompt} {text}"))

    def output(self, text: str, only: str = "") -> None:
        for line in text.splitlines():
            if line.strip() and re.search(only, line):
                print(f"   {line}")
        sys.stdout.flush()

    def expect(self, what: str, holds: bool) -> None:
        """The demo is a test as well: what it claims, it checks."""
        print(self._paint("32" if holds else "31", f"   {'✓' if holds else '✗'} {what}"))
        if not holds:
            raise SystemExit(f"demo: this did not hold: {what}")

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text


class Demo:
    """The actors: an upstream, a mirror with its server, a host."""

    def __init__(self, stage: Stage, stack: ExitStack) -> None:
        self.stage = stage
        self._stack = stack
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        (FOLDER / "keys").mkdir(mode=0o700)
        self.keys = Keys(FOLDER / "keys")
        self.config = FOLDER / "tuxmirror.conf"

    def build_upstream(self) -> StandardTree:
        tree = standard_tree(FOLDER / "upstream", self.keys.almalinux)
        tuxcare_packages(FOLDER / "packages", self.keys.tuxcare)
        self.upstream = self._stack.enter_context(Httpd(FOLDER / "upstream"))
        self.config.write_text(
            CONFIG.format(
                folder=FOLDER,
                upstream=self.upstream.url,
                almalinux=self.keys.almalinux.public,
                tuxcare=self.keys.tuxcare.public,
            )
        )
        return tree

    def tuxmirror(self, *arguments: str, show: str = "") -> str:
        self.stage.command("operator$", "tuxmirror " + " ".join(arguments))
        done = subprocess.run(
            [sys.executable, "-m", "tuxmirror", "-c", str(self.config), *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"demo: tuxmirror ended with {done.returncode}")
        if show:
            self.stage.output(done.stdout, show)
        return done.stdout.strip()

    @contextmanager
    def serving(self) -> Iterator[str]:
        self.stage.command("operator$", "tuxmirror serve")
        process = subprocess.Popen(
            [sys.executable, "-m", "tuxmirror", "-c", str(self.config), "serve", "--json",
             "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            stderr=(FOLDER / "serve.log").open("w"),
            text=True,
        )  # fmt: skip
        try:
            assert process.stdout
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()
            process.wait()

    def new_host(self) -> Host:
        host = self._stack.enter_context(Host("customer", release=RELEASE))
        host.trust(self.keys.almalinux)
        host.use_upstream(self.upstream.url)
        host.dnf("install", *COMMUNITY)
        # As shipped again: registering shall find what a customer has.
        for name, text in repo_files(RELEASE).items():
            host.write(f"/etc/yum.repos.d/{name}", text)
        return host

    def install_product(self, host: Host) -> None:
        """What `dnf install tuxcare-release` will do; with this demo's key for TuxCare's."""
        host.install_checkout()
        host.write("/etc/pki/rpm-gpg/RPM-GPG-KEY-TuxCare", self.keys.tuxcare.public.read_bytes())
        host.write(
            "/etc/tuxcare/tuxcare.conf", f"[gpg]\nfingerprint = {self.keys.tuxcare.fingerprint}\n"
        )

    def on_host(self, host: Host, text: str, show: str = "", **options: object) -> str:
        self.stage.command("customer#", text)
        done = host.run(text, check=False, **options)  # type: ignore[arg-type]
        self.stage.output(done.stdout + done.stderr, show)
        self.status = done.returncode
        return done.stdout + done.stderr

    def packages(self, host: Host) -> dict[str, str]:
        """What the demo looks at: name to version."""
        found = [nevra for nevra in host.rpmdb() if SHOWN.match(nevra)]
        return {nevra.rsplit("-", 2)[0]: nevra for nevra in found}


def main() -> int:
    stage = Stage()
    print("Enterprise Support for AlmaLinux, from upstream to dnf upgrade")
    with ExitStack() as stack:
        _play(stage, stack)
    _farewell()
    return 0


def _play(stage: Stage, stack: ExitStack) -> None:
    demo = Demo(stage, stack)

    stage.step(
        "An upstream", "AlmaLinux 9.2 in small: real signed RPMs, comps, modules, advisories"
    )
    tree = demo.build_upstream()
    stage.output(
        f"{len(list((FOLDER / 'upstream').rglob('*.rpm')))} packages at {demo.upstream.url}"
    )

    stage.step("A customer's host", "plain AlmaLinux 9.2 on community repositories")
    host = demo.new_host()
    before = demo.packages(host)
    stage.output("\n".join(before.values()))
    tree.advance()
    stage.output("(meanwhile upstream has published updates)")

    stage.step("The operator syncs", "every signature verified, one atomic switch at the end")
    demo.tuxmirror("sync", show="packages|published to vetted|done")
    demo.tuxmirror("sync", show="nothing changed|done")

    stage.step("The operator sells a licence, and serves")
    key = demo.tuxmirror(
        "license", "create", "--product", "fips", "--product", "esu", "--hosts", "2"
    )
    stage.output(f"{key[:8]}… (printed once, stored hashed)")
    url = stack.enter_context(demo.serving())
    stage.output(f"listening on {url}")

    stage.step("The customer registers")
    demo.install_product(host)
    demo.on_host(host, f"tuxctl --fips --license-key-file - --server {url}", input=key + "\n")
    stage.expect("registered", demo.status == 0)
    token = host.read("/etc/tuxcare/token").strip()
    baseos = host.read("/etc/yum.repos.d/almalinux-baseos.repo")
    stage.output(baseos, "^(#.*mirrorlist|baseurl=.*BaseOS/.basearch/os)")
    stage.expect("no token in the repository files", token not in baseos)

    stage.step("The FIPS-validated builds come in", "the guide's own commands")
    demo.on_host(host, "dnf -y install " + " ".join(VALIDATED), show="^(Complete|Error)")
    stage.expect("installed", demo.status == 0)

    stage.step("dnf upgrade", "what is not pinned moves, what is pinned stays")
    demo.on_host(host, "dnf -y upgrade", show="^(Complete|Error|Nothing)")
    after = demo.packages(host)
    for name, nevra in after.items():
        moved = "moved " if before.get(name) != nevra else "stayed"
        pin = "  (held: TuxCare's build)" if ".tuxcare." in nevra else ""
        stage.output(f"{moved}  {nevra}{pin}")
    stage.expect("curl and tzdata moved", all(before[n] != after[n] for n in ("curl", "tzdata")))
    stage.expect(
        "openssl, nss, gnutls and the kernel are the validated builds",
        all(".tuxcare." in after[n] for n in ("openssl-libs", "nss", "gnutls", "kernel-core")),
    )

    stage.step("What would break the certified state is refused, before any download")
    demo.on_host(host, "dnf -y install openssl-3.0.7-24.el9_2", show="(?i)error|openssl|pin|tuxctl")
    stage.expect("dnf ended with an error", demo.status != 0)
    stage.expect("nothing changed", demo.packages(host) == after)

    stage.step("Upstream publishes an update; the operator syncs again")
    tree.add("BaseOS", "x86_64", [RpmSpec("tzdata", "2024b", "1.el9", arch="noarch")])
    tree.publish()
    demo.tuxmirror("sync", show="snapshot|nothing changed|done")
    demo.on_host(host, "dnf -y --refresh upgrade", show="^(Complete|Error| +tzdata)")
    stage.expect("the update arrived", "2024b" in demo.packages(host)["tzdata"])
    demo.on_host(host, "tuxctl status")


def _farewell() -> None:
    config = FOLDER.relative_to(CHECKOUT) / "tuxmirror.conf"
    print(f"""
That was all of it; the host is gone, the mirror is still there. To look around:

   ls -l {FOLDER.relative_to(CHECKOUT)}/public/                        one symlink a channel
   ls {FOLDER.relative_to(CHECKOUT)}/public/vetted/almalinux/9.2/      what customers see
   cat {FOLDER.relative_to(CHECKOUT)}/public/vetted/almalinux/9.2/SNAPSHOT.json
   cat {FOLDER.relative_to(CHECKOUT)}/serve.log                        what the host asked for
   ./dev run tuxmirror -c {config} license list
   ./dev run tuxmirror -c {config} host list
   ./dev test                                       every claim above, and many more, as tests
""")


if __name__ == "__main__":
    sys.exit(main())
