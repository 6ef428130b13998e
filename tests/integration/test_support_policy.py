"""A run with an unexpected skip or a leak fails; known reasons to skip are shown, not failed."""

import subprocess
import sys

import pytest

from tests.support import CHECKOUT

PYTEST = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]


@pytest.fixture
def run(tmp_path):
    """Runs test code under the project's rules: run(code, *pytest arguments)."""

    def runner(code, *arguments, prefix=()):
        (tmp_path / "conftest.py").write_text(
            "from tests.support.policy import RunPolicy\n"
            "def pytest_configure(config):\n"
            "    config.pluginmanager.register(RunPolicy(config), 'run-policy')\n"
        )
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        (tmp_path / "test_sample.py").write_text(code)
        return subprocess.run(
            [*prefix, *PYTEST, *arguments, str(tmp_path)],
            cwd=tmp_path, capture_output=True, text=True, check=False,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(CHECKOUT),
                 "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        )  # fmt: skip

    return runner


PARALLEL = pytest.mark.parametrize(
    "parallel", [(), ("-p", "xdist", "-n", "1")], ids=["alone", "xdist"]
)


@PARALLEL
def test_unexpected_skip_fails_the_run(run, parallel):
    done = run("import pytest\ndef test_a():\n    pytest.skip('no time')\n", *parallel)
    assert done.returncode == 1
    assert "UNEXPECTED SKIP: test_sample.py::test_a: no time" in done.stdout


def test_module_that_skips_itself_fails_the_run(run):
    done = run("import pytest\npytest.importorskip('no_such_module')\ndef test_a():\n    pass\n")
    assert done.returncode == 1
    assert "UNEXPECTED SKIP: test_sample.py" in done.stdout


@PARALLEL
def test_known_reason_passes_and_is_shown(run, parallel):
    done = run(
        "import tests.support as s, pathlib\n"
        "def test_a(monkeypatch):\n"
        "    monkeypatch.setattr(s, 'SHARED_DATA', pathlib.Path('/none'))\n"
        "    s.requires('shared_data')\n"
        "def test_b():\n    pass\n",
        *parallel,
    )
    assert done.returncode == 0, done.stdout
    assert "NOT TESTED HERE: 1 test(s): requires packages made by others, in /none" in done.stdout


def test_expected_failure_is_no_skip(run):
    done = run("import pytest\n@pytest.mark.xfail\ndef test_a():\n    assert 0\n")
    assert done.returncode == 0, done.stdout


@PARALLEL
def test_left_process_fails_the_run(run, parallel):
    done = run(
        "import subprocess, tests.support.policy as p\n"
        "p.GRACE = 0.1\n"
        "def test_a():\n    subprocess.Popen(['sleep', '66'])\n",
        *parallel,
    )
    assert done.returncode == 1, done.stdout
    assert "LEFT BEHIND: process" in done.stdout
    assert "sleep 66" in done.stdout


@pytest.mark.host
def test_left_mount_fails_the_run(run):
    code = (
        "import subprocess\n"
        "def test_a(tmp_path):\n"
        "    subprocess.run(['mount', '-t', 'tmpfs', 'left', tmp_path], check=True)\n"
    )
    done = run(code, prefix=["unshare", "-m", "--propagation", "private"])
    assert done.returncode == 1, done.stdout
    assert "LEFT BEHIND: mount" in done.stdout


def test_unknown_requirement_is_an_error():
    from tests.support import requires

    with pytest.raises(ValueError, match="not a known reason"):
        requires("luck")
