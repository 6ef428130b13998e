"""verify: what was set up passes, and each thing that is not so any more fails in its own row."""

import json

import pytest

from tests.integration.conftest import LICENCE
from tests.support.client_root import BASEOS, DNF_CONF, KEY_FILE, OWN, TOKEN
from tuxctl.context import Context
from tuxctl.system import Outcome, System
from tuxctl.verifying import crypto, keys, packages

PLUGIN_CONF = "etc/dnf/plugins/tuxcare.conf"
ALMALINUX_KEY = "etc/pki/rpm-gpg/RPM-GPG-KEY-AlmaLinux-9"
PROTECTED = "etc/dnf/protected.d/tuxcare-fips-pin.conf"


@pytest.fixture(autouse=True)
def settled(client_root, stand_in_key, monkeypatch):
    """What a host has besides, and a stand-in for AlmaLinux's key."""
    client_root.write(DNF_CONF, "[main]\ngpgcheck=1\n")
    client_root.write(PLUGIN_CONF, "[main]\nenabled=1\n")
    client_root.copy(stand_in_key.file, ALMALINUX_KEY)
    known = {"9": ("/" + ALMALINUX_KEY, (stand_in_key.fingerprint,))}
    monkeypatch.setattr(keys, "_ALMALINUX", known)


@pytest.fixture
def verified(tuxctl):
    def run():
        done = tuxctl("verify", "--json")
        document = json.loads(done.out)
        rows = {row["id"]: row for row in document["rows"]}
        assert len(rows) == len(document["rows"])
        failed = {name for name, row in rows.items() if row["state"] == "fail"}
        assert done.status == (8 if failed else 0)
        assert document["result"] == ("fail" if failed else "pass")
        return rows, failed

    return run


def test_a_registered_host_passes(register, verified, tuxctl):
    register()
    rows, failed = verified()
    assert failed == set()
    assert rows["esu-repository"]["stig"] == "V-269125"
    assert {row["stig"] for row in rows.values() if row["state"] == "skip"} == {
        "V-269126",
        "V-269127",
        "V-283453",
    }
    text = tuxctl("verify")
    assert text.status == 0
    assert "pass  The TuxCare ESU repository is enabled (V-269125): enabled\n" in text.out
    assert "skip  FIPS mode is enabled (V-269127): FIPS mode is off\n" in text.out


def test_a_host_that_is_not_registered_says_so(tuxctl):
    done = tuxctl("verify")
    assert (done.status, done.err) == (1, "Server is not registered\n")


def edited(name, old, new):
    def edit(root):
        text = root.read(name)
        assert old in text
        root.write(name, text.replace(old, new))

    return edit


TAMPERED = {
    "token": lambda root: root.path(TOKEN).chmod(0o644),
    "own-registration": lambda root: root.write("etc/machine-id", "f" * 32 + "\n"),
    "vetted-repositories": edited(BASEOS, "# mirror", "mirror"),
    "esu-repository": edited(OWN, "enabled=1", "enabled=0"),
    "dnf-settings": lambda root: root.write(DNF_CONF, "[main]\ngpgcheck=1\nplugins=False\n"),
    "plugin": lambda root: root.write(PLUGIN_CONF, "[main]\nenabled = 0\n"),
    "almalinux-key": lambda root: root.path(ALMALINUX_KEY).unlink(),
}


@pytest.mark.parametrize("row", TAMPERED)
def test_what_is_not_so_any_more_fails_in_its_row(register, verified, client_root, tuxctl, row):
    register()
    TAMPERED[row](client_root)
    rows, failed = verified()
    assert failed == {row}
    assert rows[row]["detail"]
    assert rows[row]["hint"]
    assert client_root.read(TOKEN).strip() not in json.dumps(rows)
    assert f"1 of {len(rows)} checks failed: {row}" in tuxctl("verify").err


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("gpgcheck=1", "gpgcheck=0", "gpgcheck is off"),
        ("priority=1", "priority=1\nsslverify=no", "sslverify is off"),
        ("baseurl=http", "baseurl=http://elsewhere.example/http", "leads elsewhere"),
    ],
)
def test_checks_that_are_switched_off_are_named(register, verified, client_root, old, new, words):
    register()
    edited(OWN, old, new)(client_root)
    rows, failed = verified()
    assert failed == {"repository-options"}
    assert words in rows["repository-options"]["detail"]


