"""Registration with the real server and the real command."""

import json
import re
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.support.service import API, Operator, Service

REPOMD = "almalinux/9.2/BaseOS/x86_64/os/repodata/repomd.xml"
MACHINE = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def operator(tmp_path_factory):
    """One for all tests that look at licences of their own only."""
    operator = Operator(tmp_path_factory.mktemp("registration") / "operator")
    operator.publish({REPOMD: b"<repomd/>"})
    return operator


class Services:
    """One server for a few tests each: all of them ask from one address, whose wrong keys count
    against every one of them."""

    TESTS = 4

    def __init__(self, operator):
        self._operator, self._current, self._used = operator, None, 0

    def next(self):
        if self._used % self.TESTS == 0:
            self.stop()
            self._current = Service(self._operator)
        self._used += 1
        return self._current

    def stop(self):
        if self._current is not None:
            self._current.stop()


@pytest.fixture(scope="module")
def services(operator):
    services = Services(operator)
    yield services
    services.stop()


@pytest.fixture
def service(services):
    return services.next()


@pytest.fixture
def alone(tmp_path):
    """An operator of the test's own."""
    operator = Operator(tmp_path / "operator")
    operator.publish({REPOMD: b"<repomd/>"})
    return operator


def events(operator, key):
    """The audit log of one licence."""
    identity = operator.json("license", "show", key)["id"]
    return [entry for entry in operator.audit if entry["licence"] == identity]


def status_of(service, token):
    return service.get(f"/almalinux/9.2/{token}/BaseOS/x86_64/os/repodata/repomd.xml").status_code


def test_a_host_registers_downloads_and_unregisters(operator, service):
    key = operator.create_licence("--product", "esu", "--release", "9.2", "--hosts", "2")
    answer = service.register(key, "web1", machine_id=MACHINE, release="9.2", arch="x86_64")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert set(body) == {"token", "products", "expires"}
    assert re.fullmatch(r"[A-Za-z0-9_-]{32,}", body["token"])
    assert body["products"] == ["esu"]
    assert body["expires"] is None
    assert status_of(service, body["token"]) == 200

    assert service.post("token/unregister", token=body["token"]).status_code == 200
    assert status_of(service, body["token"]) == 403
    assert service.post("token/unregister", token=body["token"]).status_code == 401
    assert operator.json("license", "show", key)["hosts_taken"] == 0
    assert [e["event"] for e in events(operator, key)] == [
        "licence_created",
        "registered",
        "unregistered",
    ]


def test_the_request_of_the_public_service_is_enough(operator, service):
    key = operator.create_licence("--product", "essential")
    answer = requests.post(
        service.url + "/cln/api/els/token/register",
        data=json.dumps({"key": f" {key.lower()} ", "host_name": "web1", "unknown": 1}),
        headers={"Content-Type": "application/json; charset=utf-8"},
        timeout=10,
    )
    assert answer.status_code == 200


def test_the_same_machine_takes_no_further_seat_and_its_last_token_lives_on(operator, service):
    key = operator.create_licence("--product", "esu", "--hosts", "1")
    tokens = [service.register(key, "web1", machine_id=MACHINE).json()["token"] for _ in range(3)]
    assert len(set(tokens)) == 3
    # The first was never looked at, so no cache can hide that it is gone.
    assert [status_of(service, token) for token in tokens] == [403, 200, 200]
    assert operator.json("license", "show", key)["hosts_taken"] == 1
    assert service.register(key, "web2", machine_id=MACHINE[::-1]).json()["error"] == "exhausted"


def test_a_cloned_machine_shows_in_the_audit_log(operator, service):
    key = operator.create_licence("--product", "esu", "--hosts", "1")
    service.register(key, "web1", machine_id=MACHINE)
    service.register(key, "web2", machine_id=MACHINE)
    last = events(operator, key)[-1]
    assert (last["event"], last["host_name"], last["former_name"]) == (
        "registered_again",
        "web2",
        "web1",
    )


@pytest.mark.parametrize("facts", [{}, {"machine_id": "uninitialized"}, {"machine_id": "0" * 32}])
def test_without_a_machine_id_every_call_takes_a_seat(operator, service, facts):
    key = operator.create_licence("--product", "esu", "--hosts", "2")
    answers = [service.register(key, "web1", **facts) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 403]


