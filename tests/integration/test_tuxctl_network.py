"""Between host and service: proxies, certificate authorities, slow servers, wrong clocks."""

import contextlib
import email.utils
import socket
import subprocess
import threading
import time

import pytest

from tests.integration.conftest import LICENCE
from tests.support.client_root import DNF_CONF
from tests.support.proxy import Proxy
from tuxcare.errors import ConfigError, NetworkError, UsageError
from tuxctl.network import Network, Options
from tuxctl.transport import Transport

SERVICE = "http://service.example"


# -- which proxy -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "environment", "dnf", "expected"),
    [
        (None, {}, {}, "None"),
        (None, {"http_proxy": "http://e:1"}, {"proxy": "http://d:3"}, "e:1 (from http_proxy)"),
        (None, {"https_proxy": "http://e:1"}, {"proxy": "d:3"}, "d:3 (from /etc/dnf/dnf.conf)"),
        (None, {"all_proxy": "e:1"}, {}, "e:1 (from all_proxy)"),
        (None, {"HTTP_PROXY": "http://e:1"}, {}, "e:1 (from HTTP_PROXY)"),
        ("http://o:9", {"http_proxy": "http://e:1"}, {}, "o:9 (from --proxy)"),
        ("o:9", {"no_proxy": "service.example"}, {}, "None"),
        (None, {"no_proxy": ".example"}, {"proxy": "d:3"}, "None"),
        (None, {"no_proxy": "*"}, {"proxy": "d:3"}, "None"),
        (None, {"no_proxy": "other.test"}, {"proxy": "d:3"}, "d:3 (from /etc/dnf/dnf.conf)"),
        (None, {}, {"proxy": "_none_"}, "None"),
        (None, {}, {"proxy": ""}, "None"),
    ],
)
def test_the_proxy_is_the_first_that_is_named(option, environment, dnf, expected):
    network = Network(Options(proxy=option), dnf, environment)
    assert str(network.proxy_for(SERVICE)) == expected


def test_a_proxys_password_is_used_and_never_shown():
    network = Network(
        dnf={"proxy": "http://p:3128", "proxy_username": "u@x", "proxy_password": "s/e:cret"},
        environment={},
    )
    assert network.arguments(SERVICE)["proxies"]["http"] == "http://u%40x:s%2Fe%3Acret@p:3128"
    proxy = network.proxy_for(SERVICE)
    assert "cret" not in str(proxy) + repr(proxy)


@pytest.mark.parametrize("text", ["", "ftp://x:1", "http://", "http://a b", "http://x/path"])
def test_what_is_no_proxy_is_a_usage_error(text):
    with pytest.raises(UsageError, match="--proxy: expected"):
        Network(Options(proxy=text), {}, {})
    if text:
        with pytest.raises(ConfigError, match=r"dnf\.conf: proxy: expected"):
            Network(dnf={"proxy": text}, environment={})


@pytest.mark.parametrize(
    ("option", "environment", "dnf"),
    [
        ("/nowhere", {}, {}),
        (None, {"REQUESTS_CA_BUNDLE": "/nowhere"}, {}),
        (None, {}, {"sslcacert": "/nowhere"}),
    ],
)
def test_a_missing_ca_file_is_named(option, environment, dnf):
    with pytest.raises(UsageError, match="/nowhere: no such file"):
        Network(Options(cacert=option), dnf, environment)


# -- through a proxy -------------------------------------------------------------------------------


@pytest.fixture
def proxy():
    with Proxy() as proxy:
        yield proxy


@pytest.mark.parametrize("way", ["option", "environment", "dnf.conf"])
def test_registering_through_a_proxy(tuxctl, registration, client_root, proxy, monkeypatch, way):
    monkeypatch.delenv("no_proxy", raising=False)
    arguments = ["--proxy", proxy.url] if way == "option" else []
    if way == "environment":
        monkeypatch.setenv("http_proxy", proxy.url)
    if way == "dnf.conf":
        client_root.write(DNF_CONF, f"[main]\nproxy={proxy.url}\n")
    done = tuxctl(*arguments, "-l", LICENCE, "--server", registration.url)
    assert done.status == 0, done.err
    assert f"{registration.url}/cln/api/els/token/register" in proxy.seen
    assert f"{registration.url}/cln/api/els/key/check" in proxy.seen


def test_a_proxy_that_wants_a_password_is_named(tuxctl, client_root, proxy):
    """Asked for a tunnel, as for any https service."""
    proxy.password = "secret"
    before = client_root.snapshot()
    done = tuxctl("--proxy", proxy.url, "-l", LICENCE, "--server", "https://service.example")
    assert done.status == 3
    assert f"the proxy {proxy.url[7:]} (from --proxy) did not pass the request on" in done.err
    assert "407" in done.err
    assert "proxy_username and proxy_password in /etc/dnf/dnf.conf" in done.err
    assert client_root.snapshot() == before


def test_a_proxy_that_is_not_there_is_named(tuxctl, client_root):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    done = tuxctl(
        "--proxy", f"http://u:hidden@127.0.0.1:{port}", "-l", LICENCE,
        "--server", "https://service.example",
    )  # fmt: skip
    assert done.status == 3
    assert f"the proxy 127.0.0.1:{port} (from --proxy) did not pass the request on" in done.err
    assert "Connection refused" in done.err
    assert "hidden" not in done.out + done.err


# -- TLS -------------------------------------------------------------------------------------------


