"""status: registration, expiry, reachability, lifecycle, KernelCare; the document's schema."""

import datetime
import json
import socket
import time

import pytest

from tests.integration.conftest import LICENCE
from tests.support.client_root import TOKEN
from tuxctl.context import Context
from tuxctl.system import Outcome, System

SPELLINGS = ["2027-12-31", "2027-12-31T23:59:59Z", "2027-12-31T23:59:59+01:00"]
REGISTRATION = "var/lib/tuxcare/registration.json"


@pytest.fixture
def document(tuxctl):
    def ask(*arguments):
        return json.loads(tuxctl("status", "--json", *arguments).out)

    return ask


def edit_registration(client_root, **changes):
    document = json.loads(client_root.read(REGISTRATION))
    client_root.write(REGISTRATION, json.dumps(dict(document, **changes)))


def in_days(days):
    then = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days, hours=1)
    return then.replace(microsecond=0).isoformat()


# -- the network -----------------------------------------------------------------------------------


def test_repositories_say_whether_they_can_be_reached(register, document, tuxctl, registration):
    register()
    found = document()
    reach = {item["id"]: item["reach"] for item in found["repositories"] if item["enabled"]}
    assert reach["baseos"] == {"state": "ok", "detail": ""}
    assert reach["tuxcare-esu"]["state"] == "ok"
    assert found["token"] == "accepted"
    assert found["drift"] == []
    registration.repositories.discard("/tuxcare/")
    reach = {item["id"]: item["reach"] for item in document()["repositories"]}
    assert reach["tuxcare-esu"] == {
        "state": "missing",
        "detail": "HTTP 404: nothing is published there",
    }
    assert reach["baseos-source"] is None
    text = tuxctl("status").out
    assert "not there (HTTP 404" in text
    assert "Token: accepted, 0 days old\n" in text


def test_a_revoked_host_is_told_so(register, tuxctl, document, registration, client_root):
    register()
    registration.tokens.clear()
    done = tuxctl("status")
    assert done.status == 8
    assert (
        "the service does not accept this host's token any more: the host's registration was ended"
    ) in done.err
    assert "refused (HTTP 403)" in done.out
    assert client_root.read(TOKEN).strip() not in done.out + done.err
    assert document()["token"] == "refused"
    # Nothing of that can be known without asking.
    assert tuxctl("status", "--offline").status == 0


def test_an_expired_licence_is_the_reason_given(register, tuxctl, registration, client_root):
    register()
    edit_registration(client_root, expires="2026-01-31T23:59:59+00:00")
    registration.has_refresh = False  # a service that has no such question
    registration.tokens.clear()
    done = tuxctl("status")
    assert done.status == 8
    assert "any more: the licence expired on 2026-01-31" in done.err
    edit_registration(client_root, expires=None)
    assert "any more: it was revoked, another host took it over, or" in tuxctl("status").err


@pytest.mark.parametrize(
    ("licence", "reason"),
    [
        ({"error": "expired", "message": "this licence expired"}, "this licence expired (expired)"),
        ({"releases": ["9.6"]}, "the licence does not cover AlmaLinux 9.2; it covers 9.6"),
        ({"releases": []}, "valid, yet the content server refuses it"),
    ],
)
def test_the_registration_service_says_why(
    register, tuxctl, registration, client_root, monkeypatch, licence, reason
):
    register()
    registration.keys[LICENCE].update(licence)
    monkeypatch.setattr(registration, "content_status", lambda *_: 403)
    done = tuxctl("status")
    assert done.status == 8
    assert reason in done.err
    assert client_root.read(TOKEN).strip() not in done.err


def test_without_a_network_status_is_quick_and_no_drift(
    register, tuxctl, document, client_root, registration
):
    register()
    with socket.socket() as silent:  # takes connections, never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        for name in ("baseos", "crb"):
            path = f"etc/yum.repos.d/almalinux-{name}.repo"
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            client_root.write(path, client_root.read(path).replace(registration.url, url))
        own = client_root.read("etc/yum.repos.d/tuxcare.repo").replace(registration.url, url)
        client_root.write("etc/yum.repos.d/tuxcare.repo", own)
        edit_registration(client_root, content_url=url)
        started = time.monotonic()
        done = tuxctl("status", "--timeout", "1", "--json")
        assert time.monotonic() - started < 15
    found = json.loads(done.out)
    assert done.status == 0, done.err
    assert found["token"] == "unknown"
    states = {item["reach"]["state"] for item in found["repositories"] if item["reach"]}
    assert states == {"unreachable"}


def test_the_token_may_travel_in_a_header(register, document, client_root, registration):
    client_root.configure("[main]\ntoken_in = header\n")
    register()
    token = client_root.read(TOKEN).strip()
    registration.asked.clear()
    assert document()["token"] == "accepted"
    asked = [path for path in registration.asked if path.startswith("/almalinux/")]
    assert asked == ["/almalinux/9.2/BaseOS/x86_64/os/repodata/repomd.xml"]
    assert not any(token in path for path in registration.asked)


