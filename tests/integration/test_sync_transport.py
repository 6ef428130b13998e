"""Upstreams that fail, lie, lag or move on while they are read."""

import gzip
import os
import re
import time
from fnmatch import fnmatchcase

import pytest

from tests.support.mirror import OS_DIR, TREE, sha256
from tests.support.mirror import run as run_anew
from tests.support.rpms import RpmSpec

pytest_plugins = ("tests.support.mirror_fixtures",)

REPO = ("BaseOS", "x86_64")
REPOSITORY = "BaseOS/x86_64"
DELTA = "*/delta-*.rpm"
REPOMD = "*/repodata/repomd.xml"
MEBIBYTE = 1 << 20


@pytest.fixture
def news(tiny_upstream):
    """An upstream that has moved on by one package of 100 kB."""
    tiny_upstream.add(*REPO, [RpmSpec("delta", size=100_000)])
    tiny_upstream.publish()
    return tiny_upstream


def ends_with(site, status, *words, arguments=()):
    """One sync that fails and harms nothing; `words` are regular expressions of what it says."""
    with site.harmless():
        run = site.sync("--json", *arguments)
    assert run.status == status, run
    error = run.error
    assert (error["tree"], error["repository"]) == (TREE, REPOSITORY), run
    assert error["path"] and error["way_out"], run
    said = "\n".join(str(value) for value in error.values())
    for word in words:
        assert re.search(word, said), run
    return run


def succeeds(site, packages=4):
    run = site.sync("--json")
    assert run.status == 0, run
    assert len(site.packages()) == packages
    return run


def failed_mirrors(run):
    return [f"{event['url']}: {event['reason']}" for event in run.named("mirror")]


# Nothing usable: exit 3


def test_nobody_listens(synced):
    synced.trees[TREE]["upstream"] = "http://127.0.0.1:9/9.2"
    ends_with(synced, 3, r"http://127\.0\.0\.1:9/9\.2/BaseOS/x86_64/os/repodata/repomd\.xml")


def test_no_such_host(synced):
    synced.trees[TREE]["upstream"] = "http://no-such-host.invalid/9.2"
    ends_with(synced, 3, "no-such-host.invalid")


@pytest.mark.parametrize("code", [401, 403, 404, 500])
def test_repomd_that_is_not_served(synced, news, upstream, code):
    upstream.fault(REPOMD, "status", code=code)
    ends_with(synced, 3, f"HTTP status {code}")


@pytest.mark.parametrize("kind", ["drop", "garbage"])
def test_server_that_does_not_speak(synced, news, upstream, kind):
    upstream.fault("*", kind)
    ends_with(synced, 3)


def test_package_that_is_missing(synced, news, upstream):
    upstream.fault(DELTA, "status", code=404)
    ends_with(synced, 3, "could not be fetched", "404", r"Packages/delta-.*\.rpm")


def test_metadata_that_is_missing(synced, news, upstream):
    upstream.fault("*-primary.xml.gz", "status", code=404)
    ends_with(synced, 3, "could not be fetched", "404", "primary.xml.gz")


def test_package_that_never_comes(synced, news, upstream):
    upstream.fault(DELTA, "stall", after=1000)
    started = time.monotonic()
    ends_with(synced, 3, "too slow", "delta")
    assert time.monotonic() - started < 30


def test_repomd_that_never_comes(synced, news, upstream):
    upstream.fault(REPOMD, "stall")
    ends_with(synced, 3, "too slow")


def test_slow_retrieval(synced, news, upstream):
    """Below the minimum rate, but never silent."""
    upstream.fault(DELTA, "slow", rate=300)
    ends_with(synced, 3, "too slow", "delta")


def test_trickle_just_above_the_minimum_rate(synced, news, upstream):
    """100 kB at 5 kB/s: never below the minimum, and for ever on its way."""
    synced.limits.update(deadline=1, usual_rate=1_000_000, attempts=2)
    upstream.fault(DELTA, "slow", rate=5000)
    ends_with(synced, 3, "timed out", "delta")