def test_a_seat_that_was_left_is_free_again(operator, service):
    key = operator.create_licence("--product", "esu", "--hosts", "1")
    token = service.register(key, "web1").json()["token"]
    assert service.register(key, "web2").status_code == 403
    service.post("token/unregister", token=token)
    assert service.register(key, "web2").status_code == 200


def test_refresh_gives_a_new_token_beside_the_old_one(operator, service):
    key = operator.create_licence("--product", "esu", "--hosts", "1", "--expires", "2099-12-31")
    old = service.register(key).json()["token"]
    answer = service.post("token/refresh", token=old)
    assert answer.json()["expires"] == "2099-12-31T23:59:59Z"
    new = answer.json()["token"]
    assert new != old
    assert [status_of(service, token) for token in (old, new)] == [200, 200]
    # Somebody whose answer got lost asks again with the old one: still never more than two.
    newer = service.post("token/refresh", token=old).json()["token"]
    assert service.post("token/refresh", token=new).status_code == 401
    assert [status_of(service, token) for token in (old, newer)] == [200, 200]


def test_token_check_tells_why_and_changes_nothing(operator, service):
    key = operator.create_licence("--product", "esu", "--release", "9.2", "--expires", "2099-12-31")
    token = service.register(key).json()["token"]
    answer = service.post("token/check", token=token)
    assert answer.status_code == 200
    assert answer.json() == {
        "products": ["esu"],
        "releases": ["9.2"],
        "expires": "2099-12-31T23:59:59Z",
    }
    assert status_of(service, token) == 200
    operator.call("license", "revoke", key)
    refused = service.post("token/check", token=token)
    assert (refused.status_code, refused.json()["error"]) == (403, "revoked")
    for unknown in ("x" * 40, "short"):
        assert service.post("token/check", token=unknown).status_code == 401
    assert service.post("token/check").status_code == 401


def test_key_check_tells_what_a_key_is_good_for_and_takes_no_seat(operator, service):
    key = operator.create_licence(
        *("--product", "fips,esu", "--release", "9.2", "--release", "9.6", "--hosts", "3"),
        *("--expires", "2099-12-31", "--channel", "canary"),
    )
    service.register(key)
    answers = [service.post("key/check", {"key": key}).json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0] == {
        "products": ["esu", "fips"],
        "releases": ["9.2", "9.6"],
        "channel": "canary",
        "expires": "2099-12-31T23:59:59Z",
        "hosts": 3,
        "hosts_left": 2,
    }


@pytest.mark.parametrize("call", ["token/register", "key/check"])
def test_unknown_and_malformed_keys_get_the_same_answer(operator, service, alone, call):
    key = operator.create_licence("--product", "esu")
    other = alone.create_licence("--product", "esu")
    wrong = [other, key[:-1], key + "2", "ESU-", "", "x" * 9000, "ESU-" + "2" * 24, "\ud800", "ü"]
    answers = [service.post(call, {"key": text, "host_name": "web1"}) for text in wrong]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert answers[0].json()["error"] == "unknown_key"


def test_known_keys_that_let_nobody_in_are_told_why(operator, service):
    full = operator.create_licence("--product", "esu", "--hosts", "1")
    revoked = operator.create_licence("--product", "esu")
    other = operator.create_licence("--product", "esu", "--release", "9.2")
    service.register(full)
    operator.call("license", "revoke", revoked)

    def refusal(key, **facts):
        answer = service.register(key, **facts)
        assert answer.status_code == 403
        assert answer.json()["message"]
        return answer.json()["error"]

    assert refusal(full) == "exhausted"
    assert refusal(revoked) == "revoked"
    assert refusal(other, release="9.4") == "wrong_product"
    assert service.register(other, release="9.2").status_code == 200
    assert service.post("key/check", {"key": revoked}).json()["error"] == "revoked"
    for key, reason in ((full, "exhausted"), (revoked, "revoked"), (other, "wrong_product")):
        refused = [e for e in events(operator, key) if e["event"] == "register_refused"]
        assert [entry["reason"] for entry in refused] == [reason]


