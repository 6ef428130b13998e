"""The plugin fails closed: damaged files, a damaged library, exceptions of every kind.

Nothing is patched in memory: files of a root, or of a copy of the plugin, are damaged, and the real
dnf runs over them. Each refused command is one that goes through where nothing is damaged, so what
stops it is the damage.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import pinlab as lab
from tests.support.pinlab import CHECKOUT, names

UNCHANGED = (frozenset(), frozenset())


def some_now(values, now):
    """All of them, but those not in `now` wait for --full: each costs a run of dnf or three."""
    return [
        pytest.param(value, marks=[] if value in now else [pytest.mark.full]) for value in values
    ]


SHIPPED = CHECKOUT / "packaging/fips/almalinux-9.2.conf"
MANIFEST = "usr/share/tuxcare/fips/almalinux-9.2.conf"


def change(outcome):
    return outcome.gained, outcome.lost


def assert_stopped(outcome, *words):
    assert outcome.exit == 1, outcome.text
    assert change(outcome) == UNCHANGED
    assert "so nothing is changed" in outcome.stderr, outcome.text
    for word in words:
        assert word in outcome.stderr
    assert "Traceback" not in outcome.text
    assert lab.TOKEN not in outcome.text


# --- the state of the host ------------------------------------------------------------------------


def damage_text(path, text):
    def damage(host):
        host.write(path, text)

    return damage


def damage_bytes(path, data):
    def damage(host):
        target = host.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    return damage


def remove(path):
    def damage(host):
        (host.root / path).unlink()

    return damage


def directory_instead(path):
    def damage(host):
        (host.root / path).unlink(missing_ok=True)
        (host.root / path).mkdir(parents=True)

    return damage


def edit(path, old, new):
    def damage(host):
        target = host.root / path
        text = target.read_text()
        assert old in text
        target.write_text(text.replace(old, new, 1))

    return damage


FIPS_CONF = "etc/tuxcare/fips.conf"
DAMAGES = {
    "choice empty": (damage_text(FIPS_CONF, ""), "fips.conf: [fips] mode: expected off or"),
    "choice unknown": (
        damage_text(FIPS_CONF, "[fips]\nmode = strikt\nrelease = 9.2\n"),
        "fips.conf: [fips] mode: expected off or patched or strict, found 'strikt'",
    ),
    "choice twice": (
        damage_text(FIPS_CONF, "[fips]\nmode = off\nmode = strict\n"),
        "fips.conf",
    ),
    "choice without release": (
        damage_text(FIPS_CONF, "[fips]\nmode = strict\n"),
        "fips.conf: [fips] release: missing",
    ),
    "choice with another key": (
        damage_text(FIPS_CONF, "[fips]\nmode = strict\nrelease = 9.2\nmodes = off\n"),
        "unknown key 'modes'",
    ),
    "choice not text": (damage_bytes(FIPS_CONF, b"\xff\xfe\x00[fips]"), "fips.conf: not UTF-8"),
    "choice a directory": (directory_instead(FIPS_CONF), "fips.conf: Is a directory"),
    "manifest missing": (remove(MANIFEST), "almalinux-9.2.conf: no such FIPS manifest"),
    "manifest empty": (damage_text(MANIFEST, ""), "almalinux-9.2.conf: no [manifest] section"),
    "manifest cut off": (
        damage_text(MANIFEST, "[manifest]\nformat = 1\nrelease = 9.2\n"),
        "almalinux-9.2.conf",
    ),
    "manifest not text": (damage_bytes(MANIFEST, b"\x80" * 99), "almalinux-9.2.conf: not UTF-8"),
    "manifest a directory": (directory_instead(MANIFEST), "almalinux-9.2.conf: Is a directory"),
    "manifest with a typing error": (
        edit(MANIFEST, "certificate = 4823", "certifcate = 4823"),
        "[pin openssl] certifcate: unknown key; did you mean 'certificate'?",
    ),
    "manifest of another release": (
        edit(MANIFEST, "release = 9.2", "release = 9.4"),
        "almalinux-9.2.conf: [manifest] release: expected 9.2, found 9.4",
    ),
    "site manifest malformed": (
        damage_text("etc/tuxcare/fips.d/corp.conf", "pins\n"),
        "etc/tuxcare/fips.d/corp.conf",
    ),
    "site manifest pins again": (
        damage_text("etc/tuxcare/fips.d/corp.conf", SHIPPED.read_text()),
        "source kernel is pinned already by [pin kernel] of",
    ),
    "strict where nothing is validated": (
        damage_text(FIPS_CONF, "[fips]\nmode = strict\nrelease = 9.6\n"),
        "are under review: mode 'strict' would hold builds that no certificate covers",
    ),
    "configuration malformed": (
        damage_text("etc/tuxcare/tuxcare.conf", "[server]\nconten = https://x\n"),
        "tuxcare.conf: unknown key 'conten' in [server]",
    ),
    "registration malformed": (
        damage_text("var/lib/tuxcare/registration.json", "{"),
        "registration.json: not JSON",
    ),
}  # fmt: skip


NOW = (
    "choice empty",
    "choice a directory",
    "manifest missing",
    "manifest with a typing error",
    "manifest of another release",
    "site manifest malformed",
    "strict where nothing is validated",
    "configuration malformed",
)


@pytest.fixture(params=some_now(DAMAGES, NOW), ids=lambda name: name.replace(" ", "-"))
def damaged(pinlab, request):
    """A root in mode strict with one thing broken, and what must be said of it."""
    damage, says = DAMAGES[request.param]
    host = pinlab.host("validated", "strict")
    damage(host)
    return host, says


def test_a_damaged_state_stops_what_resolves_and_nothing_else(damaged):
    host, says = damaged
    assert_stopped(host.run("upgrade", "tzdata"), says)
    listed = host.run("list", "installed", "openssl")
    assert (listed.exit, "openssl.x86_64" in listed.stdout) == (0, True), listed.text
    gone = host.run("remove", "tuxcare-release")
    assert (gone.exit, gone.lost) == (0, {lab.OWN.nevra}), gone.text


@pytest.mark.parametrize("command", ["repoquery openssl", "check-update", "search vim", "info nss"])
def test_reading_commands_do_not_mind_a_damaged_state(pinlab, command):
    host = pinlab.host("validated", "strict")
    (host.root / MANIFEST).write_text("damaged")
    outcome = host.run(*command.split())
    assert outcome.exit == (100 if command == "check-update" else 0), outcome.text
    assert "tuxcare:" not in outcome.text


@pytest.mark.parametrize(
    "command",
    [
        "install vim-enhanced",
        "remove tzdata",
        "reinstall tzdata",
        "autoremove",
        "distro-sync tzdata",
        "remove tuxcare-release tzdata",
        "upgrade curl --assumeno",
        "install vim-enhanced --downloadonly",
    ],
)  # fmt: skip
def test_resolving_commands_stop_at_a_damaged_state(pinlab, command):
    host = pinlab.host("validated", "strict")
    (host.root / MANIFEST).write_text("damaged")
    assert_stopped(host.run(*command.split()), "almalinux-9.2.conf")
    assert host.cached_packages() == []


def test_the_package_repairs_itself_from_a_damaged_state(pinlab):
    host = pinlab.host("validated", "strict")
    (host.root / MANIFEST).write_text("damaged")
    outcome = host.run("reinstall", "tuxcare-release")
    assert (outcome.exit, change(outcome)) == (0, UNCHANGED), outcome.text
    assert "Reinstalled" in outcome.stdout


def test_where_fips_is_off_a_damaged_manifest_bothers_nobody(pinlab):
    for mode in (None, "off"):
        host = pinlab.host("validated", mode)
        (host.root / MANIFEST).write_text("damaged")
        (host.root / "etc/tuxcare/fips.d").mkdir()
        host.write("etc/tuxcare/fips.d/corp.conf", "damaged")
        outcome = host.run("upgrade", "tzdata")
        assert (outcome.exit, outcome.gained) == (0, names(lab.NEW, "tzdata")), outcome.text
        assert "tuxcare:" not in outcome.text


# --- the plugin's own files -----------------------------------------------------------------------


class PluginCopy:
    """A copy of plugin and library to damage; `run` is a host's, with the copy in place."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(CHECKOUT / "dnf_plugin", directory, ignore=ignored)
        self.library = directory / "tuxcare"

    def run(self, host, *arguments):
        return host.run(
            f"--setopt=pluginpath={self.directory}/dnf-plugins",
            *arguments,
            environment={
                "PYTHONPATH": str(self.directory),
                "PYTHONPYCACHEPREFIX": str(self.directory / "pycache"),
            },
        )

    def append(self, module: str, code: str) -> None:
        with (self.library / module).open("a") as stream:
            stream.write("\n" + code)


