"""The real nginx in front of the service: the same answers, no secrets in logs, no failed download.

What takes as long as a revocation takes is marked `full`.
"""

import contextlib
import socket
import subprocess
import threading
import time
from types import SimpleNamespace

import pytest
import requests

from tests.integration.test_serve_files import CONTENT, OS, PACKAGE, REPOMD, with_token
from tests.support.nginx import Nginx, free_port, in_front, memory_folder
from tests.support.service import TUXMIRROR, Operator

TREES = (
    "[almalinux/8.8]\nrepos = BaseOS\narches = x86_64\ngpgkey = /k\nopen = yes\n"
    "upstream = http://127.0.0.1:1/\n"
    "[tuxcare/8.8/extra]\ntype = local\nsource = /s\narches = x86_64\ngpgkey = /k\nopen = yes\n"
)
EXTRA = "tuxcare/8.8/extra/x86_64/repodata/repomd.xml"
# nginx has a place of its own for packages: what looks like them and is not, and what is.
PACKAGES = {
    f"almalinux/9.2/{OS}/Packages/x-latest-1-1.el9.noarch.rpm": b"may change",
    "almalinux/9.2/BaseOS/RPM-GPG-KEY-x.rpm": b"key",
    "almalinux/9.2/BaseOS/RPM-GPG-KEY-x.asc": b"key",
    f"almalinux/8.8/{OS}/Packages/open-1-1.el8.noarch.rpm": b"open",
    "tuxcare/8.8/extra/x86_64/open-1-1.el8.noarch.rpm": b"open",
    "tuxcare/8.8/esu/x86_64/gated-1-1.el8.noarch.rpm": b"gated",
    "tuxcare/9.2/base/x86_64/open-1-1.el9.noarch.rpm": b"open",
    "tuxcare/9.2/esu/x86_64/gated-1-latest.el9.noarch.rpm": b"gated",
}
FILES = {
    **CONTENT,
    **PACKAGES,
    EXTRA: b"<extra/>",
    "tuxcare/9.2/esu/RPM-GPG-KEY-TuxCare": b"key",
}
GATED = f"almalinux/9.2/{REPOMD}"
KINDS = {
    "essential": ("--product", "essential"),
    "esu": ("--product", "esu"),
    "fips": ("--product", "fips"),
    "9.4": ("--product", "esu", "--release", "9.4"),
    "canary": ("--product", "esu", "--channel", "canary"),
    "nowhere": ("--product", "esu", "--channel", "nowhere"),
}


@pytest.fixture(scope="module")
def memory():
    with memory_folder() as folder:
        yield folder


@contextlib.contextmanager
def operating(root, memory):
    """`service` alone and `front`, which is nginx before it; `tokens` by kind of licence."""
    operator = Operator(root, main=f"leases = {memory}/leases", trees=TREES)
    operator.publish(FILES)
    operator.publish({path: b"canary " + data for path, data in FILES.items()}, "canary")
    with operator.serve() as service, in_front(operator, service.address, memory) as front:
        tokens = {
            kind: front.register(operator.create_licence(*terms), kind).json()["token"]
            for kind, terms in KINDS.items()
        }
        yield SimpleNamespace(operator=operator, service=service, front=front, tokens=tokens)


@pytest.fixture(scope="module")
def site(tmp_path_factory, memory):
    with operating(tmp_path_factory.mktemp("nginx") / "operator", memory) as found:
        yield found


def alone(tmp_path, memory):
    operator = Operator(tmp_path / "operator", main=f"leases = {memory}/leases-{free_port()}")
    operator.publish(CONTENT)
    return operator


def test_nginx_finds_no_fault_with_it(site):
    assert "warn" not in site.front.check()