def test_a_whole_sync_has_a_deadline(synced, news, upstream):
    """However many mirrors trickle, and however often: it ends, and goes on with the next run."""
    news.add(*REPO, [RpmSpec("epsilon", size=300_000)])
    news.publish()
    synced.main["deadline"] = "6s"
    upstream.fault("*/epsilon-*.rpm", "slow", rate=10_000)
    started = time.monotonic()
    with synced.harmless(gained=[news.package("delta-*")]):
        run = synced.sync("--json")
    assert time.monotonic() - started < 25
    assert (run.status, run.error["error"], run.error["tree"]) == (3, "deadline", TREE), run
    assert "1 transfers under way" in run.error["found"]
    assert re.search(r"/epsilon-\S+\.rpm: \d+ of \d+ bytes", run.error["found"])
    assert "deadline" in run.error["way_out"]
    # What had come is not fetched again, and the rest is gone on with.
    upstream.heal()
    upstream.reset()
    succeeds(synced, packages=5)
    assert not upstream.paths(DELTA)
    [request] = [r for r in upstream.requests if fnmatchcase(r.path, "*/epsilon-*.rpm")]
    assert request.status == 206


def test_the_deadline_ends_waiting_for_a_busy_server(synced, news, upstream):
    synced.main["deadline"] = "2s"
    upstream.fault(REPOMD, "status", code=503, headers={"Retry-After": "50"})
    started = time.monotonic()
    run = synced.sync("--json")
    assert time.monotonic() - started < 20
    assert (run.status, run.error["error"]) == (3, "deadline"), run
    assert "repodata/repomd.xml: 0 bytes" in run.error["found"]


def test_redirect_to_another_host(synced, news, upstream, httpd, tmp_path):
    elsewhere = httpd(news.root)
    upstream.fault(DELTA, "redirect", to=f"{elsewhere.url}/evil.rpm")
    ends_with(synced, 3, f"redirects to {elsewhere.url.removeprefix('http://')}", "not a config")
    assert elsewhere.requests == []


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1:1/x", "https://x/"]
)
def test_redirect_to_another_protocol(synced, news, upstream, target):
    upstream.fault(REPOMD, "redirect", to=target)
    ends_with(synced, 3, "redirects to")


def test_endless_redirects(synced, news, upstream):
    upstream.fault("*", "redirect")
    ends_with(synced, 3, "redirects more than 5 times")
    assert len(upstream.requests) < 50


def test_redirect_within_the_upstream_is_followed(synced, news, upstream):
    upstream.fault(DELTA, "redirect", to="/mirror/delta.rpm")
    package = news.package("delta-*")
    copy = news.root / "mirror" / "delta.rpm"
    copy.parent.mkdir()
    copy.write_bytes(package.read_bytes())
    succeeds(synced)


# What is served is not what was promised: exit 4


def test_endless_repomd(synced, upstream):
    upstream.fault(REPOMD, "endless", fill=b"<!-- -->" * 8192)
    synced.runner = run_anew
    small = synced.sync("--help")
    run = ends_with(synced, 4, f"larger than {MEBIBYTE} bytes")
    assert run.max_rss < small.max_rss + 60 * MEBIBYTE


def test_endless_signature(synced, news, upstream):
    upstream.fault("*/repomd.xml.asc", "endless", fill=b"x" * 65536)
    ends_with(synced, 4, "larger than 65536 bytes", "repomd.xml.asc")


@pytest.mark.parametrize("pattern", [DELTA, "*-primary.xml.gz"])
def test_endless_file(synced, news, upstream, pattern):
    upstream.fault(pattern, "endless", fill=b"x" * 65536)
    ends_with(synced, 4, r"sent more than the \d+ bytes promised|promised")
    assert incoming_bytes(synced) < MEBIBYTE


def incoming_bytes(site):
    return sum(p.stat().st_size for p in (site.store / "incoming").rglob("*") if p.is_file())


