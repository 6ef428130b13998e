"""An edge mirror: syncs from another mirror with a token, and verifies as from anywhere else."""

import json
import subprocess
from contextlib import contextmanager

import pytest
import requests

from tests.support.mirror import MirrorSite, run

TREE = "almalinux/9.2"


@pytest.fixture
def central(tmp_path, httpd, keys, tiny_upstream):
    site = MirrorSite(tmp_path / "central")
    site.root.mkdir()
    site.add_tree(TREE, keys.almalinux, upstream=f"{httpd(tiny_upstream.root).url}/9.2")
    done = site.sync()
    assert done.status == 0, done
    return site


@contextmanager
def serving(site):
    with (site.root / "serve.log").open("w") as log:
        process = subprocess.Popen(
            site.command("serve", "--json", "--listen", "127.0.0.1:0"),
            env=site.environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        assert process.wait(30) == 0
        process.stdout.close()


def register(site, url):
    key = run(site.command("license", "create", "--product=esu"), site.environment).stdout.strip()
    body = {"key": key, "host_name": "edge1"}
    answer = requests.post(f"{url}/cln/api/els/token/register", json=body, timeout=30)
    return key, answer.json()["token"]


@pytest.fixture
def edge(tmp_path, keys):
    def make(upstream, token):
        site = MirrorSite(tmp_path / "edge")
        site.root.mkdir()
        file = site.root / "token"
        file.touch(0o600)
        file.write_text(token + "\n")
        site.add_tree(TREE, keys.almalinux, upstream=upstream, token_file=file)
        return site

    return make


def content(site):
    """What it publishes that is not of its own making."""
    own = ("TIME", "SNAPSHOT.json")
    return {path: digest for path, digest in site.view().items() if not path.endswith(own)}


@pytest.mark.parametrize("place", ["", "/{token}"], ids=["header", "path"])
def test_an_edge_has_what_the_centre_has_and_tells_its_token_to_nobody(central, edge, place):
    with serving(central) as url:
        key, token = register(central, url)
        site = edge(f"{url}/{TREE}{place}", token)
        first = site.sync("--json")
        assert first.status == 0, first
        again = site.sync("--json")
        assert again.status == 0, again
        assert content(site) == content(central)

        assert run(central.command("license", "revoke", key), central.environment).status == 0
    with serving(central) as url:
        text = site.conf.read_text()
        site.trees[TREE]["upstream"] = f"{url}/{TREE}{place}"
        with site.harmless():
            refused = site.sync("--json")
        assert refused.status == 3, refused
        assert "403" in refused.stdout
    said = "".join(r.stdout + r.stderr for r in (first, again, refused)) + text
    files = [p for p in site.root.rglob("*") if p.is_file() and p.name != "token"]
    assert token not in said + (central.root / "serve.log").read_text()
    assert [p for p in files if token.encode() in p.read_bytes()] == []


def test_without_a_token_the_centre_gives_nothing(central, edge):
    with serving(central) as url:
        site = edge(f"{url}/{TREE}", "x" * 43)
        del site.trees[TREE]["token_file"]
        assert site.sync().status == 3
    assert site.packages() == []