PATHS = [
    *("/" + path for path in FILES if path not in PACKAGES),
    *("/", "/tuxcare", "/tuxcare/", "/almalinux", "/almalinux/", "/almalinux/9.2"),
    *("/almalinux/9.2/", "/almalinux/9.2/BaseOS", f"/almalinux/9.2/{OS}/repodata/"),
    *(
        f"/almalinux/9.2/{OS}/nothing",
        "/rss_feed",
        "/rss_feed/",
        "/cve/",
        "/cve",
        "/cve/index",
        "/cve/none",
    ),
    *("/tuxcare/9.2/base", "/tuxcare/9.2/base/", "/tuxcare/9.2/base/none", "/.generations"),
    *(f"/almalinux/9.2/.generation-1/{REPOMD}", f"/almalinux/8.8/.generation-1/{REPOMD}"),
    "/tuxcare/9.2/.generation-1/base/x86_64/repodata/repomd.xml",
    "/tuxcare/8.8/.generation-1/extra/x86_64/repodata/repomd.xml",
    *("/healthz/x", "/openapi.json/", "/vetted/" + GATED, "/canary/" + GATED, "/favicon.ico"),
    f"/almalinux/9.2/{OS}/Packages/libstdc%2B%2B-1.0-1.el9.x86_64.rpm",
    f"/almalinux/9.2/{OS}/Packages/libstdc++-1.0-1.el9.x86_64.rpm?x=y",
]


def same(site, path, **headers):
    """Asks both; returns the status."""
    ours, theirs = (
        server.get(path, headers=headers, allow_redirects=False)
        for server in (site.service, site.front)
    )
    assert theirs.status_code == ours.status_code, path
    assert theirs.headers.get("Cache-Control") == ours.headers.get("Cache-Control"), path
    if ours.status_code == 200:
        assert theirs.content == ours.content
        if not path.endswith("/TIME"):
            assert theirs.headers["Content-Type"] == ours.headers["Content-Type"]
        assert path == "/tuxcare/" or theirs.headers["X-Content-Type-Options"] == "nosniff"
    elif ours.status_code in (403, 404):
        assert theirs.text == ours.text
    elif ours.status_code == 308:
        assert theirs.headers["Location"].endswith(ours.headers["Location"])
    return ours.status_code


def test_without_a_token_it_answers_as_the_embedded_server_does(site):
    found = {path: same(site, path) for path in PATHS}
    assert {200, 308, 403, 404} == set(found.values())
    opened = {path[1:] for path, status in found.items() if status == 200}
    assert {"tuxcare/", EXTRA, f"almalinux/8.8/{REPOMD}", "rss_feed/releases/almalinux9.2esu"} <= (
        opened
    )


@pytest.mark.parametrize("kind", [*KINDS, "wrong"])
def test_with_a_token_it_answers_as_the_embedded_server_does(site, kind):
    token = site.tokens.get(kind, "x" * 43)
    tried = [path for path in PATHS if path.count("/") >= 3 and not path.startswith("/tracker")]
    found = set()
    for path in tried:
        if not path.startswith("/rss_feed"):
            found.add(same(site, with_token(path[1:], token)))
        # Once from the service, once by the lease.
        found |= {same(site, path, Authorization=f"Bearer {token}") for _ in range(2)}
    assert {200, 403} <= found | ({200} if kind == "nowhere" else set())


@pytest.mark.parametrize("kind", ["essential", "esu", "canary", None])
@pytest.mark.parametrize("path", PACKAGES)
def test_what_looks_like_a_package_is_answered_as_the_embedded_server_does(site, kind, path):
    if kind is None:
        same(site, "/" + path)
        return
    token = site.tokens[kind]
    # Once from the service, once by the lease.
    found = {same(site, with_token(path, token)) for _ in range(2)}
    found |= {same(site, "/" + path, Authorization=f"Bearer {token}") for _ in range(2)}
    assert found == {403 if kind == "essential" and "/esu/" in path else 200}


def test_the_licence_chooses_the_channel_also_of_open_files(site):
    for path in (GATED, "almalinux/9.2/RPM-GPG-KEY-AlmaLinux-9", EXTRA):
        for token, content in ((site.tokens["canary"], b"canary " + FILES[path]),):
            assert site.front.get(with_token(path, token)).content == content


