"""The real nginx with a service of the test's own: logs, revocations, restarts, outages, TLS."""

import resource
import socket
import subprocess
import threading
import time

import pytest
import requests

from tests.integration.test_serve_files import CONTENT, PACKAGE, REPOMD, with_token
from tests.integration.test_serve_nginx import GATED, alone
from tests.support.nginx import Nginx, free_port, in_front, memory_folder
from tests.support.service import TUXMIRROR, Operator


@pytest.fixture(scope="module")
def memory():
    with memory_folder() as folder:
        yield folder


def test_a_publish_shows_with_the_next_request(tmp_path, memory):
    operator = alone(tmp_path, memory)
    with operator.serve() as service, in_front(operator, service.address, memory) as front:
        token = front.register(operator.create_licence("--product", "esu")).json()["token"]
        for number in range(30):
            body = b"<%03d/>" % number
            operator.publish({GATED: body})
            assert front.get(with_token(GATED, token)).content == body


@pytest.mark.full
def test_a_package_that_nginx_keeps_open_is_another_after_ten_seconds(tmp_path, memory):
    """Whose name should not have stayed the same; metadata that says so is never kept open."""
    operator = alone(tmp_path, memory)
    path = f"almalinux/9.2/{PACKAGE}"
    with operator.serve() as service, in_front(operator, service.address, memory) as front:
        token = front.register(operator.create_licence("--product", "esu")).json()["token"]
        for _ in range(5):
            assert front.get(with_token(path, token)).content == CONTENT[path]
        operator.publish({path: b"another"})
        started = time.monotonic()
        while front.get(with_token(path, token)).content == CONTENT[path]:
            assert time.monotonic() - started < 21
            time.sleep(0.1)
        assert front.get(with_token(path, token)).content == b"another"


def test_no_secret_is_in_any_log(tmp_path, memory):
    operator = alone(tmp_path, memory)
    key = operator.create_licence("--product", "esu")
    with operator.serve() as service, in_front(operator, service.address, memory) as front:
        token = front.register(key).json()["token"]
        paths = [with_token(GATED, token), f"/almalinux/9.2/{token}/nothing", f"/{token}/x",
                 f"/x/{token}", f"/almalinux/9.2/{token}/BaseOS", f"/{key}/x?key={key}",
                 f"/almalinux/9.2/{token}", f"/a/b/c/{token}/d?{token}",
                 f"/almalinux/9.2/{'z' * 40}/{token}/x", f"/almalinux/9.2/{token}/x/{token[4:]}",
                 f"/almalinux/9.2/{token}/{key}/x", f"/almalinux/9.2/{'z' * 40}/x{token}.rpm",
                 f"/almalinux/9.2/{token}/{'x/' * 3000}"]  # fmt: skip
        for path in paths:
            front.get(path, headers={"Referer": front.url + path, "User-Agent": "x"})
            front.get("/" + GATED, headers={"Authorization": f"Bearer {token}"})
        front.raw(f"GARBAGE /almalinux/9.2/{token}/x HTTP/1.1\r\n\r\n".encode())
        front.raw_get(f"/almalinux/9.2/%74{token[1:]}/BaseOS/x")
        operator.public.chmod(0)
        front.get(with_token(GATED, token))
        operator.public.chmod(0o755)
        service.stop()
        # Nobody there to ask: nginx has the most to complain then.
        unknown = "tux_" + "y" * 43
        assert front.get(with_token(GATED, unknown)).status_code == 503
        assert front.post("key/check", {"key": key}).json()["error"] == "unavailable"
        text = front.log_text()
        assert f"{REPOMD} 200" in text
        assert "/almalinux/9.2/<token>/nothing 404" in text
    logs = [operator.log, operator.state / "audit.log", *front.folder.glob("*.log")]
    found = [(log.name, secret) for log in logs for secret in (token[4:], key[4:], unknown[4:])
             if secret in log.read_text()]  # fmt: skip
    assert len(logs) == 4
    assert found == []


def test_who_hammers_the_api_is_slowed_down_in_words(tmp_path, memory):
    operator = alone(tmp_path, memory)
    with operator.serve() as service, in_front(operator, service.address, memory) as front:
        with requests.Session() as session:
            url = front.url + "/cln/api/els/key/check"
            answers = [session.post(url, json={"key": "x"}) for _ in range(60)]
        token = front.get("/healthz")
    statuses = [answer.status_code for answer in answers]
    assert statuses[:20] == [401] * 20
    assert set(statuses[25:]) == {429}
    assert answers[-1].json()["error"] == "too_many"
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert token.status_code == 200