@pytest.mark.parametrize("call", ["token/check", "token/refresh", "token/unregister"])
@pytest.mark.parametrize("header", [None, "Bearer", "Bearer ", "Bearer x", "Basic eDp5", "tux_x"])
def test_calls_with_a_token_need_a_valid_one(service, call, header):
    headers = {"Authorization": header} if header else {}
    answer = requests.post(service.url + API + call, headers=headers, timeout=10)
    assert answer.status_code == 401
    assert answer.json()["error"] == "unauthorized"
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("number", range(8))
def test_a_body_that_makes_no_sense_is_refused(service, number):
    body = [
        b"",
        b"{",
        b"[]",
        b'"key"',
        b'{"host_name": "web1"}',
        b'{"key": 5, "host_name": "web1"}',
        b'{"key": "\xff\xfe"}',
        b"[" * 16000,
    ][number]
    answer = requests.post(
        service.url + API + "token/register",
        data=body,
        headers={"Content-Type": "application/json"},
        timeout=10,
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")


@pytest.mark.parametrize(
    "facts",
    [
        {"host_name": None},
        {"host_name": ""},
        {"host_name": "a" * 256},
        {"host_name": "a b"},
        {"host_name": "a\nb"},
        {"host_name": "\ud800"},
        {"host_name": ["web1"]},
        {"machine_id": "x/../y"},
        {"machine_id": 5},
        {"release": "9.2; drop"},
        {"arch": "x86_64\n"},
    ],
)
def test_a_member_of_the_wrong_shape_is_refused_by_name(operator, service, facts):
    key = operator.create_licence("--product", "esu", "--hosts", "1")
    answer = service.post("token/register", {"key": key, "host_name": "web1", **facts})
    assert answer.status_code == 400
    assert f"'{next(iter(facts))}'" in answer.json()["message"]
    assert service.register(key).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "json"])
def test_another_content_type_is_refused(service, kind):
    answer = requests.post(
        service.url + API + "token/register",
        data=b'{"key": "x", "host_name": "web1"}',
        headers={"Content-Type": kind},
        timeout=10,
    )
    assert answer.status_code == 400


@pytest.mark.parametrize("size", [16 * 1024 + 1, 900_000])
def test_a_body_over_16_kb_is_refused(service, size):
    frame = b'{"key": "", "host_name": "web1"}'
    body = frame[:9] + b"x" * (size - len(frame)) + frame[9:]
    answer = requests.post(
        service.url + API + "token/register",
        data=body,
        headers={"Content-Type": "application/json"},
        timeout=10,
    )
    assert len(body) == size
    assert (answer.status_code, answer.json()["error"]) == (413, "too_large")


def test_a_body_of_16_kb_is_read(service):
    frame = b'{"key": "", "host_name": "web1"}'
    body = frame[:9] + b"x" * (16 * 1024 - len(frame)) + frame[9:]
    answer = requests.post(
        service.url + API + "token/register",
        data=body,
        headers={"Content-Type": "application/json"},
        timeout=10,
    )
    assert answer.status_code == 401


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize(
    "call", ["token/register", "key/check", "token/refresh", "token/unregister"]
)
def test_another_method_is_refused(service, method, call):
    answer = requests.request(method, service.url + API + call, timeout=10)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "POST"


def test_health_readiness_and_description_are_open(alone):
    with alone.serve() as service:
        assert service.get("/healthz").json() == {"status": "ok"}
        assert service.get("/readyz").json() == {"status": "ready"}
        assert service.get("/openapi.json").json()["openapi"].startswith("3.")
        assert requests.head(service.url + "/healthz", timeout=10).status_code == 200
        assert requests.post(service.url + "/healthz", timeout=10).status_code == 405
        alone.public.rename(alone.root / "away")
        answer = service.get("/readyz")
        assert (answer.status_code, answer.json()["error"]) == (503, "unavailable")
        assert service.get("/healthz").status_code == 200


def test_a_revoked_licence_closes_at_the_next_look(operator, service):
    """The cache's own limit is proven with a clock; here nothing was cached yet."""
    key = operator.create_licence("--product", "esu")
    token = service.register(key).json()["token"]
    assert "revoked" in operator.call("license", "revoke", key)
    assert status_of(service, token) == 403
    assert service.post("token/refresh", token=token).json()["error"] == "revoked"
    assert service.post("token/unregister", token=token).status_code == 200


def test_a_revoked_host_closes_and_frees_its_seat(alone):
    with alone.serve() as service:
        key = alone.create_licence("--product", "esu", "--hosts", "1")
        token = service.register(key, "web1", machine_id=MACHINE).json()["token"]
        alone.call("host", "revoke", "web1")
        assert status_of(service, token) == 403
        assert service.post("token/refresh", token=token).status_code == 401
        assert alone.json("host", "list") == {"hosts": []}
        listed = alone.json("host", "list", "--all")["hosts"]
        assert [(h["host_name"], h["state"], h["ended_by"]) for h in listed] == [
            ("web1", "ended", "operator")
        ]
        assert service.register(key, "web1", machine_id=MACHINE).status_code == 200


