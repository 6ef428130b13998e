"""`tuxmirror license` and `host`: what they print, refuse, and keep to themselves."""

import json
import re

import pytest

from tests.integration import test_serve_registration as registration
from tests.integration.test_serve_registration import MACHINE, REPOMD, status_of

operator, alone = registration.operator, registration.alone


def test_licences_are_listed_by_id_and_never_by_key(alone):
    key = alone.create_licence("--product", "essential", "--release", "9", "--note", "ACME")
    listed = alone.json("license", "list")["licences"]
    assert len(listed) == 1
    assert listed[0]["masked_key"] == f"ESA-...{key[-4:]}"
    assert key not in json.dumps(listed)
    text = alone.call("license", "list")
    assert "ACME" in text
    assert key not in text
    for name in (key, listed[0]["id"]):
        assert alone.json("license", "show", name)["id"] == listed[0]["id"]
    read = alone.run("license", "show", "-", stdin=key + "\n")
    assert listed[0]["id"] in read


def test_create_prints_the_key_alone_or_in_json(operator):
    assert re.fullmatch(
        r"ESU-[A-Z2-9]{24}\n", operator.call("license", "create", "--product", "esu")
    )
    document = operator.json("license", "create", "--product", "essential", "--hosts", "4")
    assert re.fullmatch(r"ESA-[A-Z2-9]{24}", document["key"])
    assert (document["hosts"], document["hosts_taken"], document["state"]) == (4, 0, "valid")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--product", "gold"),
        ("--product", "esu", "--release", "nine"),
        ("--product", "esu", "--hosts", "0"),
        ("--product", "esu", "--hosts", "many"),
        ("--product", "esu", "--expires", "2020-01-01"),
        ("--product", "esu", "--channel", "../x"),
        (),
    ],
)
def test_terms_that_make_no_sense_make_no_licence(alone, arguments):
    alone.call("license", "create", *arguments, status=2)
    assert alone.json("license", "list") == {"licences": []}


def test_what_is_not_there_cannot_be_shown_or_revoked(operator):
    for command in (
        ("license", "show"),
        ("license", "revoke"),
        ("host", "show"),
        ("host", "revoke"),
    ):
        message = operator.call(*command, "nobody", status=5)
        assert f"tuxmirror {command[0]} list" in message


def test_a_host_name_that_several_have_needs_an_id(alone):
    with alone.serve() as service:
        key = alone.create_licence("--product", "esu")
        service.register(key, "web")
        service.register(key, "web")
        assert "2 hosts are named 'web'" in alone.call("host", "revoke", "web", status=5)
        ids = [host["id"] for host in alone.json("host", "list", "--license", key)["hosts"]]
        alone.call("host", "revoke", ids[0])
        assert alone.json("host", "show", "web")["id"] == ids[1]


def test_a_pepper_that_others_can_read_stops_everything(alone):
    alone.create_licence("--product", "esu")
    (alone.state / "pepper").chmod(0o644)
    message = alone.call("license", "list", status=6)
    assert "chmod 600" in message


def test_a_lost_pepper_is_named_instead_of_locking_everybody_out(alone):
    alone.create_licence("--product", "esu")
    (alone.state / "pepper").unlink()
    assert "another pepper" in alone.call("license", "list", status=2)


def test_no_secret_is_in_any_file_or_log(alone):
    key = alone.create_licence("--product", "esu", "--note", "n")
    with alone.serve() as service:
        token = service.register(key, "web1", machine_id=MACHINE).json()["token"]
        status_of(service, token)
        second = service.post("token/refresh", token=token).json()["token"]
        service.get(f"/{token}/x")
        service.get(f"/almalinux/9.2/{token}")
        service.get(f"/almalinux/9.2/{token}/nothing/here")
        service.get(f"/almalinux/{key}/9.2/x?key={key}&token={token}")
        service.get("/" + REPOMD, headers={"Authorization": f"Bearer {token}"})
        service.raw_get(f"/almalinux/9.2/%74{token[1:]}/../x")
        service.raw_get(f"/almalinux/9.2/{token}%00/x")
        service.raw(f"GARBAGE {token}\r\n\r\n".encode())
        service.register(key[:-1], "web1")
        service.post("token/unregister", token=second)
    alone.call("license", "revoke", key)
    secrets = [key, key.lower(), key[4:], token, token[4:], second, second[4:], MACHINE]
    files = [path for path in alone.root.rglob("*") if path.is_file()]
    assert alone.log in files
    assert "<token>" in alone.log.read_text()
    found = [
        (str(path), secret)
        for path in files
        for secret in secrets
        if secret.encode() in path.read_bytes()
    ]
    assert found == []


def test_the_command_itself_prints_the_key_and_ends_as_the_design_says(alone):
    key = alone.run("license", "create", "--product", "esu", "--hosts", "3").strip()
    assert json.loads(alone.run("license", "show", key, "--json"))["hosts"] == 3
    assert "no product 'gold'" in alone.run("license", "create", "--product", "gold", status=2)
    assert "no licence" in alone.run("license", "revoke", "nobody", status=5)
    (alone.state / "pepper").chmod(0o644)
    assert "chmod 600" in alone.run("host", "list", status=6)