@pytest.fixture
def plugin(tmp_path):
    return PluginCopy(tmp_path / "plugin")


# What a root with pins needs of the library, all that the pins import included.
FREE = ["__init__.py", "dnf_header.py", "osrelease.py", "pgpkey.py", "redact.py", "repofile.py",
        "signature.py"]  # fmt: skip
ENFORCING = sorted(
    path.name
    for path in (CHECKOUT / "dnf_plugin" / "tuxcare").glob("*.py")
    if path.name not in FREE
)


def test_an_undamaged_copy_lets_the_command_through(pinlab, plugin):
    outcome = plugin.run(pinlab.host("validated", "strict"), "upgrade", "tzdata")
    assert (outcome.exit, outcome.gained) == (0, names(lab.NEW, "tzdata")), outcome.text


@pytest.mark.parametrize("module", some_now(ENFORCING, ["pins.py", "manifest.py", "host.py"]))
def test_a_missing_module_stops_the_transaction(pinlab, plugin, module):
    (plugin.library / module).unlink()
    host = pinlab.host("validated", "strict")
    assert_stopped(plugin.run(host, "--disablerepo=*", "remove", "tzdata"), "Error")
    gone = plugin.run(host, "--disablerepo=*", "remove", "tuxcare-release")
    assert gone.lost == {lab.OWN.nevra}, gone.text


