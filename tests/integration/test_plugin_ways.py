"""The pins on every way into dnf: API, shell, history, modules, automatic, arches and roots."""

from __future__ import annotations

import shutil

import pytest

from tests.support import pinlab as lab
from tests.support.pinlab import CHECKOUT, TOKEN, names

FREE_NEW = names(lab.NEW, "curl", "libcurl", "tzdata")
OPENSSL_1 = names(lab.OPENSSL, "openssl", "openssl-libs")
OPENSSL_2 = names(lab.OPENSSL_2, "openssl", "openssl-libs")
REFUSED = "of AlmaLinux 9.2 forbids this:"

API = """
import sys
import dnf

config, root, *specs = sys.argv[1:]
base = dnf.Base()
base.conf.read(config)
base.conf.installroot = root
base.conf.substitutions["releasever"] = "9"
for option in ("cachedir", "logdir", "persistdir"):
    base.conf.prepend_installroot(option)
base.init_plugins()
base.pre_configure_plugins()
base.read_all_repos()
base.configure_plugins()
base.fill_sack()
try:
    if specs:
        base.install_specs(specs)
    else:
        base.upgrade_all()
    base.resolve()
    base.download_packages(base.transaction.install_set)
    base.do_transaction()
except dnf.exceptions.Error as error:
    sys.exit("refused: {}: {}".format(type(error).__name__, error))
"""


def run_api(host, tmp_path, *specs):
    script = tmp_path / "api.py"
    script.write_text(API)
    before = host.installed()
    done = host.lab.python(
        str(script), f"{host.lab.directory}/etc/dnf.conf", str(host.root), *specs
    )
    return done, host.installed() - before


def test_a_script_without_a_command_line_is_held_too(pinlab, tmp_path):
    done, gained = run_api(pinlab.host("validated", "strict"), tmp_path)
    assert (done.returncode, gained) == (0, FREE_NEW), done.stderr


def test_a_script_that_asks_for_a_forbidden_build_gets_an_error(pinlab, tmp_path):
    done, gained = run_api(pinlab.host("validated", "strict"), tmp_path, "corp-crypto")
    assert (done.returncode, gained) == (1, frozenset()), done.stderr
    assert REFUSED in done.stderr


@pytest.mark.parametrize(
    "script, gained, says",
    [
        ("upgrade tzdata\nrun\nexit\n", names(lab.NEW, "tzdata"), "Complete"),
        ("install openssl-devel\nrun\nexit\n", names(lab.OPENSSL, "openssl-devel"), "Complete"),
        ("remove openssl\nrun\nexit\n", set(), REFUSED),
        ("install corp-crypto\nrun\nexit\n", set(), REFUSED),
        ("install openssl-3.0.7-24.el9_2\nrun\nexit\n", set(), "filtered out by exclude"),
        ("swap nss nss-rival\nrun\nexit\n", set(), REFUSED),
        ("install corp-crypto\ntransaction reset\nupgrade tzdata\nrun\nexit\n",
         names(lab.NEW, "tzdata"), "Complete"),
    ],
    ids=lambda value: value.splitlines()[0] if isinstance(value, str) and "\n" in value else "",
)  # fmt: skip
def test_the_shell_is_held(pinlab, script, gained, says):
    outcome = pinlab.host("validated", "strict").run("shell", stdin=script)
    assert set(outcome.gained) == gained, outcome.text
    assert says in outcome.text
    assert "Traceback" not in outcome.text


def test_history_goes_back_to_a_validated_build_and_not_away_from_it(pinlab):
    host = pinlab.host("validated", "patched")
    assert host.run("upgrade", "openssl").gained == OPENSSL_2
    host.set_mode("strict")
    undone = host.run("history", "undo", "last")
    assert (undone.exit, undone.gained) == (0, OPENSSL_1), undone.text
    for command in ("undo last", "redo 1", "rollback 1"):
        outcome = host.run("history", *command.split())
        assert (outcome.exit, outcome.gained) == (1, frozenset()), outcome.text
    host.set_mode("patched")
    assert host.run("history", "redo", "1").gained == OPENSSL_2


def test_history_does_not_bring_an_unvalidated_build_back(pinlab):
    host = pinlab.host("newer", "strict")
    assert host.run("distro-sync", "openssl", "openssl-libs").gained == OPENSSL_1
    outcome = host.run("history", "undo", "last")
    assert (outcome.exit, outcome.gained) == (1, frozenset()), outcome.text


def test_modules_come_and_go_while_pins_hold(pinlab, standard_tree_master):
    appstream = standard_tree_master.os_dir("AppStream", "x86_64")
    use = (f"--repofrompath=appstream,file://{appstream}", "--setopt=appstream.gpgcheck=0")
    host = pinlab.host("validated", "strict")
    outcome = host.run(*use, "module", "install", "nodejs:18")
    assert outcome.exit == 0, outcome.text
    assert any(nevra.startswith("nodejs-1:18") or "nodejs-18" in nevra for nevra in outcome.gained)
    assert not any("openssl" in nevra for nevra in outcome.gained)
    for command in (
        "module reset nodejs",
        "module enable postgresql:15",
        "module switch-to nodejs:18",
    ):
        outcome = host.run(*use, *command.split())
        assert outcome.exit == 0, outcome.text
        assert not any("openssl" in nevra or "nss" in nevra for nevra in outcome.gained)
    outcome = host.run(*use, "upgrade")
    assert outcome.exit == 0, outcome.text
    assert host.installed() >= OPENSSL_1