@pytest.mark.parametrize(
    "path",
    [
        "/almalinux/9.2/{}/BaseOS/x86_64/mirrorlist",
        "/almalinux/9.2/BaseOS/x86_64/mirrorlist",
        "/almalinux/8.8/BaseOS/x86_64/mirrorlist",
        "/tuxcare/9.2/{}/fips/x86_64/mirrorlist",
        "/tuxcare/9.2/base/x86_64/mirrorlist",
    ],
)
@pytest.mark.parametrize("kind", ["esu", "fips", "canary", "nowhere", None])
def test_mirror_lists_are_those_of_the_embedded_server(site, path, kind):
    token = site.tokens.get(kind, "x" * 43)
    headers = {"Authorization": f"Bearer {token}"} if kind and "{}" not in path else {}
    path = path.format(token if kind else "")
    ours, theirs = (server.get(path, headers=headers) for server in (site.service, site.front))
    assert theirs.status_code == ours.status_code
    assert theirs.headers["Cache-Control"] == ours.headers["Cache-Control"] == "no-store"
    assert theirs.text == ours.text.replace(site.service.url, site.front.url)
    for url in theirs.text.split() if theirs.status_code == 200 else ():
        assert url.startswith(f"{site.front.url}/")
        assert requests.get(f"{url}repodata/repomd.xml", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/almalinux/9.2/.generation-1/{REPOMD}", 200),
        (f"/almalinux/9.2/.generation-2/{REPOMD}", 404),  # another channel's
        (f"/almalinux/9.2/.generation-01/{REPOMD}", 404),
        ("/almalinux/9.2/.generation-1", 403),
        ("/tuxcare/9.2/.generation-1/fips/x86_64/repodata/repomd.xml", 403),
    ],
)
def test_a_generation_is_that_of_the_licences_channel(site, path, status):
    assert same(site, with_token(path[1:], site.tokens["esu"])) == status
    assert same(site, path, Authorization=f"Bearer {site.tokens['esu']}") == status


def test_a_mirror_list_behind_a_balancer_names_what_the_client_spoke(site):
    path = "/tuxcare/9.2/base/x86_64/mirrorlist"
    answer = site.front.get(path, headers={"X-Forwarded-Proto": "https", "Host": "repo.example"})
    assert answer.text.split() == [
        "https://repo.example/tuxcare/9.2/.generation-1/base/x86_64/",
        "https://repo.example/tuxcare/9.2/base/x86_64/",
    ]


def test_a_lease_ends_with_its_time_and_belongs_to_one_token(site, memory):
    assert site.front.get(with_token(GATED, site.tokens["esu"])).status_code == 200
    slots = sorted(int(path.name) for path in (memory / "leases").iterdir())
    assert abs(slots[-1] - time.time() // 10) <= 1
    assert len(slots) <= 3
    names = {path.name for path in (memory / "leases" / str(slots[-1])).glob("*/*/*")}
    assert names
    assert names <= set(site.tokens.values())
    assert {path.stat().st_mode & 0o777 for path in (memory / "leases").rglob("*")
            if not path.is_symlink()} == {0o711}  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "status"),
    [("bytes=0-9", 206), ("bytes=-5", 206), ("bytes=0-1,4-5", 200), ("bytes=999999-", 416)],
)
def test_ranges_are_those_of_the_embedded_server(site, wanted, status):
    path = with_token(f"almalinux/9.2/{PACKAGE}", site.tokens["esu"])
    ours, theirs = (s.get(path, headers={"Range": wanted}) for s in (site.service, site.front))
    assert (ours.status_code, theirs.status_code) == (status, status)
    if status != 416:
        assert ours.content == theirs.content