def test_a_wrong_setting_of_the_network_is_told_for_each_repository(
    register, document, monkeypatch
):
    register()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    reach = [item["reach"] for item in document()["repositories"] if item["reach"]]
    assert {answer["state"] for answer in reach} == {"unreachable"}
    assert "REQUESTS_CA_BUNDLE: /nowhere: no such file" in reach[0]["detail"]


# -- time ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "warned"), [(400, False), (31, False), (30, True), (1, True), (-2, True)]
)
def test_the_end_of_the_licence_is_warned_of(register, document, client_root, days, warned):
    register()
    edit_registration(client_root, expires=in_days(days))
    found = document("--offline")
    assert found["expires_in_days"] == days
    assert bool(found["warnings"]) is warned
    assert found["drift"] == []


@pytest.mark.parametrize("expires", SPELLINGS)
def test_every_spelling_of_the_end_is_understood(register, document, client_root, expires):
    register()
    edit_registration(client_root, expires=expires)
    assert document("--offline")["expires_in_days"] > 300


@pytest.mark.parametrize("expires", [None, "", "soon", 7, "2027-13-45"])
def test_an_end_that_is_none_is_no_trouble(register, tuxctl, document, client_root, expires):
    register()
    edit_registration(client_root, expires=expires)
    assert document("--offline")["expires_in_days"] is None
    assert tuxctl("status", "--offline").status == 0


def test_the_token_has_an_age(register, document, client_root, tuxctl):
    register()
    edit_registration(client_root, token_at=in_days(-40))
    assert document("--offline")["token_age_days"] == 39
    assert "39 days old" in tuxctl("status", "--offline").out


@pytest.mark.parametrize(
    ("release", "esu"), [("9.2", "available"), ("9.6", "planned"), ("8.10", "none")]
)
def test_the_lifecycle_of_the_release_is_told(document, client_root, tuxctl, release, esu):
    client_root.write("etc/almalinux-release", f"AlmaLinux release {release} (X)\n")
    assert document()["lifecycle"]["esu"] == esu
    assert f"Extended Security Updates of {release}: " in tuxctl("status").out


# -- copies ----------------------------------------------------------------------------------------


def test_a_copy_of_a_host_is_told_from_it(register, tuxctl, client_root, registration):
    register()
    original = client_root.read(TOKEN).strip()
    client_root.write("etc/machine-id", "f" * 32 + "\n")
    done = tuxctl("status")
    assert done.status == 8
    assert "this host is a copy of another one" in done.err
    refused = tuxctl("refresh")
    assert refused.status == 5
    assert "would shut it out" in refused.err
    # Registering gives it a token of its own, and the other's stays good.
    assert register("--force").status == 0
    assert tuxctl("status").status == 0
    assert client_root.read(TOKEN).strip() != original
    assert original in registration.tokens


def test_a_copy_that_leaves_does_not_take_the_originals_seat_along(
    register, tuxctl, client_root, registration
):
    register()
    client_root.write("etc/machine-id", "f" * 32 + "\n")
    done = tuxctl("unregister")
    assert done.status == 0
    assert "the seat and the token stay with that one" in done.err
    assert len(registration.tokens) == 1


@pytest.mark.parametrize("text", ["", "uninitialized\n", "f" * 32 + "\n"])
def test_a_registration_without_a_machine_id_is_no_copy(register, tuxctl, client_root, text):
    client_root.write("etc/machine-id", "")
    register()
    client_root.write("etc/machine-id", text)
    assert tuxctl("status").status == 0


# -- KernelCare ------------------------------------------------------------------------------------


class Running(System):
    """A root that passes for the running host, with or without kcarectl."""

    outcome = Outcome(0, "5.14.0-284.30.1.el9_2.x86_64\n", "")

    def __init__(self, root):
        super().__init__(root)
        self.started = []

    def run(self, argv, *arguments, **options):
        if argv[0] == "kcarectl":
            self.started.append(argv)
            return self.outcome
        return super().run(argv, *arguments, **options)


def test_kernelcares_effective_kernel_is_told(client_root, monkeypatch):
    from tuxctl import kernelcare

    system = Running(str(client_root.directory))
    context = Context(system, None)
    system.root = "/"
    found = kernelcare.describe(context)
    assert found["effective_kernel"] == "5.14.0-284.30.1.el9_2.x86_64"
    assert system.started == [["kcarectl", "--uname"]]


def test_where_kernelcare_is_not_its_commands_are(client_root):
    from tuxctl import kernelcare

    context = Context(System(str(client_root.directory)), None)
    context.system.root = "/"
    found = kernelcare.describe(context)
    assert found["installed"] is False
    assert "kcarectl --register KEY" in found["commands"]
    assert any("--enable-libcare" in command for command in found["commands"])


def test_no_key_and_no_token_in_the_document(register, tuxctl, client_root):
    register("--fips")
    said = tuxctl("status", "--json").out
    assert LICENCE not in said
    assert client_root.read(TOKEN).strip() not in said
