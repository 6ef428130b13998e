"""Manual pages, completions, units and the spec say what the programs do."""

from __future__ import annotations

import argparse
import ast
import configparser
import importlib.util
import os
import re
import subprocess
import sys
import tarfile

import pytest

import tuxctl.cli
import tuxmirror.cli
from tests.support import CHECKOUT
from tuxctl.fips import ACCEPTABLE
from tuxmirror import __version__ as mirror_version
from tuxmirror.core import config as mirror_config

PACKAGING = CHECKOUT / "packaging"
SPEC = (CHECKOUT / "tuxcare-release.spec").read_text()
MANUALS = sorted((PACKAGING / "man").iterdir())
UNITS = sorted((PACKAGING / "systemd").glob("*.service"))
TIMERS = sorted((PACKAGING / "systemd").glob("*.timer"))
PARSERS = {"tuxctl": tuxctl.cli._parser, "tuxmirror": tuxmirror.cli._parser}
PYTHONPATH = ":".join(str(CHECKOUT / root) for root in ("mirror", "tuxctl", "dnf_plugin"))
# Which package has a module that the mirror imports; the same on EL9 and EL10.
MODULES = {
    "alembic": "python3-alembic",
    "createrepo_c": "python3-createrepo_c",
    "cvss": "python3-cvss",
    "flask": "python3-flask",
    "jinja2": "python3-jinja2",
    "gnupg": "python3-gnupg",
    "prometheus_client": "python3-prometheus_client",
    "pycurl": "python3-pycurl",
    "rpm": "python3-rpm",
    "solv": "python3-solv",
    "sqlalchemy": "python3-sqlalchemy",
    "waitress": "python3-waitress",
    "werkzeug": "python3-werkzeug",
    "yaml": "python3-pyyaml",
    "zstandard": "python3-zstandard",
}
# Imported where the configuration asks for it: a bucket, workers.
OPTIONAL = {
    "boto3": "python3-boto3",
    "botocore": "python3-boto3",
    "cvss": "python3-cvss",
    "distributed": "python3-distributed",
}

_LOADER = importlib.util.spec_from_file_location("build", PACKAGING / "rpm" / "build.py")
build = importlib.util.module_from_spec(_LOADER)
sys.modules["build"] = build
_LOADER.loader.exec_module(build)


def commands(parser, path=()):
    """(words of the command, its long options) for every command of a parser."""
    options = [text for action in parser._actions for text in action.option_strings]
    yield path, sorted(text for text in options if text.startswith("--"))
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                yield from commands(sub, (*path, name))


def all_commands():
    return [(name, *found) for name, make in PARSERS.items() for found in commands(make())]


# -- manual pages --------------------------------------------------------------------------------


