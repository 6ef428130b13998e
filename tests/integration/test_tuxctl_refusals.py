"""What tuxctl refuses before it touches anything, and what the network may bring."""

import socket
import time

import pytest

from tests.integration.conftest import LICENCE
from tests.support.client_root import OWN, RELEASEVER, Tuxctl
from tuxctl.system import System


class Machine(System):
    """A door to a machine of another kind."""

    kind = "x86_64"

    def machine(self):
        return self.kind


# -- refusals --------------------------------------------------------------------------------------


def refused(client_root, before, done, status, *words):
    assert done.status == status, done.err
    for word in words:
        assert word in done.err
    assert client_root.snapshot() == before
    assert LICENCE not in done.out + done.err


def test_another_operating_system_is_refused(register, client_root, registration):
    client_root.write("etc/os-release", 'ID="rocky"\nVERSION_ID="9.2"\n')
    before = client_root.snapshot()
    refused(client_root, before, register(), 2, "this is rocky 9.2", "needs AlmaLinux")
    assert registration.calls == []


@pytest.mark.parametrize("release", ["9.3", "8.7", "7.9"])
def test_another_minor_release_is_refused(register, client_root, release):
    client_root.write("etc/almalinux-release", f"AlmaLinux release {release} (X)\n")
    before = client_root.snapshot()
    refused(client_root, before, register(), 2, f"AlmaLinux {release} is not supported", "9.2")


@pytest.mark.parametrize("release", ["8.8", "8.10", "9.2", "9.4", "9.6", "10.0", "10.1"])
def test_supported_minor_releases_register(register, client_root, registration, release):
    client_root.write("etc/almalinux-release", f"AlmaLinux release {release} (X)\n")
    registration.keys[LICENCE]["releases"] = []
    assert register().status == 0
    assert client_root.read(RELEASEVER) == release + "\n"


def test_another_architecture_is_refused(register, tuxctl, client_root):
    class Other(Machine):
        kind = "ppc64le"

    tuxctl.system_at = Other
    before = client_root.snapshot()
    refused(client_root, before, register(), 2, "architecture ppc64le is not supported", "aarch64")


def test_aarch64_registers(register, tuxctl, registration):
    class Other(Machine):
        kind = "aarch64"

    tuxctl.system_at = Other
    assert register().status == 0
    assert registration.called("token/register")[0]["arch"] == "aarch64"


def test_people_who_are_not_root_are_told(client_root):
    class Nobody(System):
        def euid(self):
            return 65534

    # The check is for the running host: nothing of it is read before.
    tuxctl = Tuxctl(client_root)
    tuxctl.system_at = lambda _root: Nobody("/")
    done = tuxctl("-l", LICENCE)
    assert done.status == 2
    assert "run it as root" in done.err


@pytest.mark.parametrize("key", ["ESU-short", "XYZ-23456789ABCDEFGH", "", "ESU-2345 6789ABCDEFGH"])
def test_what_is_no_key_is_not_sent(register, registration, client_root, key):
    before = client_root.snapshot()
    done = register(key=key)
    refused(client_root, before, done, 2, "not a licence key")
    assert registration.calls == []
    assert not key or key not in done.out + done.err


def test_a_key_without_its_option_is_not_repeated(tuxctl):
    done = tuxctl(LICENCE)
    assert done.status == 2
    assert "ESU-****" in done.err
    assert LICENCE not in done.err


def test_an_unknown_key_is_refused(register, client_root):
    before = client_root.snapshot()
    done = register(key="ESU-QQQQQQQQQQQQQQQQQQQQQQQQ")
    refused(client_root, before, done, 5, "licence key is not known to http://127.0.0.1")
    assert "2. Check your license key for validity and purchased extensions: failed" in done.out


@pytest.mark.parametrize(
    ("code", "way_out"),
    [("expired", "Renew"), ("exhausted", "Unregister a host"), ("revoked", "your account")],
)
def test_a_licence_that_lets_nobody_in_says_why(register, registration, client_root, code, way_out):
    registration.keys[LICENCE] = {"error": code, "message": f"this licence is {code}"}
    before = client_root.snapshot()
    refused(client_root, before, register(), 5, f"this licence is {code} ({code})", way_out)


def test_a_licence_for_other_releases_is_refused(register, registration, client_root):
    registration.keys[LICENCE]["releases"] = ["9.6", "8"]
    before = client_root.snapshot()
    refused(client_root, before, register(), 5, "does not cover AlmaLinux 9.2; it covers 9.6, 8")


def test_the_signing_key_must_be_there(register, client_root, registration):
    client_root.path("etc/pki/rpm-gpg/RPM-GPG-KEY-TuxCare").unlink()
    before = client_root.snapshot()
    refused(client_root, before, register(), 2, "signing key is missing", "reinstall")
    assert registration.calls == []