def test_without_leases_it_serves_all_the_same(tmp_path, memory):
    operator = Operator(tmp_path / "operator")
    operator.publish(CONTENT)
    with operator.serve() as service, in_front(operator, service.address, memory) as front:
        token = front.register(operator.create_licence("--product", "esu")).json()["token"]
        for _ in range(5):
            assert front.get(with_token(GATED, token)).content == CONTENT[GATED]
        assert (
            front.get(with_token("tuxcare/9.2/fips/x86_64/repodata/repomd.xml", token)).status_code
            == 403
        )


def test_while_the_service_is_away_hosts_go_on_for_a_moment(tmp_path, memory):
    operator = alone(tmp_path, memory)
    with operator.serve() as service, in_front(operator, service.address, memory) as front:
        token = front.register(operator.create_licence("--product", "esu")).json()["token"]
        assert front.get(with_token(GATED, token)).status_code == 200
        service.stop()
        # Longer than a lease and than the cache keeps an answer fresh.
        deadline = time.monotonic() + 12
        while time.monotonic() < deadline:
            assert front.get(with_token(GATED, token)).status_code == 200
            time.sleep(0.2)
        away = front.get(with_token(GATED, "tux_" + "z" * 43))
        assert (away.status_code, away.headers["Retry-After"]) == (503, "10")


class Activated:
    """What systemd does: holds the socket, starts the service with it, starts it again."""

    def __init__(self, operator):
        self._operator = operator
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.address = self._socket.getsockname()
        self.start()

    def start(self):
        script = 'exec 3<&0; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@" </dev/null'
        argv = [*TUXMIRROR, "-c", str(self._operator.conf), "serve", "--listen", "systemd"]
        with self._operator.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["bash", "-c", script, "_", *argv],
                stdin=self._socket,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        # Only from here on it knows how to end in peace.
        assert self._process.stdout.readline().startswith("listening on")

    def restart(self):
        self.stop()
        self.start()

    def stop(self):
        self._process.terminate()
        assert self._process.wait(40) == 0
        self._process.stdout.close()

    def close(self):
        self.stop()
        self._socket.close()


def test_a_restart_fails_no_download(tmp_path, memory):
    operator = alone(tmp_path, memory)
    service = Activated(operator)
    statuses, stop = [], threading.Event()

    def download(tokens):
        with requests.Session() as session:
            while not stop.is_set():
                for token in tokens:
                    url = front.url + with_token(f"almalinux/9.2/{PACKAGE}", token)
                    answer = session.get(url, timeout=30)
                    whole = answer.content == CONTENT[f"almalinux/9.2/{PACKAGE}"]
                    statuses.append((answer.status_code, whole))

    try:
        with in_front(operator, service.address, memory) as front:
            key = operator.create_licence("--product", "esu")
            tokens = [front.register(key, f"web{n}").json()["token"] for n in range(40)]
            threads = [
                # Half of them ask for many tokens in turn, most of which nginx does not know.
                threading.Thread(target=download, args=(tokens[n : n + 1] if n < 2 else tokens,))
                for n in range(4)
            ]
            for thread in threads:
                thread.start()
            for _ in range(3):
                time.sleep(0.5)
                service.restart()
            time.sleep(1)
            stop.set()
            for thread in threads:
                thread.join()
    finally:
        stop.set()
        service.close()
    assert len(statuses) > 100
    assert set(statuses) == {(200, True)}


@pytest.mark.full
def test_answers_that_are_remembered_cost_no_descriptor_each(tmp_path, memory):
    """Every host of a site within a minute, and a worker that may open few files."""
    operator = Operator(tmp_path / "operator")
    operator.publish(CONTENT)
    with operator.serve() as service, in_front(operator, service.address, memory) as front:
        for worker in front.workers:
            resource.prlimit(worker, resource.RLIMIT_NOFILE, (300, 300))
        key = operator.create_licence("--product", "esu")
        tokens = [service.register(key, f"web{n}").json()["token"] for n in range(320)]
        with requests.Session() as session:
            statuses = [
                session.get(front.url + with_token(GATED, token)).status_code
                for token in tokens
                for _ in range(2)
            ]
    assert statuses == [200] * 640


