"""The misbehaving upstream: right without faults, and wrong in just the way that was asked."""

import http.client
import socket
import subprocess
import time

import pytest

BODY = bytes(range(256)) * 40


@pytest.fixture
def server(tmp_path, httpd):
    folder = tmp_path / "www" / "os"
    folder.mkdir(parents=True)
    (folder / "gnutls-c++.rpm").write_bytes(BODY)
    (folder / "repomd.xml").write_text("<repomd/>")
    return httpd(tmp_path / "www")


def get(server, path, method="GET", **headers):
    """(status, headers, body) of one request on a connection of its own."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def test_plain_files_and_percent_encoding(server):
    assert get(server, "/os/gnutls-c%2b%2b.rpm")[::2] == (200, BODY)
    assert get(server, "/os/gnutls-c++.rpm", "HEAD")[::2] == (200, b"")
    assert get(server, "/os/none")[0] == 404
    assert get(server, "/os")[0] == 404
    assert get(server, "/os/../../secret")[0] == 404
    assert get(server, "/os/repomd.xml", "POST")[0] == 405
    assert server.requests[0].path == "/os/gnutls-c++.rpm"
    assert [r.status for r in server.requests] == [200, 200, 404, 404, 404, 405]
    server.reset()
    assert server.requests == []


def test_conditional_requests(server, tmp_path):
    _, headers, _ = get(server, "/os/repomd.xml")
    etag, modified = headers["ETag"], headers["Last-Modified"]
    assert get(server, "/os/repomd.xml", **{"If-None-Match": etag})[::2] == (304, b"")
    assert get(server, "/os/repomd.xml", **{"If-Modified-Since": modified})[0] == 304
    (tmp_path / "www/os/repomd.xml").write_text("<repomd></repomd>")
    assert get(server, "/os/repomd.xml", **{"If-None-Match": etag})[0] == 200


def test_ranges(server):
    path = "/os/gnutls-c++.rpm"
    status, headers, body = get(server, path, Range="bytes=100-199")
    assert (status, body) == (206, BODY[100:200])
    assert headers["Content-Range"] == f"bytes 100-199/{len(BODY)}"
    assert get(server, path, Range="bytes=10000-")[::2] == (206, BODY[10000:])
    assert get(server, path, Range="bytes=-5")[::2] == (206, BODY[-5:])
    assert get(server, path, Range=f"bytes={len(BODY)}-")[0] == 416
    stale = {"Range": "bytes=5-", "If-Range": '"other"'}
    assert get(server, path, **stale)[::2] == (200, BODY)


def test_keep_alive_serves_many_requests_on_one_connection(server):
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    ports = set()
    for _ in range(3):
        connection.request("GET", "/os/repomd.xml")
        connection.getresponse().read()
        ports.add(connection.sock.getsockname()[1])
    connection.close()
    assert len(ports) == 1


def test_cut_announces_all_and_sends_less(server):
    server.fault("*.rpm", "cut", after=1000)
    with pytest.raises(http.client.IncompleteRead) as caught:
        get(server, "/os/gnutls-c++.rpm")
    assert caught.value.partial == BODY[:1000]
    server.fault("*.rpm", "cut", after=1000, reset=True)
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        get(server, "/os/gnutls-c++.rpm")


def test_stall_is_silent_until_released(server):
    server.fault("*.rpm", "stall", after=100)
    with socket.create_connection(server.url.removeprefix("http://").split(":")) as sock:
        sock.sendall(b"GET /os/gnutls-c++.rpm HTTP/1.1\r\nHost: x\r\n\r\n")
        sock.settimeout(0.8)
        received = b""
        with pytest.raises(TimeoutError):
            while True:
                received += sock.recv(65536)
        assert received.endswith(BODY[:100])
        server.release()
        while not received.endswith(BODY):
            received += sock.recv(65536)


@pytest.mark.parametrize(("delta", "announced"), [(10, 10250), (-10, 10230)])
def test_length_lie(server, delta, announced):
    server.fault("*.rpm", "length_lie", delta=delta)
    with socket.create_connection(server.url.removeprefix("http://").split(":")) as sock:
        sock.sendall(b"GET /os/gnutls-c++.rpm HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        while chunk := sock.recv(65536):
            received += chunk
    assert f"Content-Length: {announced}\r\n".encode() in received
    assert received.endswith(BODY)


def test_swap_truncate_status_redirect(server):
    path = "/os/gnutls-c++.rpm"
    server.fault("*.rpm", "swap", times=1, body=b"other")
    assert get(server, path)[::2] == (200, b"other")
    server.fault("*.rpm", "truncate_ok", times=1, after=7)
    assert get(server, path)[::2] == (200, BODY[:7])
    server.fault("*.rpm", "status", times=1, code=429, headers={"Retry-After": "1"})
    status, headers, _ = get(server, path)
    assert (status, headers["Retry-After"]) == (429, "1")
    server.fault("*.rpm", "redirect", times=1, to="http://elsewhere.example/x")
    status, headers, _ = get(server, path)
    assert (status, headers["Location"]) == (302, "http://elsewhere.example/x")
    assert get(server, path)[0] == 200


def test_slow_keeps_to_its_rate(server):
    server.fault("*.rpm", "slow", rate=40_000)
    started = time.monotonic()
    assert get(server, "/os/gnutls-c++.rpm")[2] == BODY
    assert time.monotonic() - started > 0.2


def test_endless_never_stops(server):
    server.fault("*.xml", "endless", fill=b"x" * 4096)
    done = subprocess.run(
        ["curl", "-s", "-m", "0.5", "-o", "/dev/null", "-w", "%{size_download}",
         f"{server.url}/os/repomd.xml"], capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 28
    assert int(done.stdout) > 20_000


def test_garbage_and_drop_are_no_http(server):
    server.fault("*.xml", "garbage", times=1)
    with pytest.raises(http.client.BadStatusLine):
        get(server, "/os/repomd.xml")
    server.fault("*.xml", "drop", times=1)
    with pytest.raises(http.client.RemoteDisconnected):
        get(server, "/os/repomd.xml")


def test_call_runs_before_the_answer(server, tmp_path):
    server.fault("*.xml", "call", function=(tmp_path / "www/os/repomd.xml").unlink)
    assert get(server, "/os/repomd.xml")[0] == 404


def test_times_skip_hits_and_heal(server):
    fault = server.fault("*.xml", "status", times=2, skip=1, code=503)
    statuses = [get(server, "/os/repomd.xml")[0] for _ in range(4)]
    assert statuses == [200, 503, 503, 200]
    assert fault.hits == 2
    server.fault("*", "status", code=404)
    server.heal()
    assert get(server, "/os/repomd.xml")[0] == 200


def test_unknown_kinds_and_options_are_refused(server):
    with pytest.raises(ValueError, match="expected one of cut"):
        server.fault("*", "explode")
    with pytest.raises(ValueError, match="has no option afterwards"):
        server.fault("*", "cut", afterwards=1)


def test_serves_fifteen_hundred_small_files_a_second(server, tmp_path):
    config = tmp_path / "curl.conf"
    line = f'url="{server.url}/os/repomd.xml"\noutput="/dev/null"\n'
    config.write_text(line * 3000)
    started = time.process_time()  # not the clock: other work on the machine must not fail it
    subprocess.run(["curl", "-s", "-K", str(config)], check=True, stderr=subprocess.DEVNULL)
    assert len(server.requests) / (time.process_time() - started) > 1500
    assert len(server.requests) == 3000