def test_a_foreign_signing_key_is_refused(register, client_root, stand_in_key):
    client_root.write("etc/tuxcare/tuxcare.conf", "")
    before = client_root.snapshot()
    done = register()
    refused(client_root, before, done, 4, "expected the key FAD7859081D0", stand_in_key.fingerprint)


@pytest.mark.parametrize("data", [b"", b"not a key", b"\x99\x01"])
def test_a_damaged_signing_key_is_refused(register, client_root, data):
    client_root.write("etc/pki/rpm-gpg/RPM-GPG-KEY-TuxCare", data)
    before = client_root.snapshot()
    refused(client_root, before, register(), 4, "not a public key file")


def test_missing_repository_files_are_named(register, client_root):
    client_root.path(OWN).unlink()
    done = register()
    assert done.status == 2
    assert "tuxcare.repo: missing" in done.err


def test_a_host_without_almalinux_files_is_named(register, client_root):
    for file in client_root.path("etc/yum.repos.d").glob("almalinux*"):
        file.unlink()
    done = register()
    assert done.status == 2
    assert "no almalinux*.repo in it" in done.err
    assert "almalinux-repos" in done.err


def test_a_broken_configuration_stops_before_anything(register, client_root, registration):
    client_root.configure("[servr]\n")
    before = client_root.snapshot()
    refused(client_root, before, register(), 2, "tuxcare.conf: unknown section [servr]")
    assert registration.calls == []


@pytest.mark.parametrize("url", ["repo.example", "ftp://x", "https://u:p@x", "https://x/?a"])
def test_a_server_that_is_no_url_is_a_usage_error(tuxctl, url):
    done = tuxctl("-l", LICENCE, "--server", url)
    assert done.status == 2
    assert "--server: expected http" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--strict", "-l", LICENCE],
        ["--force"],
        ["--validate", "--delete"],
        ["-l", LICENCE, "status"],
        ["--server", "http://x", "status"],
        ["fips", "status", "--strict"],
        ["fips"],
        [],
    ],
)
def test_contradictions_are_usage_errors(tuxctl, arguments):
    assert tuxctl(*arguments).status == 2


# -- the network -----------------------------------------------------------------------------------


def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def impatient(monkeypatch):
    """Waits between attempts are written down, not waited for."""
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    return waits


def test_no_network_is_exit_three(tuxctl, client_root, monkeypatch):
    monkeypatch.setattr("tuxctl.transport._TRIES", 1)
    before = client_root.snapshot()
    done = tuxctl("-l", LICENCE, "--server", f"http://127.0.0.1:{unused_port()}")
    refused(client_root, before, done, 3, "cannot be reached: Connection refused", "proxy")


@pytest.mark.parametrize("call", ["key/check", "token/register"])
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"status": 500}, "in trouble (HTTP 500)"),
        ({"status": 429}, "too many requests"),
        (
            {"body": b"<html>login</html>", "headers": {"Content-Type": "text/html; charset=x"}},
            "expected JSON, found text/html (HTTP 200, 18 bytes)",
        ),
        ({"body": b'{"token": "abc', "headers": {}}, "expected JSON"),
        ({"body": b"[]"}, "expected JSON"),
        ({"status": 302, "headers": {"Location": "http://elsewhere.example/"}}, "redirects"),
        ({"body": b"x" * 70000}, "too much data"),
    ],
)
def test_answers_of_no_use_are_exit_three(
    register, registration, client_root, monkeypatch, call, answer, words
):
    monkeypatch.setattr("tuxctl.transport._TRIES", 1)
    registration.answer(call, **answer)
    before = client_root.snapshot()
    refused(client_root, before, register(), 3, words)


@pytest.mark.parametrize("token", ["", "short", None, "a/" * 20, 7])
def test_an_answer_without_a_token_is_refused(register, registration, client_root, token):
    registration.answer("token/register", body={"token": token})
    before = client_root.snapshot()
    refused(client_root, before, register(), 3, "without a usable token")


def test_a_server_that_is_no_registration_service_is_named(register, registration, client_root):
    for call in ("key/check", "token/register"):
        registration.answer(call, status=404)
    before = client_root.snapshot()
    refused(client_root, before, register(), 3, "no registration service there (HTTP 404)")


def test_a_refusal_in_a_services_words_is_shown_safely(register, registration, client_root):
    message = "no\x1b[31m\nwith " + LICENCE
    registration.answer("token/register", status=409, body={"error": "odd", "message": message})
    before = client_root.snapshot()
    done = register()
    refused(client_root, before, done, 5, "refused: no [31m with **** (odd)")
