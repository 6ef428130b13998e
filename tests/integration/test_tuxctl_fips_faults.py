"""Trouble at every step of `tuxctl fips enable` and `disable`: before or after, never between."""

import pytest

from tests.support.faults import Killed
from tests.support.fips_machine import NEW, OLD, POLICY, LiveSystem, Machine
from tuxctl.system import Outcome

ENABLE = ("fips", "enable", "--yes", "--accept", "drivers")
DISABLE = ("fips", "disable", "--yes")


@pytest.fixture
def machine(register, tuxctl, client_root, no_waiting_for_the_disk):
    assert register().status == 0
    client_root.path("etc/dracut.conf.d").mkdir()
    machine = Machine(client_root)
    tuxctl.system_at = machine.system
    return machine


def is_on(machine, client_root):
    return (
        machine.default == NEW
        and "mode = patched" in client_root.read("etc/tuxcare/fips.conf")
        and client_root.read(POLICY) == "FIPS\n"
        and all("fips=1" in text.split() for text in machine.arguments.values())
        and client_root.exists("var/lib/tuxcare/fips.json")
    )


def operations(tuxctl, machine, arguments):
    """How many changing operations a run without trouble has."""
    counting = machine.faulty()
    tuxctl.system_at = counting
    done = tuxctl(*arguments)
    assert done.status == 0, done
    tuxctl.system_at = machine.system
    return counting.last.done


def test_on_and_off_again(machine, tuxctl, client_root):
    before = machine.state()
    done = tuxctl(*ENABLE)
    assert done.status == 0, done
    assert is_on(machine, client_root)
    assert tuxctl("fips", "status").status == 8
    machine.reboot()
    done = tuxctl("fips", "status")
    assert done.status == 0, done
    assert tuxctl(*DISABLE).status == 0
    machine.reboot()
    assert machine.default == OLD
    assert machine.state()[1:] == before[1:]
    assert machine.arguments == {OLD: "ro quiet", NEW: "ro quiet"}
    # Off already: nothing is left to say or to do.
    done = tuxctl("fips", "disable")
    assert (done.status, done.out, done.err) == (0, "FIPS mode is off\n", "")


def matrix(tuxctl, machine, client_root, every):
    before = machine.state()
    count = operations(tuxctl, machine, ENABLE)
    assert count > 30
    assert tuxctl(*DISABLE).status == 0
    assert machine.state() == before
    outcomes = set()
    for number in range(1, count + 1, every):
        for faults in ({"kill_at": number}, {"kill_at": number, "after": True},
                       {"fail_at": number}):  # fmt: skip
            machine.packages, machine.arguments = "old", {OLD: "ro quiet"}
            tuxctl.system_at = machine.faulty(**faults)
            try:
                done = tuxctl(*ENABLE)
            except Killed:
                done = None
            tuxctl.system_at = machine.system
            if done is not None and done.status != 0:
                assert machine.state() == before, (faults, done)
            elif done is not None:
                assert is_on(machine, client_root), (faults, done)
            outcomes.add("killed" if done is None else done.status)
            # The next run undoes the rest and goes on; and all of it can be taken back.
            again = tuxctl(*ENABLE)
            assert again.status == 0, (faults, again)
            assert is_on(machine, client_root), faults
            back = tuxctl(*DISABLE)
            assert back.status == 0, (faults, back)
            assert machine.state() == before, faults
    assert {"killed", 6} <= outcomes


def test_trouble_here_and_there_on_the_way_in(machine, tuxctl, client_root):
    matrix(tuxctl, machine, client_root, 5)


@pytest.mark.full
def test_trouble_at_every_step_on_the_way_in(machine, tuxctl, client_root):
    matrix(tuxctl, machine, client_root, 1)


def way_out(tuxctl, machine, client_root, every):
    before = machine.state()
    assert tuxctl(*ENABLE).status == 0
    count = operations(tuxctl, machine, DISABLE)
    for number in range(1, count + 1, every):
        for faults in ({"kill_at": number}, {"kill_at": number, "after": True},
                       {"fail_at": number}):  # fmt: skip
            assert tuxctl(*ENABLE).status == 0
            inside = machine.state()
            tuxctl.system_at = machine.faulty(**faults)
            try:
                done = tuxctl(*DISABLE)
            except Killed:
                done = None
            tuxctl.system_at = machine.system
            if done is not None and done.status != 0:
                assert machine.state() == inside, (faults, done)
            elif done is not None:
                assert machine.state() == before, (faults, done)
            assert tuxctl(*DISABLE).status == 0, faults
            assert machine.state() == before, faults


def test_trouble_here_and_there_on_the_way_out(machine, tuxctl, client_root):
    way_out(tuxctl, machine, client_root, 5)


@pytest.mark.full
def test_trouble_at_every_step_on_the_way_out(machine, tuxctl, client_root):
    way_out(tuxctl, machine, client_root, 1)