@pytest.mark.parametrize(
    "content", [b"def broken(:\n", b"", b"\x00\xff\x00", b"import no_such_module_at_all\n"],
    ids=["syntax", "empty", "binary", "import"],
)  # fmt: skip
@pytest.mark.parametrize("module", some_now(["pins.py", "dnf_adapter.py"], ["pins.py"]))
def test_a_damaged_module_stops_the_transaction(pinlab, plugin, module, content):
    (plugin.library / module).write_bytes(content)
    host = pinlab.host("validated", "strict")
    assert_stopped(plugin.run(host, "--disablerepo=*", "remove", "tzdata"))


def test_a_missing_library_stops_it_too_but_not_reading_nor_repair(pinlab, plugin):
    shutil.rmtree(plugin.library)
    host = pinlab.host("validated", "strict")
    outcome = plugin.run(host, "--disablerepo=*", "remove", "tzdata")
    assert_stopped(outcome, "No module named 'tuxcare'")
    assert plugin.run(host, "list", "installed").exit == 0
    gone = plugin.run(host, "--disablerepo=*", "remove", "tuxcare-release")
    assert (gone.exit, gone.lost) == (0, {lab.OWN.nevra}), gone.text


@pytest.mark.parametrize("mode", [None, "off"])
def test_a_missing_library_leaves_a_host_without_pins_usable(pinlab, plugin, mode):
    shutil.rmtree(plugin.library)
    host = pinlab.host("validated", mode)
    outcome = plugin.run(host, "--disablerepo=*", "remove", "tzdata")
    assert (outcome.exit, outcome.lost) == (0, names(lab.OLD, "tzdata")), outcome.text
    assert "No module named 'tuxcare'" in outcome.stderr  # said, once for each hook


RAISED = {
    "RuntimeError('x')": "RuntimeError: x",
    "KeyError('x')": "KeyError: 'x'",
    "OSError(5, 'Input/output error')": "Input/output error",
    "PermissionError(13, 'denied')": "denied",
    "AssertionError()": "AssertionError",
    "StopIteration()": "StopIteration",
    "RecursionError('deep')": "RecursionError",
    "MemoryError()": "MemoryError",
    "UnicodeDecodeError('utf-8', b'x', 0, 1, 'bad')": "UnicodeDecodeError",
    "Exception()": "Exception",
    "Mute()": "Mute",
    "__import__('dnf').exceptions.DepsolveError('x')": "x",
    "__import__('dnf').exceptions.TransactionCheckError()": "TransactionCheckError",
    "__import__('dnf').exceptions.MarkingErrors()": "MarkingErrors",
    "__import__('dnf').exceptions.CompsError('x')": "x",
    "__import__('tuxcare.errors').errors.StorageError('x')": "x",
}


