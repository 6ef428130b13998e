"""The mirror's promise is Python 3.9: its rules are tested there, and all of it is compiled."""

import os
import re
import subprocess

from tests.support import CHECKOUT, requires

MIRROR = CHECKOUT / "mirror"
# What needs bindings of the distribution, which 3.9 does not have here.
BINDINGS = re.compile(r"tuxmirror\.adapters|tests\.support\.(keys|rpms|tree|upstream|mirror)")


def run(python, *arguments):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    done = subprocess.run(
        [str(python), *arguments],
        cwd=CHECKOUT,
        env={**environment, "PYTHONPATH": str(MIRROR), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
    return done.stdout


def test_the_mirrors_rules_hold_on_python_39():
    python = requires("python3.9")
    files = [
        str(path)
        for path in sorted((CHECKOUT / "tests/unit").glob("test_*.py"))
        if "tuxmirror" in path.read_text() and not BINDINGS.search(path.read_text())
    ]
    assert len(files) >= 4
    run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files)


def test_the_command_line_starts_on_python_39():
    """Everything but the adapters is imported by building the parser and the use-cases."""
    python = requires("python3.9")
    assert "sync" in run(python, "-m", "tuxmirror", "--help")
    run(python, "-c", "import tuxmirror.usecases.sync, tuxmirror.usecases.registration")


def test_every_module_compiles_on_python_39():
    python = requires("python3.9")
    code = (
        "import pathlib, sys\n"
        "for path in pathlib.Path(sys.argv[1]).rglob('*.py'):\n"
        "    compile(path.read_bytes(), str(path), 'exec')\n"
        "    print(path.name)\n"
    )
    assert len(run(python, "-c", code, str(MIRROR)).split()) > 30
