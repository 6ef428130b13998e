"""--dry-run: what it shows is what a run then does, and it does nothing itself."""

import re
import subprocess

import pytest

from tests.integration.conftest import LICENCE
from tests.support.client_root import BASEOS, FIPS_CONF, OWN, TOKEN

TRICKY = {
    "as shipped": lambda data: data,
    "CRLF": lambda data: data.replace(b"\n", b"\r\n"),
    "no last newline": lambda data: data.rstrip(b"\n"),
    "form feed and separators": lambda data: data + b"# \x0c \x0b \xe2\x80\xa8 \r x\n",
}


def before_and_after(tuxctl, register, client_root, *options):
    before = client_root.snapshot()
    shown = register("--dry-run", *options)
    assert client_root.snapshot() == before
    return shown


@pytest.mark.parametrize(
    ("options", "form"),
    [
        *(([], form) for form in TRICKY),
        (["--fips"], "as shipped"),
        (["--fips", "--strict"], "CRLF"),
    ],
)
def test_the_diffs_applied_give_what_a_run_writes(
    tuxctl, register, client_root, tmp_path, options, form
):
    """By patch(1), from the printed text alone."""
    client_root.write(BASEOS, TRICKY[form](client_root.path(BASEOS).read_bytes()))
    shown = before_and_after(tuxctl, register, client_root, *options)
    assert (shown.status, shown.err) == (0, "")
    diffs = shown.out.split("\nFiles:\n")[1].split("\nKeys: ")[0] + "\n"
    paths = re.findall(r"^\+\+\+ (/\S+)", diffs, re.M)
    assert ("/" + FIPS_CONF in paths) is bool(options)
    copy = tmp_path / "copy"
    subprocess.check_call(["cp", "-a", str(client_root.directory), str(copy)])
    subprocess.run(
        ["patch", "--quiet", "--binary", "-p0", "-d", str(copy)],
        input=re.sub(r"^(---|\+\+\+) /(?!dev/null)", r"\1 ", diffs, flags=re.M).encode(),
        check=True,
    )
    assert register(*options).status == 0
    for path in paths:
        if path.endswith("registration.json"):
            continue  # holds the time
        name = path.lstrip("/")
        assert (copy / name).read_bytes() == client_root.path(name).read_bytes(), name
    assert {"/" + BASEOS, "/" + OWN, "/etc/dnf/vars/tuxcare_releasever"} <= set(paths)
    changed_by_run = {BASEOS, OWN}
    assert changed_by_run <= {path.lstrip("/") for path in paths}


def test_it_takes_no_seat_and_shows_no_secret(tuxctl, register, registration, client_root):
    shown = before_and_after(tuxctl, register, client_root)
    assert registration.tokens == {}
    assert registration.called("token/register") == []
    assert len(registration.called("key/check")) == 1
    assert LICENCE not in shown.out + shown.err
    assert (
        f'POST {registration.url}/cln/api/els/token/register {{"arch": "x86_64", '
        '"host_name": "client.example.com", "key": "****", "machine_id": "'
    ) in shown.out
    assert f"/{TOKEN}: written; not shown\n" in shown.out
    assert "Keys: rpm --import /etc/pki/rpm-gpg/RPM-GPG-KEY-TuxCare\n" in shown.out
    assert "registering installs none" in shown.out
    assert shown.out.endswith("\nDry run: nothing was changed\n")


def test_the_request_is_the_one_that_is_then_made(tuxctl, register, registration, client_root):
    shown = before_and_after(tuxctl, register, client_root)
    told = re.search(r'"machine_id": "(\w+)"', shown.out).group(1)
    register()
    assert registration.called("token/register")[0]["machine_id"] == told


def test_with_fips_the_builds_are_listed(tuxctl, register, client_root):
    shown = before_and_after(tuxctl, register, client_root, "--fips")
    assert "openssl-3.0.7-20.el9_2.tuxcare.1 (CMVP certificate 4823, interim)" in shown.out
    assert "+mode = patched" in shown.out


def test_on_a_registered_host(tuxctl, register, client_root, registration):
    register()
    token = client_root.read(TOKEN).strip()
    shown = before_and_after(tuxctl, register, client_root)
    assert shown.status == 1
    before = client_root.snapshot()
    shown = tuxctl("--fips", "--dry-run")
    assert shown.status == 0
    assert client_root.snapshot() == before
    assert "POST" not in shown.out
    assert "Keys: rpm has the TuxCare key already" in shown.out
    assert token not in shown.out
    assert before_and_after(tuxctl, register, client_root, "--force").status == 0


@pytest.mark.parametrize("code", ["expired", "exhausted", "revoked"])
def test_a_key_that_lets_nobody_in_is_found(tuxctl, register, registration, client_root, code):
    registration.keys[LICENCE] = {"error": code, "message": f"this licence is {code}"}
    assert before_and_after(tuxctl, register, client_root).status == 5


def test_alone_it_is_a_usage_error(tuxctl):
    assert tuxctl("--dry-run").status == 2
    assert tuxctl("--dry-run", "status").status == 2