def test_systemd_has_to_pass_a_socket(tmp_path):
    operator = Operator(tmp_path / "operator")
    message = operator.call("serve", "--listen", "systemd", status=2)
    assert "no socket was passed" in message


def test_with_a_certificate_the_token_travels_on_tls_only(tmp_path, memory):
    operator = alone(tmp_path, memory)
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-days", "2", "-out", certificate, "-keyout", key],
        check=True, capture_output=True,
    )  # fmt: skip
    tls, plain = free_port(), free_port()
    folder = operator.root / "nginx"
    with operator.serve() as service:
        config = operator.call(
            *("nginx-config", "--server-name", "localhost", "--listen", f"127.0.0.1:{tls}"),
            *("--certificate", str(certificate), "--certificate-key", str(key)),
            *("--service", "{}:{}".format(*service.address), "--cache", str(memory / "tls")),
            *("--access-log", str(folder / "access.log")),
        )
        assert "listen 80;" in config
        config = config.replace("listen 80;", f"listen 127.0.0.1:{plain};")
        config = config.replace("listen [::]:80;", "")
        with Nginx(folder, config, tls):
            token = service.register(operator.create_licence("--product", "esu")).json()["token"]
            path = with_token(GATED, token)
            good = requests.get(f"https://localhost:{tls}{path}", verify=certificate, timeout=10)
            bad = requests.get(f"http://localhost:{plain}{path}", allow_redirects=False, timeout=10)
    assert good.content == CONTENT[GATED]
    assert "max-age" in good.headers["Strict-Transport-Security"]
    assert (bad.status_code, bad.text) == (403, "403 use https\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--server-name", "x; } evil"),
        ("--server-name", "a", "--certificate", "/a b", "--certificate-key", "/k"),
        ("--server-name", "a", "--service", "127.0.0.1:1;"),
        ("--server-name", "a", "--listen", "80 default_server"),
        ("--server-name", "a", "--certificate", "/a"),
        ("--server-name", "a", "--certificate", "/a", "--plain-http"),
        ("--server-name", "a", "--access-log", "/a$host"),
    ],
)
def test_nothing_gets_into_it_as_another_directive(tmp_path, arguments):
    operator = Operator(tmp_path / "operator")
    assert "error" in operator.call("nginx-config", *arguments, status=2)


# A package that is asked for all the time stays open in nginx, metadata never does.
IN_USE = (GATED, f"almalinux/9.2/{PACKAGE}")


def revoked_within(site_front, token, revoke, limit):
    """Seconds until a token that is used all the time is refused."""

    def opens():
        return [site_front.get(with_token(path, token)).status_code == 200 for path in IN_USE]

    assert all(opens())
    revoke()
    started = time.monotonic()
    while any(opens()):
        assert time.monotonic() - started < limit
        time.sleep(0.1)
    return time.monotonic() - started


@pytest.mark.full
def test_a_revocation_is_effective_within_a_minute(tmp_path, memory):
    operator = alone(tmp_path, memory)
    with operator.serve() as service, in_front(operator, service.address, memory) as front:
        key = operator.create_licence("--product", "esu")
        token = front.register(key).json()["token"]
        revoked_within(front, token, lambda: operator.call("license", "revoke", key), 60)


@pytest.mark.full
def test_a_revocation_is_effective_within_a_minute_when_the_service_then_dies(tmp_path, memory):
    operator = alone(tmp_path, memory)
    with operator.serve() as service, in_front(operator, service.address, memory) as front:
        key = operator.create_licence("--product", "esu")
        token = front.register(key).json()["token"]

        def revoke():
            operator.call("license", "revoke", key)
            time.sleep(5)
            assert front.get(with_token(GATED, token)).status_code == 200
            service.stop()

        revoked_within(front, token, revoke, 45)


def test_the_times_of_a_revocation_add_up_to_less_than_a_minute():
    from tuxmirror.adapters.http_app import _ALLOWED
    from tuxmirror.adapters.leases import LEASE_SECONDS
    from tuxmirror.usecases.registration import GRANT_LIFETIME

    said = {name: int(value) for name, _, value in
            (part.strip().partition("=") for part in _ALLOWED.split(","))}  # fmt: skip
    stale = max(said["stale-while-revalidate"], said["stale-if-error"])
    assert GRANT_LIFETIME + said["max-age"] + max(stale, LEASE_SECONDS) <= 50