def test_gpgcheck_must_be_said(register, verified, client_root):
    """V-269163: missing is a finding."""
    register()
    client_root.write(DNF_CONF, "[main]\n")
    assert verified()[1] == {"dnf-settings"}


def test_a_key_file_with_another_key_fails(register, verified, client_root, tmp_path):
    from tests.support.client_root import StandInKey

    (tmp_path / "other").mkdir()
    register()
    client_root.copy(StandInKey(tmp_path / "other").file, KEY_FILE)
    assert verified()[1] == {"tuxcare-key"}


def test_a_key_that_rpm_lost_fails(register, verified, client_root, tuxctl):
    register()

    class Forgetful(System):
        def run(self, argv, *arguments, **options):
            if "gpg-pubkey" in argv:
                return Outcome(1, "package gpg-pubkey is not installed\n", "")
            return super().run(argv, *arguments, **options)

    tuxctl.system_at = Forgetful
    assert verified()[1] == {"tuxcare-key-imported"}


def test_an_essential_licence_needs_no_esu(register, verified, registration):
    registration.keys[LICENCE]["products"] = ["essential"]
    register()
    rows, failed = verified()
    assert failed == set()
    assert rows["esu-repository"]["detail"] == "not part of this licence"


# -- the rpm database ------------------------------------------------------------------------------

TUXCARE = "0123456789abcdef"


def line(nevr, source, key=TUXCARE, epoch=0):
    name, version, release = nevr.rsplit("-", 2)
    signature = f"RSA/SHA256, Mon 01 Jan 2024, Key ID {key}" if key else "(none)"
    fields = (name, str(epoch), version, release, "x86_64", source + ".src.rpm", signature)
    return "\t".join(fields)


OPENSSL = "openssl-3.0.7-20.el9_2.tuxcare.1"
KERNEL = "kernel-5.14.0-284.11.1.el9_2.tuxcare.6"
NSS = "nss-3.90.0-6.el9_2.tuxcare.1"
GNUTLS = "gnutls-3.7.6-23.el9_2.tuxcare.3"
NETTLE = "nettle-3.8-3.el9_2.tuxcare.1"
LIBGCRYPT = "libgcrypt-1.10.0-10.el9_2.tuxcare.3"
KCAPI = "libkcapi-1.3.1-3.el9"


def of(source, name):
    return source.replace(source.rsplit("-", 2)[0], name, 1)


SOUND = {
    "openssl-libs": line(of(OPENSSL, "openssl-libs"), OPENSSL, epoch=1),
    "kernel-core": line(of(KERNEL, "kernel-core"), KERNEL),
    "nss-softokn": line(of(NSS, "nss-softokn"), NSS),
    "nss-softokn-freebl": line(of(NSS, "nss-softokn-freebl"), NSS),
    "gnutls": line(GNUTLS, GNUTLS),
    "nettle": line(NETTLE, NETTLE),
    "libgcrypt": line(LIBGCRYPT, LIBGCRYPT),
    "libkcapi": line(KCAPI, KCAPI, "d36cb86cb86b3716"),
    "libkcapi-hmaccalc": line(of(KCAPI, "libkcapi-hmaccalc"), KCAPI, "d36cb86cb86b3716"),
    "tuxcare-fips-pin": line("tuxcare-fips-pin-1-1", "tuxcare-release-1-1"),
    "bash": line("bash-5.1.8-6.el9", "bash-5.1.8-6.el9", "d36cb86cb86b3716"),
}