def test_what_did_not_change_is_not_sent_again(site):
    path = with_token(GATED, site.tokens["esu"])
    first = site.front.get(path)
    for name, value in (("If-None-Match", first.headers["ETag"]),
                        ("If-Modified-Since", first.headers["Last-Modified"])):  # fmt: skip
        assert site.front.get(path, headers={name: value}).status_code == 304


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_content_is_read_only(site, method):
    for path in ("/" + GATED, with_token(GATED, site.tokens["esu"]), f"/almalinux/8.8/{REPOMD}"):
        answer = requests.request(method, site.front.url + path, data=b"x", timeout=10)
        assert answer.status_code in (403, 404, 405), (path, answer.status_code)


@pytest.mark.parametrize(
    "trick",
    [
        "/almalinux/9.2/{token}/../../../etc/passwd",
        "/almalinux/9.2/{token}/%2e%2e/%2e%2e/%2e%2e/store/state/pepper",
        "/almalinux/9.2/{token}/..%2f..%2f..%2fstore%2fstate%2fpepper",
        "/almalinux/9.2/{token}//BaseOS/x86_64/os/repodata/repomd.xml",
        "/almalinux/9.2/{token}/BaseOS%00/x86_64/os/repodata/repomd.xml",
        "/almalinux/8.8/../9.2/" + REPOMD,
        "/tuxcare/9.2/base/../esu/x86_64/repodata/repomd.xml",
        "/tuxcare/9.2/base/%2e%2e/esu/x86_64/repodata/repomd.xml",
        "/cve/../almalinux/9.2/" + REPOMD,
        "/=authorize",
        "/=authorize-open",
        "/internal/authorize",
        "/metrics",
        "/@tux_ask",
        "/cln/api/els/../../../internal/authorize",
        "/cln/api/els/%2e%2e/%2e%2e/%2e%2e/metrics",
    ],
)
def test_tricks_reach_nothing(site, trick):
    status, answer = site.front.raw_get(trick.format(token=site.tokens["essential"]))
    assert status in (400, 403, 404), answer
    assert b"X-Tuxmirror-Channel" not in answer


def test_a_client_cannot_say_who_it_is_or_that_a_path_is_open(site):
    lies = {"X-Tuxmirror-Open": "yes", "X-Tuxmirror-Path": "/tuxcare/9.2/base/x",
            "X-Forwarded-For": "203.0.113.9"}  # fmt: skip
    assert site.front.get("/" + GATED, headers=lies).status_code == 403
    key = site.operator.create_licence("--product", "esu")
    body = {"key": key, "host_name": "liar"}
    url = site.front.url + "/cln/api/els/token/register"
    assert requests.post(url, json=body, headers=lies, timeout=10).status_code == 200
    [entry] = [e for e in site.operator.audit if e.get("host_name") == "liar"]
    assert entry["remote"] == "127.0.0.1"


def test_a_publish_shows_with_the_next_request(tmp_path, memory):
    operator = alone(tmp_path, memory)
    with operator.serve() as service, in_front(operator, service.address, memory) as front:
        token = front.register(operator.create_licence("--product", "esu")).json()["token"]
        for number in range(30):
            body = b"<%03d/>" % number
            operator.publish({GATED: body})
            assert front.get(with_token(GATED, token)).content == body


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


def test_too_big_a_body_is_told_as_the_service_tells_it(site):
    for server in (site.service, site.front):
        answer = server.post("key/check", {"key": "x" * 20_000})
        assert (answer.status_code, answer.json()["error"]) == (413, "too_large")


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


def revoked_within(site_front, token, revoke, limit):
    """Seconds until a token that is used all the time is refused."""
    assert site_front.get(with_token(GATED, token)).status_code == 200
    revoke()
    started = time.monotonic()
    while site_front.get(with_token(GATED, token)).status_code == 200:
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
    from tuxmirror.adapters.leases import SLOT_SECONDS
    from tuxmirror.usecases.registration import GRANT_LIFETIME

    said = {name: int(value) for name, _, value in
            (part.strip().partition("=") for part in _ALLOWED.split(","))}  # fmt: skip
    stale = max(said["stale-while-revalidate"], said["stale-if-error"])
    assert GRANT_LIFETIME + said["max-age"] + max(stale, SLOT_SECONDS) <= 50