@pytest.mark.parametrize("page", MANUALS, ids=lambda page: page.name)
def test_a_manual_page_renders_without_a_warning(page):
    done = subprocess.run(
        ["mandoc", "-Tlint", "-W", "warning", page], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", PARSERS)
def test_the_manual_names_every_command_and_option(name):
    text = (PACKAGING / "man" / f"{name}.8").read_text()
    words = set(re.findall(r"[\w-]+", text.replace("\\-", "-")))
    for path, options in commands(PARSERS[name]()):
        assert set(path) <= words, f"packaging/man/{name}.8: no '{' '.join(path)}'"
        for option in options:
            if option != "--help":
                assert f"-{option[2:]}" in words, f"packaging/man/{name}.8: no {option}"


def test_the_manual_of_the_mirrors_configuration_names_every_key():
    text = (PACKAGING / "man" / "tuxmirror.conf.5").read_text()
    documented = set(re.findall(r"[a-z_0-9]+", " ".join(re.findall(r"^\.It Ic (.*)$", text, re.M))))
    known = mirror_config._MAIN.keys() | mirror_config._TREE.keys() | {"store", "public"}
    known |= mirror_config._POLICY.keys() | mirror_config._CHANNEL.keys()
    assert known - documented == set(), "packaging/man/tuxmirror.conf.5"


def test_the_shipped_configuration_of_the_mirror_is_valid():
    text = (CHECKOUT / "etc/tuxmirror/tuxmirror.conf").read_text()
    assert mirror_config.parse(text).trees == {}
    examples = re.sub(r"^; (?=\[|\w+ =)", "", text, flags=re.M)
    assert set(mirror_config.parse(examples).trees) == {"almalinux/9.2", "tuxcare/9.2/esu"}


# -- completions ---------------------------------------------------------------------------------


def complete(name, *words, prepare=""):
    """What bash offers for the last word."""
    line = " ".join((name, *words))
    script = f"""
        . /usr/share/bash-completion/bash_completion
        . {PACKAGING}/completions/{name}
        {name}() {{ {sys.executable} -m {name} "$@"; }}
        {prepare}
        COMP_WORDS=({name} {" ".join(f"'{word}'" for word in words)})
        COMP_CWORD={len(words)} COMP_LINE='{line}' COMP_POINT={len(line)}
        _{name}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
    )
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.mark.parametrize(("name", "path", "options"), all_commands())
def test_completion_offers_every_option_of_every_command(name, path, options):
    assert complete(name, *path, "--") == set(options)


@pytest.mark.parametrize("name", PARSERS)
def test_completion_offers_every_command(name):
    found = [path for path, _ in commands(PARSERS[name]())]
    for above in {path[:-1] for path in found if path}:
        wanted = {path[-1] for path in found if path and path[:-1] == above}
        assert complete(name, *above, "") == wanted


def test_completion_of_files(tmp_path):
    (tmp_path / "week48.tar").touch()
    for words in (("import",), ("export", "-o"), ("init", "--key")):
        assert str(tmp_path / "week48.tar") in complete("tuxmirror", *words, f"{tmp_path}/we")


def test_completion_never_offers_nor_passes_on_a_licence_key(tmp_path):
    assert complete("tuxctl", "--license-key", "") == set()
    seen = tmp_path / "argv"
    spy = f'tuxctl() {{ echo "$@" >> {seen}; }}'
    complete("tuxctl", "-l", "ESU-SECRET", "ESA-SECRET", "--", prepare=spy)
    assert seen.read_text() == "--help\n"


def test_completion_of_choices():
    assert complete("tuxctl", "fips", "") == {"status", "enable", "disable"}
    assert complete("tuxctl", "fips", "enable", "--accept", "") == set(ACCEPTABLE)
    assert complete("tuxctl", "repos", "") == {"diff", "switch", "revert"}
    assert complete("tuxctl", "--root", "/image", "status", "--j") == {"--json"}
    assert complete("tuxmirror", "license", "create", "--product", "") == {
        "essential",
        "esu",
        "fips",
    }


def test_completion_of_trees_reads_the_configuration(tmp_path):
    conf = tmp_path / "tuxmirror.conf"
    conf.write_text("[main]\n[almalinux/9.2]\n[tuxcare/9.2/esu]\n[policy/default]\n")
    assert complete("tuxmirror", "-c", str(conf), "sync", "") == {
        "almalinux/9.2",
        "tuxcare/9.2/esu",
    }
    assert complete("tuxmirror", "-c", str(conf), "sync", "tux") == {"tuxcare/9.2/esu"}


def test_completion_takes_files_where_files_are_meant(tmp_path):
    (tmp_path / "licence").touch()
    offered = complete("tuxctl", "--license-key-file", "", prepare=f"cd {tmp_path}")
    assert offered == {"licence"}


# -- units ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_service_is_confined(unit):
    done = subprocess.run(
        ["systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=20", unit],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_units_start_what_the_package_installs_as_its_user():
    for unit in UNITS:
        text = unit.read_text()
        [started] = re.findall(r"^ExecStart=(.*)$", text, re.M)
        if unit.name.startswith("tuxctl-"):
            assert started == f"/usr/sbin/tuxctl {unit.stem[len('tuxctl-') :]}"
            assert "\nUser=" not in text
            # A host that is not registered has nothing to do.
            assert "\nConditionPathExists=/etc/tuxcare/token\n" in text
            continue
        program, *arguments = started.split()
        assert program == "/usr/bin/tuxmirror"
        assert " ".join(arguments) in ("serve --listen systemd", "sync", "verify --quiet")
        assert PARSERS["tuxmirror"]().parse_args(arguments).handler
        assert "\nUser=tuxmirror\n" in text
    [user] = re.findall(r"^u .*$", (PACKAGING / "sysusers/tuxmirror.conf").read_text(), re.M)
    # What %pre makes is what sysusers.d describes.
    assert user in SPEC.replace("%{_localstatedir}", "/var")


def test_the_socket_is_held_for_the_service_and_installed_with_it():
    socket, service = units("tuxmirror.socket"), units("tuxmirror.service")
    assert socket["Socket"]["ListenStream"] == "127.0.0.1:8080"
    assert service["Unit"]["Requires"] == "tuxmirror.socket"
    assert "tuxmirror.socket" in service["Unit"]["After"]
    assert service["Install"]["Also"] == "tuxmirror.socket"
    # Where docs/serving.md says that leases lie.
    assert service["Service"]["RuntimeDirectory"] == "tuxmirror"
    installed = {path.name for path in (PACKAGING / "systemd").iterdir()}
    assert installed <= set(re.findall(r"^%\{_unitdir\}/(.*)$", SPEC, re.M))
    for scriptlet in ("%systemd_post", "%systemd_preun"):
        lines = re.findall(rf"^{scriptlet} (.*)$", SPEC, re.M)
        named = {name for line in lines for name in line.split()}
        wanted = {name for name in installed if units(name).has_section("Install")}
        assert named == wanted, scriptlet


def units(name):
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters="=")
    parser.optionxform = str
    parser.read(PACKAGING / "systemd" / name)
    return parser


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path):
    """`systemd-analyze verify`, with programs that are not installed here standing in."""
    for path in (PACKAGING / "systemd").iterdir():
        text = re.sub(r"/usr/s?bin/tux(mirror|ctl)", "/bin/true", path.read_text())
        (tmp_path / path.name).write_text(text)
    for path in sorted(tmp_path.iterdir()):
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", path],
            capture_output=True,
            text=True,
            env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        )
        ours = [
            line for line in done.stderr.splitlines() if "tuxmirror" in line or "tuxctl" in line
        ]
        assert ours == [], path.name


@pytest.mark.parametrize("timer", TIMERS, ids=lambda timer: timer.name)
def test_a_timer_parses_and_has_its_service(timer):
    text = timer.read_text()
    assert timer.with_suffix(".service") in UNITS
    assert f"%{{_unitdir}}/{timer.name}" in SPEC
    [calendar] = re.findall(r"^OnCalendar=(.*)$", text, re.M)
    subprocess.run(["systemd-analyze", "calendar", calendar], check=True, capture_output=True)


# -- spec and sources ----------------------------------------------------------------------------


def test_one_version_everywhere():
    [version] = re.findall(r"^Version:\s+(\S+)$", SPEC, re.M)
    assert version == build.version() == mirror_version
    [newest] = re.findall(r"\A\* .* - (\S+)-\d+$", SPEC.split("%changelog\n")[1], re.M)[:1]
    assert newest == version


def test_the_mirrors_package_asks_for_every_module_it_imports():
    imported = set()
    for path in (CHECKOUT / "mirror/tuxmirror").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                imported.add(node.module.split(".")[0])
    foreign = imported - sys.stdlib_module_names
    known = MODULES.keys() | OPTIONAL.keys()
    assert foreign - known == set(), "add it here and to tuxcare-release.spec"
    for module in foreign & MODULES.keys():
        assert re.search(rf"^Requires:\s+{MODULES[module]}$", SPEC, re.M), module
    for module in foreign & OPTIONAL.keys():
        assert re.search(rf"^Suggests:\s+{OPTIONAL[module]}$", SPEC, re.M), module


def test_every_package_is_declared_and_on_disk():
    parser = configparser.ConfigParser()
    parser.read(CHECKOUT / "setup.cfg")
    declared = set(parser["options"]["packages"].split())
    roots = ("dnf_plugin/tuxcare", "tuxctl/tuxctl", "mirror/tuxmirror")
    present = {
        ".".join(init.parent.relative_to((CHECKOUT / root).parent).parts)
        for root in roots
        for init in (CHECKOUT / root).rglob("__init__.py")
    }
    assert declared == present


@pytest.mark.parametrize("name", ["debian.txt", "el9.txt"])
def test_requirements_are_sorted_and_named_once(name):
    lines = (PACKAGING / "requirements" / name).read_text().splitlines()
    assert lines == sorted(set(lines))


def test_a_source_archive_depends_on_names_bytes_and_modes_alone(tmp_path):
    for name in ("one", "two"):
        build.write_archive(tmp_path / name, "x-1", ["dev", "LICENSE"], 1700000000)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    with tarfile.open(tmp_path / "one") as archive:
        found = [(m.name, m.mode, m.uname, m.mtime) for m in archive.getmembers()]
    assert found == [
        ("x-1/LICENSE", 0o644, "root", 1700000000),
        ("x-1/dev", 0o755, "root", 1700000000),
    ]


@pytest.mark.parametrize("release", ["9", "nine", "7.9", "9.2.1", "09.2", ""])
def test_a_release_that_is_none_is_refused(release):
    with pytest.raises(build.BuildError, match=r"expected one such as 9\.2"):
        build.read_order(["--release", release, "--key", "x"])