@pytest.mark.parametrize("pattern", [DELTA, "*-primary.xml.gz"])
def test_other_bytes_of_the_same_length(synced, news, upstream, pattern):
    [path] = [path for path in news.root.rglob("*") if fnmatchcase(str(path), pattern)]
    upstream.fault(pattern, "swap", body=b"x" * path.stat().st_size)
    ends_with(synced, 4, sha256(path), "sha256", path.name)


def test_another_good_package_in_its_place(synced, news, upstream):
    upstream.fault(DELTA, "swap", body=news.package("alpha-*").read_bytes())
    ends_with(synced, 4, "delta-")


def test_truncated_with_headers_that_agree(synced, news, upstream):
    upstream.fault(DELTA, "truncate_ok", after=500)
    ends_with(synced, 4, "delta-", "500 bytes")


def test_truncated_repomd(synced, news, upstream):
    upstream.fault(REPOMD, "truncate_ok", after=500)
    ends_with(synced, 4, "not well-formed")


# Trouble that passes


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("status", {"code": 503}),
        ("status", {"code": 429, "headers": {"Retry-After": "1"}}),
        ("cut", {"after": 40_000}),
        ("cut", {"after": 40_000, "reset": True}),
        ("cut", {"after": 0}),
        ("drop", {}),
        ("garbage", {}),
        ("length_lie", {"delta": 10}),
        ("length_lie", {"delta": -10}),
    ],
)
def test_package_comes_at_the_second_attempt(synced, news, upstream, kind, options):
    fault = upstream.fault(DELTA, kind, times=1, **options)
    run = succeeds(synced)
    assert fault.hits == 1
    # libcurl itself tries again where a kept connection was closed.
    assert failed_mirrors(run) or kind == "drop"
    assert all("delta-" in trouble for trouble in failed_mirrors(run))


def test_repomd_comes_after_503(synced, news, upstream):
    fault = upstream.fault(REPOMD, "status", times=2, code=503)
    assert len(failed_mirrors(succeeds(synced))) == 1, "told once, not twice"
    assert fault.hits == 2


def test_retry_after_is_honoured(synced, news, upstream):
    upstream.fault(DELTA, "status", times=1, code=503, headers={"Retry-After": "2"})
    started = time.monotonic()
    succeeds(synced)
    assert time.monotonic() - started > 2


def test_cut_transfer_is_resumed_where_it_ended(synced, news, upstream):
    upstream.fault(DELTA, "cut", times=1, after=60_000)
    succeeds(synced)
    first, second = [r for r in upstream.requests if r.path.endswith(".rpm")]
    assert "range" not in first.headers
    start = int(re.fullmatch(r"bytes=(\d+)-", second.headers["range"])[1])
    assert 0 < start <= 60_000
    assert second.status == 206


def test_next_run_resumes_what_a_failed_one_left(synced, news, upstream):
    upstream.fault(DELTA, "cut", after=10_000)
    ends_with(synced, 3, "delta")
    upstream.heal()
    upstream.reset()
    succeeds(synced)
    [request] = [r for r in upstream.requests if r.path.endswith(".rpm")]
    assert request.status == 206


def test_next_run_resumes_what_a_killed_one_left(synced, news, upstream):
    synced.limits = None
    upstream.fault(DELTA, "stall", after=60_000, times=1)
    process = synced.start_sync()
    deadline = time.monotonic() + 20
    while incoming_bytes(synced) < 50_000 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    upstream.reset()
    succeeds(synced)
    [request] = [r for r in upstream.requests if r.path.endswith(".rpm")]
    assert request.status == 206


def test_server_without_ranges_sends_all_again(synced, news, upstream):
    upstream.fault(DELTA, "cut", after=60_000, times=1)
    body = news.package("delta-*").read_bytes()
    upstream.fault(DELTA, "swap", body=body, skip=1)
    succeeds(synced)