def inject(plugin, point, exception):
    """Puts code that raises into the library's files."""
    module, attribute = {
        "hide": ("pins.py", "Pins.check_arriving"),
        "pin_of": ("pins.py", "Pins.pin_of"),
        "check": ("pins.py", "Pins.check"),
        "load": ("manifest.py", "load"),
        "start": ("dnf_solver.py", "SolverGuard.make_room"),
        "end": ("dnf_solver.py", "SolverGuard.explain_failure"),
        "transaction": ("dnf_adapter.py", "to_change"),
    }[point]
    plugin.append(
        module,
        "class Mute(Exception):\n"
        "    def __str__(self):\n"
        "        raise ValueError('cannot be told')\n"
        "def raise_it(*args, **kwargs):\n"
        f"    raise {exception}\n"
        f"{attribute} = raise_it\n",
    )


@pytest.mark.parametrize(
    "exception",
    some_now(
        RAISED,
        ["RuntimeError('x')", "Mute()", "__import__('dnf').exceptions.DepsolveError('x')"],
    ),
)
def test_an_exception_of_any_kind_stops_the_transaction(pinlab, plugin, exception):
    inject(plugin, "transaction", exception)
    outcome = plugin.run(pinlab.host("validated", "strict"), "upgrade", "tzdata")
    assert outcome.exit == 1, outcome.text
    assert change(outcome) == UNCHANGED
    assert RAISED[exception] in outcome.stderr


@pytest.mark.parametrize(
    "exception", some_now(["RuntimeError('x')", "Mute()"], ["RuntimeError('x')"])
)
@pytest.mark.parametrize(
    "point", ["hide", "pin_of", "check", "load", "start", "end", "transaction"]
)
def test_an_exception_at_any_point_stops_the_transaction(pinlab, plugin, point, exception):
    inject(plugin, point, exception)
    outcome = plugin.run(pinlab.host("tools", "strict"), "upgrade", "tzdata")
    assert_stopped(outcome)


@pytest.mark.parametrize("exception", ["KeyboardInterrupt()", "SystemExit(3)", "GeneratorExit()"])
def test_what_ends_a_program_passes_through(pinlab, plugin, exception):
    inject(plugin, "transaction", exception)
    outcome = plugin.run(pinlab.host("validated", "strict"), "upgrade", "tzdata")
    assert outcome.exit != 0
    assert change(outcome) == UNCHANGED


@pytest.mark.parametrize("hook", ["resolved", "pre_transaction"])
def test_each_check_stops_a_transaction_alone(pinlab, plugin, hook):
    """The other one is taken out of the plugin, and what hides and protects too."""
    other = {"resolved": "pre_transaction", "pre_transaction": "resolved"}[hook]
    with (plugin.directory / "dnf-plugins" / "tuxcare.py").open("a") as stream:
        stream.write(f"\n\nTuxCare.{other} = TuxCare.sack = lambda plugin: None\n")
    host = pinlab.host("validated", "strict")
    outcome = plugin.run(host, "upgrade", "--exclude=openssl-next")
    assert outcome.exit == 1, outcome.text
    assert change(outcome) == UNCHANGED
    assert "FIPS mode 'strict'" in outcome.stderr
    downloaded = host.cached_packages() != []
    assert downloaded == (hook == "pre_transaction")


def test_the_plugin_is_importable_by_every_python_it_runs_on():
    """Its file must compile anywhere: dnf swallows an import that fails."""
    source = CHECKOUT / "dnf_plugin" / "dnf-plugins" / "tuxcare.py"
    for python in [sys.executable, *map(str, CHECKOUT.glob(".venv-py3*/bin/python"))]:
        subprocess.run(
            [python, "-c", f"compile(open({str(source)!r}).read(), 'x', 'exec')"], check=True
        )
