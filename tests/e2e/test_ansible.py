"""The Ansible roles, by the real ansible-playbook on a throwaway host: twice, with one change."""

import json
import shutil

import pytest

from tests.support import CHECKOUT, requires

pytestmark = pytest.mark.full

ROLES = CHECKOUT / "packaging" / "ansible" / "roles"


class Playbook:
    """Runs a role on the host itself."""

    def __init__(self, host, folder):
        self._host, self._folder = host, folder
        folder.mkdir()
        shutil.copytree(ROLES, folder / "roles")
        host.share(folder)
        # What tells Ansible that it is on Debian, which the layer below is.
        host.run("rm -f /etc/debian_version /usr/bin/apt /usr/bin/apt-get")

    def run(self, role, check=True, **variables):
        """How many tasks changed something."""
        play = [{"hosts": "localhost", "connection": "local", "roles": [role], "vars": variables}]
        (self._folder / "play.yml").write_text(json.dumps(play))
        done = self._host.run(
            ["ansible-playbook", "-i", "localhost,", "-e",
             "ansible_python_interpreter=/usr/bin/python3", str(self._folder / "play.yml")],
            check=check,
            env={"ANSIBLE_ROLES_PATH": str(self._folder / "roles"), "ANSIBLE_NOCOLOR": "1"},
            timeout=240,
        )  # fmt: skip
        self.said = done.stdout + done.stderr
        recap = self.said.rpartition("PLAY RECAP")[2]
        return {k: int(v) for k, v in (w.split("=") for w in recap.split() if "=" in w)}


@pytest.fixture
def playbook(customer, tmp_path):
    requires("ansible")
    return Playbook(customer, tmp_path / "play")


def test_a_host_is_registered_once_and_put_back_once(playbook, customer, serving, operator):
    assert operator.sync().status == 0
    key = operator.licence("--product=esu")
    wanted = {"tuxcare_license_key": key, "tuxcare_server": operator.url}
    assert playbook.run("tuxcare_host", **wanted)["changed"] == 1, playbook.said
    assert key not in playbook.said
    assert customer.path("/etc/tuxcare/token").exists()
    assert playbook.run("tuxcare_host", **wanted)["changed"] == 0, playbook.said
    customer.dnf("upgrade")
    assert playbook.run("tuxcare_host", tuxcare_state="absent")["changed"] == 1, playbook.said
    assert playbook.run("tuxcare_host", tuxcare_state="absent")["changed"] == 0, playbook.said
    assert not customer.path("/etc/tuxcare/token").exists()


def test_a_wrong_key_fails_with_what_tuxctl_said(playbook, customer, serving, operator):
    wanted = {"tuxcare_license_key": "ESU-ABCDEFGHJKMNPQRSTUVWXYZ2", "tuxcare_server": operator.url}
    found = playbook.run("tuxcare_host", check=False, **wanted)
    assert found["failed"] == 1
    assert "key" in playbook.said.lower()
    assert wanted["tuxcare_license_key"] not in playbook.said


def test_a_mirror_is_configured_and_a_wrong_configuration_is_never_put_in_place(playbook, customer):
    customer.write("/usr/bin/tuxmirror", TUXMIRROR, 0o755)
    key = "/etc/pki/rpm-gpg/RPM-GPG-KEY-AlmaLinux-9"
    tree = {"repos": "BaseOS", "arches": "x86_64", "gpgkey": key}
    wanted = {
        "tuxmirror_main": {"store": "/srv/store", "public": "/srv/public", "upstream": "https://u"},
        "tuxmirror_trees": {"almalinux/9.2": tree},
        "tuxmirror_manage_services": False,
    }
    assert playbook.run("tuxmirror", **wanted)["changed"] >= 1, playbook.said
    assert playbook.run("tuxmirror", **wanted)["changed"] == 0, playbook.said
    before = customer.read("/etc/tuxmirror/tuxmirror.conf")
    assert "[almalinux/9.2]\nrepos = BaseOS\n" in before
    wanted["tuxmirror_main"]["uptream"] = "https://typo"
    assert playbook.run("tuxmirror", check=False, **wanted)["failed"] == 1
    assert "unknown key 'uptream'" in playbook.said
    assert customer.read("/etc/tuxmirror/tuxmirror.conf") == before


TUXMIRROR = f"""#!/bin/sh
PYTHONPATH={CHECKOUT}/mirror exec {CHECKOUT}/.venv/bin/python -m tuxmirror "$@"
"""