def certificate(folder, days):
    """A certificate for 127.0.0.1, signed by itself: (certificate, key)."""
    paths = str(folder / "certificate.pem"), str(folder / "key.pem")
    subprocess.check_call(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=service"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-days", days),
            *("-out", paths[0], "-keyout", paths[1]),
        ],
        stderr=subprocess.DEVNULL,
    )
    return paths


@pytest.fixture
def secure(registration, tmp_path):
    """The registration service behind TLS; the path of its certificate."""
    paths = certificate(tmp_path, "10")
    with registration.tls(*paths):
        yield paths[0]


def test_a_certificate_that_nobody_knows_is_refused(tuxctl, secure, registration, client_root):
    before = client_root.snapshot()
    done = tuxctl("-l", LICENCE, "--server", registration.url)
    assert done.status == 3
    assert "TLS failed" in done.err
    assert "certificate verify failed" in done.err  # newer Pythons add why
    assert "--cacert FILE names another store" in done.err
    assert client_root.snapshot() == before
    assert registration.calls == []


@pytest.mark.parametrize("way", ["option", "environment", "dnf.conf"])
def test_a_sites_own_authority_is_trusted(
    tuxctl, secure, registration, client_root, monkeypatch, way
):
    arguments = ["--cacert", secure] if way == "option" else []
    if way == "environment":
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", secure)
    if way == "dnf.conf":
        client_root.write(DNF_CONF, f"[main]\nsslcacert={secure}\n")
    done = tuxctl(*arguments, "-l", LICENCE, "--server", registration.url)
    assert (done.status, done.err) == (0, "")
    assert tuxctl(*arguments, "status").status == 0


def test_an_authority_file_that_is_none_is_told(tuxctl, secure, registration, tmp_path):
    (tmp_path / "empty.pem").write_text("nothing\n")
    done = tuxctl(
        "--cacert", str(tmp_path / "empty.pem"), "-l", LICENCE, "--server", registration.url
    )
    assert done.status == 3
    assert "TLS" in done.err or "cannot be reached" in done.err


# -- patience --------------------------------------------------------------------------------------


class Dripping:
    """A server that answers a byte now and then, for ever."""

    def __enter__(self):
        self._listening = socket.socket()
        self._listening.bind(("127.0.0.1", 0))
        self._listening.listen(5)
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        self._thread.join()
        self._listening.close()

    def _serve(self):
        self._listening.settimeout(0.05)
        open_ones = []
        while not self._ending.is_set():
            with contextlib.suppress(socket.timeout):
                open_ones.append(self._listening.accept()[0])
                open_ones[-1].sendall(b"HTTP/1.1 200 OK\r\nX: ")
            for connection in open_ones:
                with contextlib.suppress(OSError):
                    connection.sendall(b"x")
        for connection in open_ones:
            connection.close()


def test_a_server_that_drips_is_given_up(tuxctl, client_root, monkeypatch):
    monkeypatch.setattr("tuxctl.transport._TRIES", 1)
    before = client_root.snapshot()
    started = time.monotonic()
    with Dripping() as server:
        done = tuxctl("--timeout", "0.5", "-l", LICENCE, "--server", server.url)
    assert done.status == 3
    assert "no answer in time" in done.err
    assert "--timeout" in done.err
    assert time.monotonic() - started < 20
    assert client_root.snapshot() == before


@pytest.mark.parametrize("text", ["0", "-1", "x", "99999"])
def test_a_timeout_that_is_none_is_a_usage_error(tuxctl, text):
    done = tuxctl("--timeout", text, "-l", LICENCE)
    assert done.status == 2
    assert "expected seconds" in done.err


# -- clocks ----------------------------------------------------------------------------------------


def dated(registration, seconds):
    registration.answer(
        "key/check",
        body=registration.keys[LICENCE],
        headers={"Date": email.utils.formatdate(time.time() + seconds, usegmt=True)},
    )


@pytest.mark.parametrize("seconds", [3 * 86400, -3 * 86400])
def test_a_clock_that_is_days_off_stops_registering(register, registration, client_root, seconds):
    dated(registration, seconds)
    before = client_root.snapshot()
    done = register()
    assert done.status == 2
    assert "the clock of this host is 3 days" in done.err
    assert ("behind" if seconds > 0 else "ahead") in done.err
    assert "chronyc" in done.err
    assert client_root.snapshot() == before
    assert registration.called("token/register") == []


def test_a_clock_that_is_minutes_off_is_told(register, registration):
    dated(registration, 20 * 60)
    done = register()
    assert done.status == 0
    assert "the clock of this host is 20 minutes behind" in done.err


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Xxx 2026 00:00:00 GMT"])
def test_a_server_without_a_clock_is_fine(register, registration, date):
    registration.answer(
        "key/check", body=registration.keys[LICENCE], headers={"Date": date}, times=1
    )
    assert register().status == 0


# -- content ---------------------------------------------------------------------------------------


def test_a_content_server_out_of_reach_is_told_before_the_repositories_point_there(
    register, registration
):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        registration.content_url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    done = register()
    assert done.status == 0
    assert f"{registration.content_url}: cannot be reached: Connection refused" in done.err
    assert "dnf finds no packages there" in done.err


def test_an_answer_that_is_cut_is_asked_for_once_more(registration):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    waits = []
    with pytest.raises(NetworkError, match="cannot be reached"):
        Transport(sleep=waits.append).post(url, "/x", {})
    assert waits == [1.0, 2.0]