@pytest.mark.parametrize("program", ["grubby", "fips-mode-setup", "dnf"])
def test_a_program_that_fails(machine, tuxctl, client_root, program):
    before = machine.state()
    machine.broken.add(program)
    done = tuxctl(*ENABLE)
    assert done.status in (3, 5, 6), done
    assert "it does not work today" in done.err
    if program == "grubby":
        assert machine.packages == "old", "without a boot loader there is no way back"
    machine.broken.clear()
    assert machine.state() == before
    assert tuxctl(*ENABLE).status == 0


def test_an_administrators_policy_comes_back(machine, tuxctl, client_root):
    client_root.write(POLICY, "FUTURE\n")
    assert tuxctl(*ENABLE).status == 0
    assert client_root.read(POLICY) == "FIPS\n"
    assert tuxctl(*DISABLE).status == 0
    assert client_root.read(POLICY) == "FUTURE\n"


def test_unregistering_takes_fips_mode_back_and_the_scriptlets_way_says_what_stays(
    machine, tuxctl, client_root
):
    assert tuxctl(*ENABLE).status == 0
    done = tuxctl("unregister", "--local", "--keep-key")
    assert done.status == 0, done
    assert "FIPS mode stays on for the next boot: 'fips-mode-setup --disable' ends it" in done.err
    assert "'dnf remove tuxcare-fips-pin*'" in done.err
    assert machine.default == NEW


@pytest.mark.parametrize("release", ["10.0"])
def test_el10_has_kernel_arguments_alone(machine, tuxctl, client_root, release):
    """No fips-mode-setup there; no manifest of it is shipped either: this is a site's."""
    for name in ("etc/almalinux-release", "etc/os-release", "etc/dnf/vars/tuxcare_releasever"):
        client_root.write(name, client_root.read(name).replace("9.2", release))
    shipped = client_root.read("usr/share/tuxcare/fips/almalinux-9.2.conf")
    manifest = shipped.replace("release = 9.2", "release = " + release)
    client_root.write(f"usr/share/tuxcare/fips/almalinux-{release}.conf", manifest)
    before = machine.state()
    done = tuxctl(*ENABLE)
    assert done.status == 0, done
    assert "installed-without-fips" in done.out
    assert set(machine.arguments.values()) == {"ro quiet fips=1"}
    assert client_root.read(POLICY) == "DEFAULT\n"
    assert not [call for call in machine.calls if call[0] == "fips-mode-setup"]
    machine.reboot()
    assert "crypto policy: expected FIPS, found none" in tuxctl("fips", "status").err
    client_root.write("etc/crypto-policies/config", "FIPS\n")  # as dracut mounts it
    done = tuxctl("fips", "status")
    assert done.status == 0, done
    client_root.path("etc/crypto-policies/config").unlink()
    assert tuxctl(*DISABLE).status == 0
    assert machine.state()[1:] == before[1:]


@pytest.mark.parametrize(("answer", "status"), [(b"y\n", 0), (b"n\n", 2), (b"", 2)])
def test_a_person_is_asked(machine, tuxctl, client_root, monkeypatch, answer, status):
    monkeypatch.setattr(LiveSystem, "on_terminal", lambda _self: True)
    before = machine.state()
    done = tuxctl("fips", "enable", "--accept", "drivers", stdin=answer)
    assert done.status == status, done
    assert "Go on with this? [y/N]" in done.err
    assert is_on(machine, client_root) if status == 0 else machine.state() == before


def test_without_a_pin_package_to_be_had_that_is_told(machine, tuxctl):
    done = tuxctl("fips", "enable", "--dry-run", "--accept", "drivers")
    assert "warning  pin-package: tuxcare-fips-pin is not offered" in done.out
    assert "tuxcare-fips-pin-strict" in tuxctl("fips", "enable", "--dry-run", "--strict").out


def test_a_token_in_what_dnf_says_is_not_repeated(machine, tuxctl, client_root):
    token = client_root.read("etc/tuxcare/token").strip()
    failing = f"Error: 403 for http://h/tuxcare/9.2/{token}/esu/x86_64/repomd.xml\n"
    machine._dnf = lambda _arguments: Outcome(1, "", failing)
    done = tuxctl(*ENABLE)
    assert done.status == 3, done
    assert "http://h/tuxcare/9.2/****/esu/x86_64/repomd.xml" in done.err
    assert token not in done.out + done.err


def test_unregistering_by_hand_takes_fips_mode_back(machine, tuxctl, client_root):
    assert tuxctl(*ENABLE).status == 0
    machine._rpm = lambda _arguments: ""
    done = tuxctl("unregister", "--local")
    assert done.status == 0, done
    assert machine.default == OLD
    assert client_root.read(POLICY) == "DEFAULT\n"
    assert machine.arguments == {OLD: "ro quiet", NEW: "ro quiet"}
    assert "What 'dnf install' had done by then stays done" in done.err
