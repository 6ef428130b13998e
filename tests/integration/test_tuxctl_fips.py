"""FIPS mode: with registering, on a registered host, and off again."""

import pytest

from tests.integration.conftest import LICENCE
from tests.support.client_root import BASEOS, FIPS_CONF, OWN, TOKEN
from tuxctl.system import Outcome, System


@pytest.mark.parametrize(
    ("arguments", "mode", "package"),
    [
        ([], "patched", "tuxcare-fips-pin"),
        (["--strict"], "strict", "tuxcare-fips-pin-strict"),
    ],
)
def test_fips_is_enabled_with_registering(register, client_root, arguments, mode, package):
    done = register("--fips", *arguments)
    assert done.status == 0, done.err
    assert f"tuxcare-base, tuxcare-esu, tuxcare-fips; FIPS mode {mode}\n" in done.out
    assert f"mode = {mode}\nrelease = 9.2\n" in client_root.read(FIPS_CONF)
    assert client_root.read(OWN).count("enabled=1") == 3
    assert client_root.read("etc/dnf/protected.d/tuxcare-fips-pin.conf") == package + "\n"
    assert "exclude" not in client_root.read(BASEOS)


@pytest.mark.parametrize("with_key", [True, False])
def test_fips_on_a_registered_host_needs_no_force(
    register, tuxctl, client_root, registration, with_key
):
    register()
    token = client_root.read(TOKEN)
    done = register("--fips") if with_key else tuxctl("--fips")
    assert done.status == 0, done.err
    assert client_root.read(TOKEN) == token
    assert len(registration.called("token/register")) == 1
    assert "mode = patched" in client_root.read(FIPS_CONF)


def test_fips_without_the_product_is_refused(register, registration, client_root):
    registration.keys[LICENCE]["products"] = ["essential", "esu"]
    before = client_root.snapshot()
    done = register("--fips")
    assert done.status == 5
    assert "this licence does not cover the FIPS-validated builds" in done.err
    assert registration.called("token/register") == []
    assert client_root.snapshot() == before


def test_fips_without_a_manifest_of_the_release_is_refused(register, registration, client_root):
    client_root.write("etc/almalinux-release", "AlmaLinux release 9.4 (X)\n")
    registration.keys[LICENCE]["releases"] = []
    done = register("--fips")
    assert done.status == 5
    assert "no FIPS-validated builds for AlmaLinux 9.4" in done.err
    assert registration.calls == []


def test_a_server_without_fips_repository_keeps_it_off(register, registration, client_root):
    registration.repositories = {"/tuxcare/9.2/base/"}
    done = register("--fips")
    assert done.status == 0, done.err
    assert "tuxcare-base, tuxcare-esu; FIPS mode patched" in done.out
    assert client_root.read(OWN).count("enabled=1") == 2


def test_fips_commands_enable_and_disable(register, tuxctl, client_root):
    register()
    before = client_root.snapshot()
    assert tuxctl("fips", "status").out == "FIPS mode: off\n"
    assert tuxctl("fips", "enable", "--strict").status == 0
    shown = tuxctl("fips", "status").out
    assert "FIPS mode: strict\nRelease: AlmaLinux 9.2\n" in shown
    assert "openssl-3.0.7-20.el9_2.tuxcare.1" in shown
    assert "4823" in shown
    assert tuxctl("fips", "disable").status == 0
    assert tuxctl("fips", "status").out == "FIPS mode: off\n"
    after = client_root.snapshot()
    changed = {name for name in set(before) | set(after) if before.get(name) != after.get(name)}
    # Only times: the file was written twice.
    assert {name for name in changed if not name.startswith("var/lib/tuxcare")} == {OWN}
    assert before[OWN][1][0] == after[OWN][1][0]


