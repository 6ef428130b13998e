"""Registering a root directory, against a registration service."""

import json

import pytest

from tests.integration.conftest import LICENCE
from tests.support.client_root import BASEOS, FIPS_CONF, OWN, RELEASEVER, TOKEN
from tests.support.registration import RegistrationServer
from tuxctl.system import System

STEPS = [
    "1. Check your OS and architecture: AlmaLinux 9.2, x86_64",
    "2. Check your license key for validity and purchased extensions: essential, esu, fips; "
    "until 2027-12-31T23:59:59+00:00",
    "3. Check if your system is already registered: not registered",
    "4. Register to CloudLinux Network: client.example.com at {url}",
    "5. Obtain a token to access the restricted TuxCare repos: stored in /etc/tuxcare/token",
    "6. Enable the TuxCare ESU repo: tuxcare-base, tuxcare-esu",
    "7. Switch the default AlmaLinux repos to use repo.tuxcare.com: baseos, crb at {url}",
    "8. Import the TuxCare GPG key: {fingerprint}",
    "TuxCare installed successfully",
]
ALREADY = (
    "This server already has a TuxCare token installed\n"
    "To force re-registration, please run the script with --force\n"
)


# -- the way in ------------------------------------------------------------------------------------


def test_the_eight_steps_are_shown_and_done(register, client_root, registration, stand_in_key):
    done = register()
    assert done.status == 0, done.err
    expected = [
        line.format(url=registration.url, fingerprint=stand_in_key.fingerprint) for line in STEPS
    ]
    assert done.out.splitlines() == expected
    assert done.err == ""
    token = client_root.read(TOKEN).strip()
    assert token in registration.tokens
    assert client_root.mode(TOKEN) == 0o600
    assert client_root.read(RELEASEVER) == "9.2\n"
    assert (
        f"baseurl={registration.url}/almalinux/$tuxcare_releasever/$tuxcare_token/BaseOS/"
        in client_root.read(BASEOS)
    )
    own = client_root.read(OWN)
    assert f"baseurl={registration.url}/tuxcare/$tuxcare_releasever/$tuxcare_token/esu/" in own
    assert own.count("enabled=1") == 2
    assert client_root.rpm_keys() == [stand_in_key.fingerprint[-8:].lower()]
    assert not client_root.exists(FIPS_CONF)
    assert not client_root.exists("etc/dnf/vars/tuxcare_token")


def test_the_service_learns_what_it_needs_and_not_the_machine_id(register, registration):
    register()
    (body,) = registration.called("token/register")
    machine_id = body.pop("machine_id")
    assert body == {
        "key": LICENCE,
        "host_name": "client.example.com",
        "release": "9.2",
        "arch": "x86_64",
    }
    assert len(machine_id) == 32
    assert machine_id != "0123456789abcdef0123456789abcdef"


def test_a_service_without_key_check_is_asked_by_registering(tuxctl, client_root):

    with RegistrationServer(has_key_check=False) as server:
        server.keys[LICENCE] = {}
        done = tuxctl("--server", server.url, "-l", LICENCE)
    assert done.status == 0, done.err
    assert (
        "2. Check your license key for validity and purchased extensions: the service" in done.out
    )
    # It told no products: an ESU- key is for Extended Security Updates.
    assert "6. Enable the TuxCare ESU repo: tuxcare-esu\n" in done.out
    assert client_root.read(OWN).count("enabled=1") == 1


def test_an_essential_licence_enables_no_esu(register, registration, client_root):
    registration.keys[LICENCE]["products"] = ["essential"]
    registration.repositories.clear()
    done = register()
    assert done.status == 0, done.err
    assert "6. Enable the TuxCare ESU repo: not part of this licence\n" in done.out
    assert "enabled=1" not in client_root.read(OWN)
    assert "$tuxcare_token" in client_root.read(BASEOS)