@pytest.mark.parametrize("size", [0.5, 1.0, 2.0])
def test_damaged_leftover_does_no_harm(synced, news, size):
    package = news.package("delta-*")
    length = int(package.stat().st_size * size)
    folder = synced.store / "incoming" / TREE
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{sha256(package)}.part").write_bytes(os.urandom(length))
    succeeds(synced)


# Several mirrors


@pytest.fixture
def second(httpd, news, tmp_path):
    """A good mirror of `news`."""
    return httpd(news.copy(tmp_path / "second").root)


def use_both(site, first, second):
    site.trees[TREE]["upstream"] = f"{first.url}/9.2 {second.url}/9.2"


def test_first_mirror_alone_is_asked_while_it_works(synced, news, upstream, second):
    use_both(synced, upstream, second)
    succeeds(synced)
    assert second.requests == []


@pytest.mark.parametrize("kind", ["status", "drop", "cut"])
def test_dead_mirror_is_passed_over(synced, news, upstream, second, kind):
    use_both(synced, upstream, second)
    upstream.fault("*", kind)
    run = succeeds(synced)
    assert failed_mirrors(run)
    assert all(upstream.url in trouble for trouble in failed_mirrors(run))


@pytest.mark.parametrize(
    ("kind", "options"),
    [("status", {"code": 404}), ("swap", {"body": b"bad"}), ("cut", {}), ("endless", {}),
     ("truncate_ok", {"after": 10}), ("redirect", {"to": "http://127.0.0.1:1/"})],
)  # fmt: skip
def test_package_that_one_mirror_spoils_comes_from_the_next(
    synced, news, upstream, second, kind, options
):
    use_both(synced, upstream, second)
    upstream.fault(DELTA, kind, **options)
    run = succeeds(synced)
    assert second.paths(DELTA)
    assert any(f"{upstream.url}/9.2/BaseOS" in trouble for trouble in failed_mirrors(run))
    assert run.events[-1]["exit_status"] == 0


def test_mirror_whose_signature_does_not_fit_is_passed_over(synced, news, upstream, second, keys):
    use_both(synced, upstream, second)
    news.sign(*REPO, signed_by=keys.stranger)
    succeeds(synced)
    assert second.paths("*/repomd.xml.asc")


def test_lagging_mirror_is_passed_over(synced, news, httpd, tiny_tree_master, tmp_path):
    """After a newer state was taken, a mirror that still has the old one is late, not hostile."""
    succeeds(synced)
    lagging = httpd(tiny_tree_master.copy(tmp_path / "lagging").root)
    news.add(*REPO, [RpmSpec("epsilon")])
    news.publish()
    current = httpd(news.root)
    use_both(synced, lagging, current)
    succeeds(synced, packages=5)
    assert current.paths("*/epsilon-*")


def test_all_mirrors_older_than_what_was_accepted_is_a_rollback(
    synced, news, httpd, tiny_tree_master, tmp_path
):
    succeeds(synced)
    old = [httpd(tiny_tree_master.copy(tmp_path / name).root) for name in ("a", "b")]
    use_both(synced, *old)
    run = ends_with(synced, 5, "older", "--allow-rollback")
    assert run.error["error"] == "rollback"


def test_unchanged_is_believed_only_of_who_said_it(synced, news, upstream, second):
    """A 304 of the second mirror says nothing about the first one's document."""
    use_both(synced, upstream, second)
    succeeds(synced)
    upstream.fault("*", "status", code=503)
    with synced.harmless():
        run = synced.sync("--json")
    assert run.status == 0, run
    assert run.named("unchanged")


def mirror_list(news, *lines):
    path = news.root / "mirrorlist" / "baseos"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def test_mirror_list_is_tried_after_the_roots(synced, news, upstream, second):
    synced.trees[TREE]["mirrorlist"] = f"{upstream.url}/mirrorlist/{{repo}}"
    mirror_list(news, "", "# a comment", f"{second.url}/9.2/BaseOS/$basearch/os")
    upstream.fault("/9.2/*", "status", code=503)
    succeeds(synced)
    assert upstream.paths("/mirrorlist/baseos")
    assert second.paths(DELTA)