def test_on_aarch64_only_what_is_validated_there_is_pinned(pinlab):
    host = pinlab.host("aarch64", "strict")
    outcome = host.run("upgrade")
    moved = names(lab.ARM_NEW, "nspr", "nss", "nss-util", "nss-softokn", "nss-softokn-freebl",
                  "nss-sysinit", "gnutls", "nettle", "libgcrypt", arch="aarch64")  # fmt: skip
    assert (outcome.exit, outcome.gained) == (0, moved), outcome.text
    refused = host.run("install", "openssl-3.0.7-24.el9_2")
    assert (refused.exit, REFUSED in refused.stderr) == (1, True), refused.text


def test_the_pins_of_the_root_count_and_not_those_of_the_host(make_host, pinlab):
    """A host in mode strict builds an image without pins, and the other way round."""
    host = prepared_host(make_host, pinlab, "strict")
    image = pinlab.host("validated", None)
    host.share(pinlab.directory)

    def upgrade():
        options = [f"--installroot={image.root}", "--releasever=9"]
        options.append("--setopt=reposdir=/etc/yum.repos.d")
        return host.dnf(*options, "upgrade", "openssl", check=False)

    done = upgrade()
    assert done.returncode == 0, done.stdout + done.stderr
    assert image.installed() >= OPENSSL_2
    shutil.rmtree(image.root)
    image = pinlab.host("validated", "strict")
    host.write("/etc/tuxcare/fips.conf", "[fips]\nmode = off\n")
    done = upgrade()
    assert done.returncode == 0, done.stdout + done.stderr
    assert image.installed() >= OPENSSL_1


def prepared_host(make_host, pinlab, mode):
    """A throwaway host with the checkout installed, registered by hand, in a FIPS mode."""
    host = make_host()
    host.install_checkout()
    host.write("/etc/tuxcare/token", TOKEN + "\n", 0o600)
    key = "/etc/pki/rpm-gpg/RPM-GPG-KEY-TuxCare"
    host.trust(pinlab.keys.tuxcare, key)
    alma = host.trust(pinlab.keys.almalinux)
    host.write(
        "/etc/tuxcare/tuxcare.conf",
        f"[server]\ncontent = {pinlab.content_url}\n"
        f"[gpg]\nfingerprint = {pinlab.keys.tuxcare.fingerprint}\n",
    )
    for path in host.path("/etc/yum.repos.d").iterdir():
        path.unlink()
    url = f"{pinlab.content_url}/%s/$tuxcare_releasever/$tuxcare_token/%s"
    host.add_repo("baseos", url % ("almalinux", "BaseOS/$basearch/os/"), gpgkey=f"file://{alma}")
    for name in ("fips", "esu"):
        host.add_repo(
            f"tuxcare-{name}", url % ("tuxcare", f"{name}/$basearch/"), gpgkey=f"file://{key}",
            priority=1, module_hotfixes=1,
        )  # fmt: skip
    host.write("/etc/tuxcare/fips.conf", f"[fips]\nmode = {mode}\nrelease = 9.2\n")
    return host


PINNED = ("kernel", "openssl", "nss", "gnutls", "nettle", "libgcrypt")
STRICT_SET = names(lab.VALIDATED, *lab.BASE_NAMES)


def test_a_whole_host_gets_keeps_and_defends_the_validated_set(make_host, pinlab):
    host = prepared_host(make_host, pinlab, "strict")
    host.dnf("install", *PINNED, "vim-minimal")
    assert set(host.rpmdb()) >= STRICT_SET
    host.dnf("upgrade")
    assert set(host.rpmdb()) >= STRICT_SET
    refused = host.dnf("install", "openssl-3.0.7-24.el9_2", check=False)
    assert (refused.returncode, REFUSED in refused.stderr) == (1, True), refused.stderr


AUTOMATIC = """\
[commands]
apply_updates = yes
upgrade_type = default
random_sleep = 0
network_online_timeout = 0
[emitters]
emit_via = stdio
[base]
debuglevel = 1
"""


def test_dnf_automatic_keeps_the_pins(make_host, pinlab):
    host = prepared_host(make_host, pinlab, "strict")
    host.dnf("install", *PINNED, "curl-7.76.1-23.el9_2.1", "libcurl-7.76.1-23.el9_2.1")
    host.write("/etc/dnf/automatic.conf", AUTOMATIC)
    code = "import sys, dnf.automatic.main; sys.exit(dnf.automatic.main.main(sys.argv[1:]))"
    done = host.run(
        ["python3", "-c", code, "/etc/dnf/automatic.conf", "--installupdates"], check=False
    )
    installed = set(host.rpmdb())
    assert names(lab.NEW, "curl", "libcurl") <= installed, done.stdout + done.stderr
    assert installed >= STRICT_SET


def test_the_plugin_s_own_configuration_switches_it_off(make_host, pinlab):
    host = prepared_host(make_host, pinlab, "strict")
    assert (CHECKOUT / "etc/dnf/plugins/tuxcare.conf").read_text() == host.read(
        "/etc/dnf/plugins/tuxcare.conf"
    )
    on = host.dnf("-v", "repolist", "--enabled")
    assert "tuxcare" in next(line for line in on.stdout.splitlines() if "Loaded plugins" in line)
    host.write("/etc/dnf/plugins/tuxcare.conf", "[main]\nenabled = 0\n")
    off = host.dnf("-v", "repolist", "--enabled", check=False)
    assert "Loaded plugins: tuxcare" not in off.stdout