def test_the_answer_may_name_another_content_server(register, registration, client_root):
    registration.content_url = "https://content.example/x/"
    assert register().status == 0
    assert "baseurl=https://content.example/x/almalinux/" in client_root.read(BASEOS)
    assert json.loads(client_root.read("var/lib/tuxcare/registration.json"))["content_url"] == (
        "https://content.example/x"
    )


def test_servers_of_the_configuration_are_used(tuxctl, client_root, registration):
    client_root.configure(
        f"[server]\nregister = {registration.url}/\ncontent = https://content.example\n"
    )
    assert tuxctl("-l", LICENCE).status == 0
    assert "baseurl=https://content.example/almalinux/" in client_root.read(BASEOS)


@pytest.mark.parametrize("arguments", [["--license-key", "-"], ["--license-key-file", "-"]])
def test_the_key_may_come_from_standard_input(tuxctl, registration, arguments):
    done = tuxctl("--server", registration.url, *arguments, stdin=LICENCE.encode() + b"\n")
    assert done.status == 0, done.err


def test_the_key_may_come_from_a_file(tuxctl, registration, tmp_path):
    file = tmp_path / "licence"
    file.write_text(f"\n{LICENCE}\n")
    assert tuxctl("--server", registration.url, "--license-key-file", str(file)).status == 0


def test_the_release_that_an_administrator_chose_is_followed(register, registration, client_root):
    client_root.write(RELEASEVER, "9.4\n")
    registration.keys[LICENCE]["releases"] = ["9"]
    assert register().status == 0
    assert client_root.read(RELEASEVER) == "9.4\n"
    assert registration.called("token/register")[0]["release"] == "9.4"


def test_tools_without_plugins_get_the_token_where_that_is_wanted(register, client_root):
    client_root.configure("[main]\ncompat_vars = yes\n")
    assert register().status == 0
    assert client_root.read("etc/dnf/vars/tuxcare_token") == client_root.read(TOKEN)
    assert client_root.mode("etc/dnf/vars/tuxcare_token") == 0o600


# -- registered already ----------------------------------------------------------------------------


def test_registering_twice_says_so_and_changes_nothing(register, client_root):
    register()
    before = client_root.snapshot()
    done = register()
    assert done.status == 1
    assert done.err == ALREADY
    assert "already registered: registered already\n" in done.out
    assert client_root.snapshot() == before


def test_force_registers_again(register, client_root, registration):
    register()
    first = client_root.read(TOKEN)
    done = register("--force")
    assert done.status == 0, done.err
    assert client_root.read(TOKEN) != first
    assert client_root.read(TOKEN).strip() in registration.tokens


def test_force_gets_over_a_damaged_token(register, client_root):
    register()
    client_root.write(TOKEN, "damaged\n")
    refused = register()
    assert refused.status == 2
    assert "does not hold a token" in refused.err
    assert register("--force").status == 0


# -- secrets ---------------------------------------------------------------------------------------


def test_neither_key_nor_token_reach_output_or_other_processes(register, tuxctl, client_root):
    started = []

    class Watched(System):
        def run(self, argv, timeout=120):
            started.append(" ".join(argv))
            return super().run(argv, timeout)

    tuxctl.system_at = Watched
    said = []
    for done in (
        register("--fips"),
        tuxctl("status"),
        tuxctl("status", "--json"),
        tuxctl("validate"),
        tuxctl("-v"),
        register("--force"),
    ):
        assert done.status == 0, done.err
        said.append(done.out + done.err)
    token = client_root.read(TOKEN).strip()
    assert started
    for text in said + started:
        assert LICENCE not in text
        assert token not in text
    holders = {
        str(path.relative_to(client_root.directory))
        for path in client_root.directory.rglob("*")
        if path.is_file() and token.encode() in path.read_bytes()
    }
    assert holders == {TOKEN}
    assert not any(
        LICENCE.encode() in path.read_bytes()
        for path in client_root.directory.rglob("*")
        if path.is_file()
    )
