"""A step that fails, a full disk, a kill: the host is as before, or as after."""

import os
import signal
import subprocess
import sys
import time

from tests.integration.conftest import LICENCE
from tests.support import CHECKOUT
from tests.support.client_root import BASEOS, TOKEN
from tests.support.faults import FaultySystem, Killed
from tuxctl.system import Outcome, System


def test_a_key_that_rpm_refuses_puts_everything_back(register, tuxctl, client_root, registration):
    class NoImport(System):
        def run(self, argv, timeout=120):
            if "--import" in argv:
                return Outcome(1, "", "error: key 1 import failed.\n")
            return super().run(argv, timeout)

    tuxctl.system_at = NoImport
    before = client_root.snapshot()
    done = register("--fips")
    assert "8. Import the TuxCare GPG key: failed" in done.out
    assert done.status == 6
    assert "import failed" in done.err
    assert client_root.snapshot() == before
    # The seat is given back.
    assert registration.tokens == {}


def test_a_full_disk_at_any_operation_puts_everything_back(
    register, tuxctl, client_root, registration, no_waiting_for_the_disk
):
    before = client_root.snapshot()
    number, done = 0, None
    while done is None or done.status != 0:
        number += 1
        tuxctl.system_at = lambda root, n=number: FaultySystem(root, fail_at=n)
        done = register("--fips")
        if done.status != 0:
            assert done.status == 6, done.err
            tuxctl.system_at = System
            tuxctl("unregister", "--local")  # finishes what could not be put back at once
            assert client_root.snapshot() == before, number
            assert client_root.rpm_keys() == [], number
            assert registration.tokens == {}, number
    assert number > 25


def test_a_kill_at_any_operation_is_undone_by_the_next_command(
    register, tuxctl, client_root, no_waiting_for_the_disk
):
    before = client_root.snapshot()
    number = 0
    while True:
        number += 1
        tuxctl.system_at = lambda root, n=number: FaultySystem(root, kill_at=n)
        try:
            register()
        except Killed:
            tuxctl.system_at = System
            tuxctl("unregister", "--local")
            assert client_root.snapshot() == before, number
            assert client_root.rpm_keys() == [], number
        else:
            break
    assert number > 25


def test_a_failed_re_registration_keeps_the_new_token(register, tuxctl, client_root, registration):
    register()
    old = client_root.read(TOKEN)
    switched = client_root.read(BASEOS)

    class NoImport(System):
        def run(self, argv, timeout=120):
            return Outcome(1, "", "broken database")

    tuxctl.system_at = NoImport
    done = register("--force")
    assert done.status == 6
    assert client_root.read(TOKEN) != old
    assert client_root.read(TOKEN).strip() in registration.tokens
    assert client_root.read(BASEOS) == switched
    tuxctl.system_at = System
    assert tuxctl("unregister").status == 0
    assert not client_root.exists(TOKEN)


def test_a_kill_while_re_registering_locks_nobody_out(
    register, tuxctl, client_root, registration, no_waiting_for_the_disk
):
    """A new token that reached the disk stays: the service is about to retire the old one."""
    register()
    switched = client_root.read(BASEOS)
    kept = set()
    for number in range(1, 200):
        old = client_root.read(TOKEN)
        tuxctl.system_at = lambda root, n=number: FaultySystem(root, kill_at=n)
        try:
            register("--force")
        except Killed:
            tuxctl.system_at = System
            assert tuxctl("releasever", "9.2").status == 0
            assert client_root.read(BASEOS) == switched, number
            kept.add(client_root.read(TOKEN) == old)
        else:
            break
    assert kept == {True, False}
    assert client_root.read(TOKEN).strip() in registration.tokens


def test_being_told_to_end_puts_everything_back(client_root, registration, tuxctl):
    """A real process, a real SIGTERM, while the service keeps it waiting."""
    before = client_root.snapshot()
    registration.answer("token/register", status=503, headers={"Retry-After": "20"})
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tuxctl", "--root", str(client_root.directory)),
            *("--server", registration.url, "--license-key-file", "-"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(os.environ, PYTHONPATH=f"{CHECKOUT}/tuxctl:{CHECKOUT}/dnf_plugin"),
    )
    process.stdin.write(LICENCE.encode())
    process.stdin.close()
    process.stdin = None
    deadline = time.monotonic() + 20
    while not registration.called("token/register") and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert b"put back" in err
    assert client_root.snapshot() == before
