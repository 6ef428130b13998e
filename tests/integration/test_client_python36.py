"""What runs on customers' hosts, on the Python 3.6 that AlmaLinux 8 has."""

import os
import subprocess

from tests.support import CHECKOUT, requires

UNIT = [
    "test_host.py",
    "test_repofile.py",
    "test_nevra.py",
    "test_manifest.py",
    "test_pins.py",
    "test_variables.py",
    "test_dnf_versions.py",
    "test_tuxctl_*.py",
]
INTEGRATION = [
    "test_tuxctl_register.py",
    "test_tuxctl_fips.py",
    "test_tuxctl_network.py",
    "test_tuxctl_status.py",
    "test_tuxctl_bundle.py",
]


def test_the_clients_tests_pass_on_python_36():
    python = requires("python3.6")
    files = [
        str(path)
        for folder, patterns in (("unit", UNIT), ("integration", INTEGRATION))
        for pattern in patterns
        for path in sorted((CHECKOUT / "tests" / folder).glob(pattern))
    ]
    assert len(files) >= len(UNIT)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")
    }
    done = subprocess.run(
        [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *files],
        cwd=str(CHECKOUT),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode()[-8000:]
