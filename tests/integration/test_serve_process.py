"""The server as a process: what it does while it starts, is published to, is slow, and ends."""

import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
import requests

from tests.integration import test_serve_files as files
from tests.integration.test_serve_files import CONTENT, OS, REPOMD, with_token
from tests.support.service import Operator
from tuxmirror.adapters.http_server import DRAIN_SECONDS

operator = files.operator


def test_a_channel_that_leads_out_serves_nothing(tmp_path):
    operator = Operator(tmp_path / "operator")
    outside = tmp_path / "outside" / "cve"
    outside.mkdir(parents=True)
    (outside / "x").write_bytes(b"outside")
    (operator.public / "vetted").symlink_to(outside.parent)
    with operator.serve() as service:
        assert service.get("/cve/x").status_code == 404


def test_a_publish_switches_between_requests_and_a_download_goes_on(tmp_path):
    operator = Operator(tmp_path / "operator")
    old, new = b"old" * 3_000_000, b"new" * 3_000_000
    operator.publish({"cve/file": old})
    with operator.serve() as service:
        download = service.get("/cve/file", stream=True)
        start = download.raw.read(1000)
        operator.publish({"cve/file": new})
        assert service.get("/cve/file").content == new
        assert start + download.raw.read() == old


def test_before_the_first_publish_nothing_is_found(tmp_path):
    operator = Operator(tmp_path / "operator")
    key = operator.create_licence("--product", "esu")
    with operator.serve() as service:
        token = service.register(key).json()["token"]
        assert service.get("/tuxcare/").status_code == 404
        assert service.get(with_token(f"almalinux/9.2/{REPOMD}", token)).status_code == 404


def test_a_big_file_arrives_whole_and_is_not_held_in_memory(tmp_path):
    operator = Operator(tmp_path / "operator")
    operator.publish({"cve/small": b""})
    big = operator.public / "vetted" / "cve" / "big"
    size = 300 * 1024 * 1024
    with big.open("wb") as file:
        file.truncate(size)
        file.seek(size - 4)
        file.write(b"tail")
    with operator.serve() as service:
        url = service.url + "/cve/big"
        received = 0
        with requests.get(url, stream=True, timeout=60) as answer:
            for chunk in answer.iter_content(1 << 20):
                received += len(chunk)
        tail = requests.get(url, headers={"Range": f"bytes={size - 4}-"}, timeout=10)
        middle = requests.get(url, headers={"Range": "bytes=1000-100000999"}, timeout=60)
        with Path(f"/proc/{service.pid}/status").open() as status:
            peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    assert received == size
    assert tail.content == b"tail"
    assert len(middle.content) == 100_000_000
    assert peak < 150 * 1024


def test_slow_readers_do_not_keep_others_waiting(tmp_path):
    operator = Operator(tmp_path / "operator")
    operator.publish({"cve/big": b"x" * 30_000_000, "cve/small": b"small"})
    with operator.serve() as service:
        slow = []
        for _ in range(30):
            connection = socket.create_connection(service.address)
            connection.sendall(b"GET /cve/big HTTP/1.1\r\nHost: x\r\n\r\n")
            slow.append(connection)
        started = time.monotonic()
        assert service.get("/cve/small").content == b"small"
        assert time.monotonic() - started < 20
        for connection in slow:
            connection.close()
        service.signal(signal.SIGTERM)
        assert service.wait() == 0


def test_sigterm_lets_downloads_finish_and_takes_no_more(tmp_path):
    operator = Operator(tmp_path / "operator")
    content = os.urandom(1 << 20) * 20
    operator.publish({"cve/big": content})
    with operator.serve() as service:
        idle = socket.create_connection(service.address)
        with requests.get(service.url + "/cve/big", stream=True, timeout=30) as answer:
            start = answer.raw.read(1000)
            service.signal(signal.SIGTERM)
            deadline = time.monotonic() + 10
            while not refused(service.address) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert refused(service.address)
            assert start + answer.raw.read() == content
        assert service.wait(10) == 0
        idle.close()


def refused(address):
    try:
        socket.create_connection(address, timeout=2).close()
    except ConnectionRefusedError:
        return True
    except (TimeoutError, ConnectionResetError):
        # Nobody accepts any more; the socket is just being closed.
        return False
    return False


def test_a_second_signal_ends_at_once(tmp_path):
    operator = Operator(tmp_path / "operator")
    operator.publish({"cve/big": b"x" * 30_000_000})
    with operator.serve() as service:
        answer = service.get("/cve/big", stream=True)
        answer.raw.read(1000)
        service.signal(signal.SIGTERM)
        time.sleep(0.5)
        started = time.monotonic()
        service.signal(signal.SIGTERM)
        assert service.wait(10) == 0
        assert time.monotonic() - started < DRAIN_SECONDS / 2
        answer.close()


def test_sigint_ends_like_sigterm(operator):
    with operator.serve() as service:
        threading.Timer(0.2, lambda: service.signal(signal.SIGINT)).start()
        assert service.wait(10) == 0


def test_the_access_log_has_a_line_a_request(tmp_path):
    operator = Operator(tmp_path / "operator")
    operator.publish(CONTENT)
    with operator.serve() as service:
        service.get("/cve/index.html")
        service.raw_get("/cve/%0a%1b[31mred")
        service.get("/" + REPOMD)
    lines = operator.log.read_text().splitlines()
    assert lines[0].startswith("127.0.0.1 GET /cve/index.html 200 7 ")
    assert lines[1].startswith("127.0.0.1 GET /cve/\\n\\x1b[31mred 404 ")
    assert len(lines) == 3


def test_serve_tells_in_json_too(tmp_path):
    operator = Operator(tmp_path / "operator")
    with pytest.raises(AssertionError, match=r'"event": "listening", "url": "http://127\.0\.0\.1:'):
        operator.serve("--json").__enter__()


def test_a_mirror_list_leads_to_what_never_changes(tmp_path):
    """repomd.xml and its signature are two requests; a publish comes between."""
    operator = Operator(tmp_path / "operator")
    operator.publish(CONTENT)
    with operator.serve() as service:
        key = operator.create_licence("--product", "esu")
        token = service.register(key).json()["token"]
        answer = service.get(f"/almalinux/9.2/{token}/BaseOS/x86_64/mirrorlist")
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert answer.headers["Cache-Control"] == "no-store"
        root = f"{service.url}/almalinux/9.2/{token}"
        now, always = answer.text.split()
        assert now == f"{root}/.generation-1/{OS}/"
        assert always == f"{root}/{OS}/"
        later = {**CONTENT, f"almalinux/9.2/{REPOMD}": b"new", f"almalinux/9.2/{REPOMD}.asc": b"N"}
        operator.publish(later)
        for name, old in (("repomd.xml", b"<repomd/>"), ("repomd.xml.asc", b"signature")):
            assert requests.get(f"{now}repodata/{name}").content == old
        assert requests.get(f"{always}repodata/repomd.xml").content == b"new"
        answer = service.get(f"/almalinux/9.2/{token}/BaseOS/x86_64/mirrorlist")
        assert answer.text.split()[0] == f"{root}/.generation-2/{OS}/"