class Database(System):
    """An rpm database that says what a test wants; keys are the real one's."""

    packages = SOUND
    changed = ""

    def run(self, argv, *arguments, **options):
        if argv[0] == "rpm" and "-qa" in argv and any("pgpsig" in word for word in argv):
            return Outcome(0, "\n".join(self.packages.values()) + "\n", "")
        if argv[0] == "rpm" and "--verify" in argv:
            return Outcome(1 if self.changed else 0, self.changed, "")
        return super().run(argv, *arguments, **options)


@pytest.fixture
def database(tuxctl, register, monkeypatch, stand_in_key):
    """A registered host in FIPS mode, patched, whose rpm database can be set."""
    monkeypatch.setattr(packages, "key_ids", lambda _data: [TUXCARE.upper()])
    register("--fips")

    def use(changed="", **different):
        listing = {**SOUND, **{name.replace("_", "-"): text for name, text in different.items()}}
        listing = {name: text for name, text in listing.items() if text}
        made = type("Made", (Database,), {"packages": listing, "changed": changed})
        tuxctl.system_at = made

    return use


# No crypto policy, no kernel: this root is an image.
ALWAYS = {"crypto-policy-overridden"}


def test_the_validated_builds_pass(database, verified):
    database()
    rows, failed = verified()
    assert failed == ALWAYS
    for name in ("pinned-builds", "tuxcare-builds", "signatures", "module-files", "pin-package"):
        assert rows[name]["state"] == "pass", rows[name]
    assert rows["fips-mode"]["state"] == "skip"
    # Certificate 4823 of openssl ended on 2026-10-06.
    assert rows["certificates"]["state"] == "warn"
    assert "4823" in rows["certificates"]["detail"]


def test_a_release_that_was_edited_by_hand_leaves_the_pins_behind(database, verified, client_root):
    database()
    client_root.write("etc/dnf/vars/tuxcare_releasever", "9.4\n")
    rows, failed = verified()
    assert failed == ALWAYS | {"pins-release"}
    assert rows["pins-release"]["detail"] == "9.2, not 9.4"


def test_a_module_that_is_not_installed_fails(database, verified):
    database(libgcrypt="")
    rows, failed = verified()
    assert failed == ALWAYS | {"pinned-builds"}
    assert rows["pinned-builds"]["detail"] == "libgcrypt is not installed"


def test_what_the_stigs_grep_misses_is_found(database, verified):
    community = "openssl-3.0.7-24.el9"
    database(openssl_libs=line(of(community, "openssl-libs"), community, epoch=1))
    rows, failed = verified()
    assert failed == ALWAYS | {"pinned-builds", "tuxcare-builds"}
    assert rows["tuxcare-builds"]["stig"] == "V-269126"
    assert "openssl-libs-1:3.0.7-24.el9.x86_64" in rows["tuxcare-builds"]["detail"]


def test_a_community_kernel_beside_the_validated_one(database, verified):
    """The mode allows it, the STIG does not."""
    other = "kernel-5.14.0-284.30.1.el9_2"
    database(other=line(of(other, "kernel-core"), other))
    assert verified()[1] == ALWAYS | {"tuxcare-builds"}


def test_no_validated_kernel(database, verified):
    other = "kernel-5.14.0-284.30.1.el9_2"
    database(kernel_core=line(of(other, "kernel-core"), other))
    assert verified()[1] == ALWAYS | {"tuxcare-builds", "pinned-builds"}


@pytest.mark.parametrize("key", ["", "d36cb86cb86b3716"])
def test_a_build_that_somebody_else_signed(database, verified, key):
    database(nettle=line(NETTLE, NETTLE, key))
    rows, failed = verified()
    assert failed == ALWAYS | {"signatures"}
    assert (
        "nettle-3.8-3.el9_2.tuxcare.1.x86_64 by " + (key or "nobody")
        in (rows["signatures"]["detail"])
    )


def test_a_changed_library_is_found(database, verified):
    database("S.5....T.    /usr/lib64/libcrypto.so.3.0.7\n..?......  c /etc/pki/tls/openssl.cnf\n")
    rows, failed = verified()
    assert failed == ALWAYS | {"module-files"}
    assert "libcrypto.so.3.0.7" in rows["module-files"]["detail"]
    assert "openssl.cnf" not in rows["module-files"]["detail"]