def test_mirror_list_serves_as_the_only_upstream(synced, news, upstream, second):
    tree = synced.trees[TREE]
    tree["mirrorlist"] = f"{upstream.url}/mirrorlist/{{repo}}"
    tree["upstream"] = ""
    dead = "http://127.0.0.1:9/9.2/BaseOS/$basearch/os/"
    mirror_list(news, dead, f"{second.url}/9.2/BaseOS/$basearch/os/")
    succeeds(synced)
    assert second.paths(DELTA)
    assert not upstream.paths("/9.2/*")


@pytest.mark.parametrize(
    "lines", [(), ("file:///etc",), ("<html>",), ("ftp://127.0.0.1/",), ("\0\xff",)]
)
def test_mirror_list_without_a_mirror(synced, news, upstream, lines):
    synced.trees[TREE]["mirrorlist"] = f"{upstream.url}/mirrorlist/{{repo}}"
    mirror_list(news, *lines)
    upstream.fault("/9.2/*", "status", code=503)
    ends_with(synced, 3, "503")


def test_endless_mirror_list(synced, news, upstream):
    synced.trees[TREE]["mirrorlist"] = f"{upstream.url}/mirrorlist/{{repo}}"
    upstream.fault("/mirrorlist/*", "endless")
    upstream.fault("/9.2/*", "status", code=503)
    ends_with(synced, 3, "503")


# An upstream that moves on while it is read


def move_on(tree, name="epsilon", drop=None):
    def publish():
        if drop:
            tree.remove(*REPO, drop)
        tree.add(*REPO, [RpmSpec(name)])
        tree.publish()

    return publish


@pytest.mark.parametrize("pattern", ["*/repomd.xml.asc", "*-primary.xml.gz", DELTA])
def test_upstream_moves_on_while_it_is_read(synced, news, upstream, pattern):
    """What is published in the end is one state, the new one."""
    upstream.fault(pattern, "call", times=1, function=move_on(news))
    succeeds(synced, packages=5)
    same_state_as(news, synced)


@pytest.mark.parametrize("pattern", ["*-primary.xml.gz", DELTA])
def test_upstream_moves_on_and_drops_what_is_being_fetched(synced, news, upstream, pattern):
    upstream.fault(pattern, "call", times=1, function=move_on(news, drop="delta-*"))
    succeeds(synced)
    same_state_as(news, synced)
    assert not [name for name in synced.packages() if name.startswith("delta")]


def same_state_as(tree, site):
    shown = site.public / "vetted" / OS_DIR
    os_dir = tree.os_dir(*REPO)
    for name in ("repomd.xml", "repomd.xml.asc"):
        assert sha256(shown / "repodata" / name) == sha256(os_dir / "repodata" / name)
    primary = gzip.decompress(tree.metadata_path(*REPO, "primary").read_bytes()).decode()
    for href in re.findall(r'<location href="([^"]*)"', primary):
        assert sha256(shown / href) == sha256(os_dir / href)


def test_upstream_that_never_stands_still(synced, news, upstream):
    names = iter(f"moving{number}" for number in range(50))
    upstream.fault("*.rpm", "call", function=lambda: move_on(news, next(names))())
    before = synced.fingerprint(), synced.memory()
    run = synced.sync("--json")
    assert run.status == 3, run
    assert "changed 3 times" in run.error["message"]
    assert (synced.fingerprint(), synced.memory()) == before


def test_signature_lags_behind_repomd_for_a_moment(synced, news, upstream):
    """Upstream puts two files in place, one after the other."""
    path = news.os_dir(*REPO) / "repodata/repomd.xml.asc"
    good = path.read_bytes()
    stale = news.key.sign_detached(_other(news.root / "other")).read_bytes()
    upstream.fault("*/repomd.xml.asc", "swap", times=1, body=stale)
    succeeds(synced)
    assert path.read_bytes() == good


def _other(path):
    path.write_bytes(b"another document")
    return path