def test_fips_hides_pinned_packages_from_tools_without_plugins(register, tuxctl, client_root):
    client_root.configure("[main]\ncompat_vars = yes\n")
    register()
    switched = client_root.read(BASEOS)
    tuxctl("fips", "enable")
    line = next(x for x in client_root.read(BASEOS).splitlines() if x.startswith("exclude="))
    assert {"nss", "openssl-libs", "kernel-core", "nspr"} <= set(line[len("exclude=") :].split())
    client_root.write(BASEOS, client_root.read(BASEOS) + "proxy=http://p.example\n")
    tuxctl("fips", "disable")
    assert client_root.read(BASEOS) == switched + "proxy=http://p.example\n"


def test_an_option_before_the_command_is_not_dropped(register, tuxctl, client_root):
    """`tuxctl --strict fips enable` would else enter mode patched, and --dry-run do it for real."""
    register()
    before = client_root.snapshot()
    for option in ("--strict", "--dry-run"):
        done = tuxctl(option, "fips", "enable", "--yes")
        assert done.status == 2
        assert "go" in done.err
        assert "with registering" in done.err
    assert client_root.snapshot() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("disable", "--strict"),
        ("disable", "--json"),
        ("disable", "--accept", "luks"),
        ("status", "--yes"),
        ("status", "--pins-only"),
        ("enable", "--json"),
        ("enable", "--accept", "frobnicate"),
        ("enable", "--strict", "--patched"),
    ],
)
def test_options_that_an_action_does_not_have_are_refused(tuxctl, client_root, arguments):
    before = client_root.snapshot()
    done = tuxctl("fips", *arguments)
    assert done.status == 2, done
    assert client_root.snapshot() == before


def test_fips_on_a_host_that_is_not_registered_is_refused(tuxctl, client_root):
    before = client_root.snapshot()
    done = tuxctl("fips", "enable")
    assert done.status == 1
    assert done.err.startswith("Server is not registered\n")
    assert client_root.snapshot() == before


class MarkingSystem(System):
    """A host on which rpm lists one pinned package that nobody requires; dnf ends with `status`."""

    status = 0
    calls = ()

    def run(self, argv, timeout=120):
        program = argv[0]
        if program == "rpm" and "-qa" in argv:
            return Outcome(0, "nss\tP\tnss\ntzdata\tP\ttzdata\n", "")
        if program == "dnf":
            type(self).calls += (tuple(argv),)
            return Outcome(self.status, "", "Error: no\n  such package\n" if self.status else "")
        return super().run(argv, timeout)


@pytest.mark.parametrize("status", [0, 1])
@pytest.mark.parametrize("with_registering", [True, False])
def test_pinned_packages_that_nobody_requires_are_marked(
    register, tuxctl, client_root, status, with_registering
):
    class Machine(MarkingSystem):
        pass

    Machine.status = status
    if not with_registering:
        register()
    tuxctl.system_at = Machine
    done = register("--fips") if with_registering else tuxctl("fips", "enable")
    assert done.status == 0, done.err
    root = str(client_root.directory)
    quiet = ("dnf", "--quiet", "--assumeyes", "--installroot", root)
    assert Machine.calls == ((*quiet, "mark", "install", "nss"),)
    assert ("Not marked as installed by people: Error: no such package." in done.err) == bool(
        status
    )
    assert "mode = patched" in client_root.read(FIPS_CONF)


def test_strict_is_refused_while_certificates_are_pending(
    register, tuxctl, client_root, registration
):
    client_root.write("etc/almalinux-release", "AlmaLinux release 9.6 (X)\n")
    registration.keys[LICENCE]["releases"] = []
    register()
    before = client_root.snapshot()
    done = tuxctl("fips", "enable", "--strict")
    assert done.status == 5
    assert "the FIPS builds of AlmaLinux 9.6 are under review" in done.err
    assert client_root.snapshot() == before
    assert tuxctl("fips", "enable").status == 0
    assert "mode = patched\nrelease = 9.6\n" in client_root.read(FIPS_CONF)
