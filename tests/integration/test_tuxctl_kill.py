"""Killed for real: a process of its own, ended by the kernel at a chosen system call."""

import os
import subprocess
import sys

import pytest

from tests.integration.conftest import LICENCE
from tests.support import CHECKOUT
from tests.support.client_root import TOKEN

# What changes a file system or makes a change last.
CALLS = "rename,unlink,mkdir,rmdir,fchmod,fchown,utimensat,fsync"


def register(client_root, registration, *trace):
    command = [
        *(sys.executable, "-B", "-m", "tuxctl", "--root", str(client_root.directory)),
        *("--server", registration.url, "--fips", "--license-key-file", "-"),
    ]
    return subprocess.run(
        ["strace", "-qq", *trace, *command],
        input=LICENCE.encode(),
        capture_output=True,
        env={**os.environ, "PYTHONPATH": f"{CHECKOUT}/tuxctl:{CHECKOUT}/dnf_plugin"},
        check=False,
    )


def state_changes(client_root, registration, tmp_path):
    """Every state-changing system call of a run, as (name, how many of that name before it + 1)."""
    trace = tmp_path / "trace"
    done = register(client_root, registration, "-o", str(trace), "-e", f"trace={CALLS}")
    assert done.returncode == 0, done.stderr
    seen, calls = {}, []
    for line in trace.read_text().splitlines():
        name = line.partition("(")[0]
        if name not in CALLS.split(","):
            continue
        seen[name] = seen.get(name, 0) + 1
        calls.append((name, seen[name]))
    return calls


def kill_at_each(every, client_root, registration, tuxctl, tmp_path):
    before = client_root.snapshot()
    calls = state_changes(client_root, registration, tmp_path)
    assert tuxctl("unregister").status == 0
    assert client_root.snapshot() == before
    assert len(calls) > 100
    for name, number in calls[::every]:
        inject = f"inject={name}:signal=KILL:when={number}"
        done = register(client_root, registration, "-e", inject, "-o", os.devnull)
        assert done.returncode != 0, (name, number)
        tuxctl("unregister", "--local")
        assert client_root.snapshot() == before, (name, number)
        assert client_root.rpm_keys() == [], (name, number)
        assert not client_root.exists(TOKEN)


def test_kills_all_over_a_run_leave_no_trace(client_root, registration, tuxctl, tmp_path):
    kill_at_each(16, client_root, registration, tuxctl, tmp_path)


@pytest.mark.full
def test_a_kill_at_any_state_change_leaves_no_trace(client_root, registration, tuxctl, tmp_path):
    kill_at_each(1, client_root, registration, tuxctl, tmp_path)
