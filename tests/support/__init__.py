"""What the tests stand on: keys, packages, upstream trees, a misbehaving server, hosts.

This module runs on Python 3.6 too, for the client's tests; the others need 3.10 and the
distribution's bindings.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Optional

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
SHARED_DATA = CHECKOUT.parent / "shared" / "data"
_PROGRAMS = {"ceph": "radosgw", "ansible": "ansible-playbook"}
KNOWN_SKIP = "requires "


def requires(what: str) -> Optional[Path]:
    """What a test cannot do without, or the one allowed kind of skip.

    Args:
        what: "root", "shared_data", "osv_database", "ceph", "ansible", "python3.6" or "python3.9".

    Returns:
        the Path of the folder, program or interpreter; None for "root".
    """
    if what == "root":
        if os.geteuid() != 0:
            pytest.skip(KNOWN_SKIP + "root: hosts are mount namespaces")
        return None
    if what == "shared_data":
        if not SHARED_DATA.is_dir():
            pytest.skip(KNOWN_SKIP + f"packages made by others, in {SHARED_DATA}")
        return SHARED_DATA
    if what == "osv_database":
        folder = os.environ.get("OSV_DATABASE")
        if not folder:
            pytest.skip(KNOWN_SKIP + "OSV_DATABASE: a checkout of AlmaLinux/osv-database")
        return Path(folder)
    if what in _PROGRAMS:
        program = shutil.which(_PROGRAMS[what])
        if program is None:
            pytest.skip(KNOWN_SKIP + f"{what} (./dev test --full installs it on Debian)")
        return Path(program)
    if what in ("python3.6", "python3.9"):
        return _interpreter(what)
    raise ValueError(f"requires({what!r}): not a known reason to skip")


def _interpreter(name: str) -> Path:
    beside = CHECKOUT / ".venv-py{}".format(name[len("python") :].replace(".", "")) / "bin/python"
    for candidate in (str(beside), shutil.which(name)):
        if candidate and _works(candidate):
            return Path(candidate)
    pytest.skip(KNOWN_SKIP + f"{name} (./dev setup finds it with pyenv or on PATH)")


def _works(interpreter: str) -> bool:
    try:
        return subprocess.call([interpreter, "-c", "import pytest"]) == 0
    except OSError:
        return False