def test_tokens_outlive_a_restart(alone):
    key = alone.create_licence("--product", "esu", "--hosts", "1")
    with alone.serve() as service:
        token = service.register(key).json()["token"]
    assert service.exit_status == 0
    with alone.serve() as service:
        assert status_of(service, token) == 200
        assert service.register(key).json()["error"] == "exhausted"


def test_a_kill_loses_no_token_that_was_handed_out(alone):
    key = alone.create_licence("--product", "esu")
    with alone.serve() as service:
        token = service.register(key).json()["token"]
        service.signal(9)
    with alone.serve() as service:
        assert status_of(service, token) == 200


RACER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from tuxmirror.adapters.registry_db import DatabaseRegistry
    from tuxmirror.adapters.state_files import AuditFile, load_pepper
    from tuxmirror.core.credentials import Digests
    from tuxmirror.core.licence import ExhaustedError, HostFacts
    from tuxmirror.usecases.registration import Registration

    state, name = Path(sys.argv[1]), sys.argv[2]
    key = sys.stdin.readline().strip()
    digests = Digests(load_pepper(state))
    registry = DatabaseRegistry.open(f"sqlite:///{state}/registry.sqlite", digests.check())
    service = Registration(registry, digests, AuditFile(state / "audit.log", "service"))
    print("ready", flush=True)
    sys.stdin.readline()
    for attempt in range(3):
        try:
            service.register(key, HostFacts(f"{name}-{attempt}"), "-")
            print("seated", flush=True)
        except ExhaustedError:
            print("exhausted", flush=True)
    """
)


def test_of_eight_processes_exactly_as_many_get_seats_as_there_are(operator):
    """Each asks three times for one of five seats, all at once."""
    key = operator.create_licence("--product", "esu", "--hosts", "5")
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(operator.state), f"racer{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(8)
    ]
    for racer in racers:
        racer.stdin.write(key + "\n")
        racer.stdin.flush()
    assert [racer.stdout.readline() for racer in racers] == ["ready\n"] * 8
    for racer in racers:
        racer.stdin.write("\n")
        racer.stdin.flush()
    answers = [line for racer in racers for line in racer.communicate(timeout=60)[0].split()]
    assert [racer.returncode for racer in racers] == [0] * 8
    assert sorted(answers) == ["exhausted"] * 19 + ["seated"] * 5
    assert operator.json("license", "show", key)["hosts_taken"] == 5
    assert sum(e["event"] == "registered" for e in events(operator, key)) == 5


def test_racers_for_the_last_seat_over_http(operator, service):
    key = operator.create_licence("--product", "esu", "--hosts", "1")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: service.register(key, f"web{n}"), range(16)))
    assert sorted(a.status_code for a in answers) == [200] + [403] * 15


def test_one_machine_registering_many_times_at_once_takes_one_seat(operator, service):
    key = operator.create_licence("--product", "esu", "--hosts", "1")
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: service.register(key, "web1", machine_id=MACHINE), range(16))
        )
    assert {a.status_code for a in answers} == {200}
    assert operator.json("license", "show", key)["hosts_taken"] == 1


def test_a_second_server_on_the_same_port_is_refused(operator, service):
    port = str(service.address[1])
    message = operator.run("serve", "--listen", f"127.0.0.1:{port}", status=2)
    assert f"port {port}" in message


@pytest.mark.parametrize("listen", ["8080", "localhost:", ":80", "x:99999", "1.2.3.4:80"])
def test_an_address_that_cannot_be_used_is_refused(operator, listen):
    assert "--listen" in operator.run("serve", "--listen", listen, status=2)


def test_the_state_is_private(operator, service):
    service.register(operator.create_licence("--product", "esu"))
    assert operator.state.stat().st_mode & 0o777 == 0o700
    files = [path for path in operator.state.rglob("*") if path.is_file()]
    assert {"pepper", "audit.log", "registry.sqlite"} <= {path.name for path in files}
    private = {path.name: path.stat().st_mode & 0o077 for path in files}
    assert not any(private[name] for name in private if not name.startswith("publish"))
