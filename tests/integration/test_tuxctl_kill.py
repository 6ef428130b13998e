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


# Commands that change a registered host, and what must hold after a kill and a second run: either
# all of it or nothing.
COMMANDS = {
    "refresh": ["refresh"],
    "releasever": ["releasever", "9.6"],
    "revert": ["repos", "revert"],
    "image": ["prepare-image"],
    "unregister": ["unregister"],
}


def register(client_root, registration, *trace):
    options = ["--server", registration.url, "--fips", "--license-key-file", "-"]
    return traced(client_root, options, trace)


def traced(client_root, arguments, trace):
    """A real process of tuxctl under strace."""
    command = [
        *(sys.executable, "-B", "-m", "tuxctl", "--root", str(client_root.directory)),
        *arguments,
    ]
    return subprocess.run(
        ["strace", "-qq", *trace, *command],
        input=LICENCE.encode(),
        capture_output=True,
        env={**os.environ, "PYTHONPATH": f"{CHECKOUT}/tuxctl:{CHECKOUT}/dnf_plugin"},
        check=False,
    )


def state_changes(client_root, registration, tmp_path):
    """Every state-changing system call of registering."""
    trace = tmp_path / "trace"
    done = register(client_root, registration, "-o", str(trace), "-e", f"trace={CALLS}")
    assert done.returncode == 0, done.stderr
    return calls_in(trace)


def calls_in(trace):
    """(name, how many of that name before it + 1) for each call."""
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


def kill_command_at_each(every, name, client_root, registration, tuxctl, tmp_path):
    """Afterwards the same command goes through, and leaving the host puts every byte back."""
    machine = client_root.read("etc/machine-id")
    before = client_root.snapshot()
    assert register(client_root, registration).returncode == 0
    trace = tmp_path / "trace"
    done = traced(client_root, COMMANDS[name], ["-o", str(trace), "-e", f"trace={CALLS}"])
    assert done.returncode == 0, done.stderr
    calls = calls_in(trace)
    assert len(calls) > 10
    tuxctl("unregister", "--local")
    for call, number in calls[::every]:
        client_root.write("etc/machine-id", machine)
        assert register(client_root, registration).returncode == 0
        inject = f"inject={call}:signal=KILL:when={number}"
        done = traced(client_root, COMMANDS[name], ["-e", inject, "-o", os.devnull])
        assert done.returncode != 0, (call, number)
        if client_root.exists(TOKEN):
            assert client_root.read(TOKEN).strip() in registration.tokens or name in (
                "image",
                "unregister",
            ), (call, number)
        again = tuxctl(*COMMANDS[name])
        assert again.status in (0, 1), (call, number, again)
        tuxctl("unregister", "--local")
        client_root.write("etc/machine-id", machine)
        os.utime(str(client_root.path("etc/machine-id")), ns=(before["etc/machine-id"][1][1],) * 2)
        assert client_root.snapshot() == before, (call, number)
        assert client_root.rpm_keys() == [], (call, number)


def test_kills_all_over_a_refresh_leave_a_way_on(client_root, registration, tuxctl, tmp_path):
    kill_command_at_each(25, "refresh", client_root, registration, tuxctl, tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("name", COMMANDS)
def test_a_kill_at_any_state_change_of_a_command_leaves_a_way_on(
    client_root, registration, tuxctl, tmp_path, name
):
    kill_command_at_each(1, name, client_root, registration, tuxctl, tmp_path)


# -- a disk that is full, read-only or broken ------------------------------------------------------


def fail_at_each(every, error, client_root, registration, tuxctl, tmp_path):
    """The kernel refuses one call: the run says so and the host is as before, or it is done."""
    before = client_root.snapshot()
    calls = state_changes(client_root, registration, tmp_path)
    assert tuxctl("unregister").status == 0
    refused = 0
    for call, number in calls[::every]:
        inject = f"inject={call}:error={error}:when={number}"
        done = register(client_root, registration, "-e", inject, "-o", os.devnull)
        assert done.returncode in (0, 6), (call, number, done)
        if done.returncode == 0:
            assert tuxctl("unregister").status == 0
        else:
            refused += 1
            assert b"tuxctl: " in done.stderr
            assert b"Traceback" not in done.stderr
            # Trouble behind the last change: it is registered, and the service knows it. Else what
            # could not be put back at once is now.
            tuxctl("unregister", *([] if client_root.exists(TOKEN) else ["--local"]))
        assert client_root.snapshot() == before, (call, number)
        assert client_root.rpm_keys() == [], (call, number)
        assert registration.tokens == {}, (call, number)
    assert refused


def test_refused_calls_all_over_a_run_leave_no_trace(client_root, registration, tuxctl, tmp_path):
    fail_at_each(23, "ENOSPC", client_root, registration, tuxctl, tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("error", ["ENOSPC", "EROFS", "EIO"])
def test_a_refused_call_anywhere_leaves_no_trace(
    client_root, registration, tuxctl, tmp_path, error
):
    fail_at_each(1, error, client_root, registration, tuxctl, tmp_path)