def test_a_missing_pin_package(database, verified):
    database(tuxcare_fips_pin="")
    rows, failed = verified()
    assert failed == ALWAYS | {"pin-package"}
    assert rows["pin-package"]["hint"] == "dnf install tuxcare-fips-pin"


def test_a_pin_package_that_is_not_protected(database, verified, client_root):
    database()
    client_root.path(PROTECTED).unlink()
    assert verified()[1] == ALWAYS | {"protected"}


@pytest.mark.parametrize(
    ("listing", "expected"),
    [
        ("", []),
        (".......T.    /usr/lib64/x\n", []),
        (".M.......    /usr/lib64/x\n", []),
        ("S.5....T.  c /etc/x\n", []),
        ("missing   d /usr/share/doc/x\n", []),
        ("..5......    /usr/lib64/x\n", ["..5......    /usr/lib64/x"]),
        ("..?......    /usr/lib64/x\n", ["..?......    /usr/lib64/x"]),
        ("missing     /usr/lib64/x\n", ["missing     /usr/lib64/x"]),
        ("package openssl-libs is not installed\n", []),
    ],
)
def test_only_lost_contents_count(listing, expected):
    assert packages.changed_files(listing) == expected


# -- the crypto policy -----------------------------------------------------------------------------

BACK_ENDS = "etc/crypto-policies/back-ends/"


@pytest.fixture
def policy(database, client_root):
    """A crypto policy as update-crypto-policies leaves it."""
    database()
    client_root.write("etc/crypto-policies/state/current", "FIPS\n")
    client_root.write(BACK_ENDS + "nss.config", "library=\n")
    for name in ("gnutls", "openssl", "krb5"):
        link = client_root.path(f"{BACK_ENDS}{name}.config")
        link.symlink_to(f"/usr/share/crypto-policies/FIPS/{name}.txt")
    return client_root


def test_a_policy_as_it_is_set_passes(policy, verified):
    rows, failed = verified()
    assert failed == set()
    assert rows["crypto-policy-overridden"]["stig"] == "V-283453"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (None, "openssl.config is a file of its own"),
        ("/usr/share/crypto-policies/DEFAULT/openssl.txt", "leads to /usr/share"),
        ("../../../home/user/openssl.txt", "leads to ../../../home"),
        ("/usr/share/crypto-policies/FIPS/../LEGACY/openssl.txt", "leads to"),
    ],
)
def test_an_overridden_back_end_fails(policy, verified, target, words):
    link = policy.path(BACK_ENDS + "openssl.config")
    link.unlink()
    if target is None:
        link.write_text("CipherString = ALL\n")
    else:
        link.symlink_to(target)
    rows, failed = verified()
    assert failed == {"crypto-policy-overridden"}
    assert words in rows["crypto-policy-overridden"]["detail"]


class Live(System):
    """A root that passes for the running host, whose crypto-policies tool gives this answer."""

    is_live = True
    outcome = Outcome(0, "The configured policy matches the generated policy\n", "")

    def has_program(self, name):
        return name == "update-crypto-policies"

    def run(self, argv, *arguments, **options):
        assert argv == ["update-crypto-policies", "--check"]
        return self.outcome


@pytest.mark.parametrize("status", [0, 1])
def test_a_policy_with_modules_is_judged_by_els_own_tool(client_root, status):
    client_root.write("etc/crypto-policies/state/current", "FIPS:OSPP\n")
    system = Live(str(client_root.directory))
    if status:
        system.outcome = Outcome(1, "The configured policy does NOT match\n", "")
    found = crypto._overridden(Context(system, None))
    assert found == ([] if status == 0 else ["The configured policy does NOT match"])


def test_on_an_image_nobody_can_judge_such_a_policy(policy, verified):
    policy.write("etc/crypto-policies/state/current", "FIPS:OSPP\n")
    rows, failed = verified()
    assert failed == {"crypto-policy-overridden"}
    assert "FIPS:OSPP" in rows["crypto-policy-overridden"]["detail"]
