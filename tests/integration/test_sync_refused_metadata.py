"""Metadata that must not be believed: malformed, or asking for what it may not.

All of it is checked against a mirror that already has a good state: that state stays as it is,
published and in the pool, byte for byte.
"""

import gzip
import re

import createrepo_c
import pytest

from tests.support.mirror import TREE, sha256
from tests.support.mirror import run as run_anew
from tests.support.refusals import REPO, REPOMD, REPOSITORY, refused, replace
from tests.support.rpms import RpmSpec

pytest_plugins = ("tests.support.mirror_fixtures",)

ALPHA = "Packages/alpha-1.0-1.el9.x86_64.rpm"
MEBIBYTE = 1 << 20


# repomd.xml itself; signed, as if upstream's signer were careless


def test_older_state(synced, tiny_upstream):
    tiny_upstream.remove(*REPO, "alpha-*")
    tiny_upstream.publish(timestamp=1_500_000_000)
    error = refused(synced, "older", "revision", "--allow-rollback", status=5, path=REPOMD)
    assert error["error"] == "rollback"
    assert "revision 1500000000" in error["found"]
    run = synced.sync("--json", "--allow-rollback")
    assert run.status == 0, run
    assert run.named("snapshot")[0]["removed"] == 1


def test_rollback_that_was_allowed_once_is_the_state_from_then_on(synced, tiny_upstream):
    tiny_upstream.add(*REPO, [RpmSpec("delta")])
    tiny_upstream.publish(timestamp=1_500_000_000)
    assert synced.sync("-q", "--allow-rollback").status == 0
    tiny_upstream.add(*REPO, [RpmSpec("epsilon")])
    tiny_upstream.publish(timestamp=1_500_000_001)
    assert synced.sync("-q").status == 0
    assert len(synced.packages()) == 5


def without(pattern):
    return lambda text: re.sub(pattern, "", text, count=1, flags=re.DOTALL)


def instead(pattern, replacement):
    def edit(text):
        assert re.search(pattern, text)
        return re.sub(pattern, lambda _: replacement, text, count=1)

    return edit


PRIMARY_HREF = r'href="repodata/[0-9a-f]{64}-primary\.xml\.gz"'
CHECKSUM = r'<checksum type="sha256">'
REPOMD_EDITS = {
    "dotdot": (instead(PRIMARY_HREF, 'href="../../evil"'), "unsafe location", r"\.\./"),
    "dotdot in repodata": (instead(PRIMARY_HREF, 'href="repodata/../../evil"'), "unsafe location"),
    "absolute path": (instead(PRIMARY_HREF, 'href="/etc/passwd"'), "unsafe location"),
    "file URL": (instead(PRIMARY_HREF, 'href="file:///etc/passwd"'), "unsafe location"),
    "http URL": (instead(PRIMARY_HREF, 'href="http://127.0.0.1/x"'), "unsafe location"),
    "repomd.xml": (instead(PRIMARY_HREF, 'href="repodata/repomd.xml"'), "cannot list"),
    "its signature": (instead(PRIMARY_HREF, 'href="repodata/repomd.xml.asc"'), "cannot list"),
    "case twin of it": (instead(PRIMARY_HREF, 'href="repodata/Repomd.XML"'), "cannot list"),
    "a package's place": (instead(PRIMARY_HREF, f'href="{ALPHA}"'), "cannot list"),
    "a folder below": (instead(PRIMARY_HREF, 'href="repodata/x/y.xml"'), "cannot list"),
    "empty href": (instead(PRIMARY_HREF, 'href=""'), "unsafe location"),
    "long name": (instead(PRIMARY_HREF, f'href="repodata/{"x" * 300}"'), "unsafe location"),
    "xml:base": (instead("<location ", '<location xml:base="http://x/" '), "points elsewhere"),
    "no location": (without("<location [^>]*/>"), "no location"),
    "no checksum": (without(f"{CHECKSUM}[^<]*</checksum>"), "no SHA-256"),
    "md5": (instead(CHECKSUM, '<checksum type="md5">'), "no SHA-256", "md5"),
    "sha1": (instead(CHECKSUM, '<checksum type="sha">'), "no SHA-256"),
    "no digest": (instead(f"{CHECKSUM}[^<]*", f"{CHECKSUM}abc"), "64 hex digits"),
    "no size": (without("<size>[^<]*</size>"), "size"),
    "negative size": (instead("<size>[^<]*", "<size>-1"), "size"),
    "enormous size": (instead("<size>[^<]*", f"<size>{1 << 40}"), "size", f"'{1 << 40}'"),
    "endless size": (instead("<size>[^<]*", f"<size>{'9' * 5000}"), "size"),
    "enormous open size": (instead("<open-size>[^<]*", f"<open-size>{1 << 50}"), "open-size"),
    "no primary": (instead('<data type="primary">', '<data type="prim">'), "primary"),
    "two primaries": (instead('<data type="filelists">', '<data type="primary">'), "once"),
    "nameless type": (instead('<data type="other">', "<data>"), "unnamed"),
    "one file twice": (
        lambda text: re.sub(r'href="repodata/[^"]*-other', 'href="repodata/x-other', text).replace(
            "x-other", re.search(r'repodata/([^"]*)-filelists', text)[1] + "-filelists"
        ),
        "listed twice",
    ),
    "doctype": (instead("<repomd ", "<!DOCTYPE repomd><repomd "), "DOCTYPE"),
    "entities": (
        instead("<repomd ", '<!DOCTYPE r [<!ENTITY a "b">]><repomd '),
        "DOCTYPE",
    ),
    "broken XML": (instead("</repomd>", "</repo>"), "not well-formed"),
    "another document": (lambda text: "<html></html>", "not the index"),
    "empty": (lambda text: "", "not well-formed"),
    "too large": (instead("</repomd>", " " * MEBIBYTE + "</repomd>"), f"{MEBIBYTE}"),
    "many files": (
        instead(
            "</repomd>",
            "".join(f'<data type="t{number}"/>' for number in range(200)) + "</repomd>",
        ),
        "too many files",
    ),
    "latin-1": (instead('encoding="UTF-8"', 'encoding="ISO-8859-1"'), "UTF-8"),
    "utf-7": (instead('encoding="UTF-8"', 'encoding="UTF-7"'), "UTF-8"),
}


@pytest.mark.parametrize("revision", ["9" * 5000, "a release", "-5", ""])
def test_revision_that_is_no_number_gives_way_to_the_files_times(synced, news, revision):
    news.edit_repomd(*REPO, instead("<revision>[^<]*", f"<revision>{revision}"))
    assert synced.sync("-q").status == 0
    assert f'"revision": {news.timestamp}' in synced.memory().decode()


@pytest.mark.parametrize("case", REPOMD_EDITS)
def test_repomd(synced, news, case):
    edit, *words = REPOMD_EDITS[case]
    news.edit_repomd(*REPO, edit)
    refused(synced, *words, path=REPOMD)


def test_repomd_in_utf_16(synced, news):
    repomd = news.os_dir(*REPO) / REPOMD
    text = repomd.read_text().replace("UTF-8", "UTF-16")
    replace(repomd, text.replace("<repomd ", "<!DOCTYPE r><repomd ").encode("utf-16"))
    news.sign(*REPO)
    refused(synced, "UTF-8", path=REPOMD)


# Metadata files that are not what repomd.xml says


@pytest.mark.parametrize("kind", ["primary", "filelists", "updateinfo"])
def test_metadata_with_another_checksum(synced, news, kind):
    path = news.metadata_path(*REPO, kind)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    replace(path, bytes(content))
    digest = re.match(r"[0-9a-f]{64}", path.name)[0]
    error = refused(synced, "not what signed metadata promises", digest, path=path.name)
    assert sha256(path) in error["found"]


@pytest.mark.parametrize("size", [0, 20, -1], ids=["empty", "cut", "longer"])
def test_metadata_of_another_size(synced, news, size):
    path = news.metadata_path(*REPO, "primary")
    content = path.read_bytes()
    replace(path, content[:size] if size >= 0 else content + b"x")
    refused(synced, "not what signed metadata promises", f"{len(content)} bytes", path=path.name)


@pytest.mark.parametrize(
    ("element", "value", "word"),
    [
        ("open-size", "10", "more than promised"),
        ("open-size", "1000000", "less than promised"),
        ("open-checksum", "0" * 64, "other bytes than promised"),
    ],
)
def test_inflated_metadata_is_not_what_was_promised(synced, news, element, value, word):
    news.edit_repomd(*REPO, instead(f"(?<=<{element})([^>]*)>[^<]*", _typed(element, value)))
    refused(synced, word, path="-primary.xml.gz")


def _typed(element, value):
    return (' type="sha256">' if element == "open-checksum" else ">") + value


def set_metadata(upstream, kind, content):
    """Replace a metadata file by bytes of any kind; repomd.xml follows, without open-*."""
    path = upstream.metadata_path(*REPO, kind)
    replace(path, content)
    record = createrepo_c.RepomdRecord(kind, str(path))

    def edit(text):
        block = re.search(rf'<data type="{kind}">.*?</data>', text, re.DOTALL)[0]
        new = re.sub(r"<open-[^\n]*\n", "", block)
        new = re.sub(r"(<checksum[^>]*>)[^<]*", rf"\g<1>{sha256(path)}", new)
        new = re.sub(r"(<size>)[^<]*", rf"\g<1>{len(content)}", new)
        return text.replace(block, new)

    assert record.type == kind
    upstream.edit_repomd(*REPO, edit)


def bomb(size):
    """`size` bytes of blanks inside of a primary, about a thousandth of it on the wire."""
    head = b'<?xml version="1.0" encoding="UTF-8"?>\n<metadata packages="0">'
    tail = b"</metadata>"
    packed = gzip.compress(head, mtime=0)
    chunk = gzip.compress(b" " * MEBIBYTE, mtime=0)
    return packed + chunk * (size // MEBIBYTE) + gzip.compress(tail, mtime=0)


@pytest.mark.parametrize("kind", ["primary", "updateinfo"])
def test_decompression_bomb(synced, news, kind):
    """Six gigabytes in six megabytes: refused at the promised size, with little memory."""
    synced.runner = run_anew
    small = synced.sync("--dry-run")
    content = bomb(6 << 30)
    assert len(content) < 10 * MEBIBYTE
    set_metadata(news, kind, content)
    news.edit_repomd(
        *REPO, instead(f'(?s)(?<=<data type="{kind}">)', "\n    <open-size>100000</open-size>")
    )
    with synced.harmless():
        run = synced.sync("--json")
    assert run.status == 4, run
    assert "inflates to more than promised" in run.error["message"]
    assert run.max_rss < small.max_rss + 50 * MEBIBYTE


def test_decompression_bomb_that_admits_its_size(synced, news):
    set_metadata(news, "primary", bomb(32 << 20))
    news.edit_repomd(
        *REPO,
        instead('(?s)(?<=<data type="primary">)', f"\n    <open-size>{6 << 30}</open-size>"),
    )
    refused(synced, "open-size", path=REPOMD)


def test_decompression_bomb_that_promises_itself(synced, news):
    content = bomb(512 << 20)
    set_metadata(news, "primary", content)
    promised = (512 << 20) + 100
    news.edit_repomd(
        *REPO, instead('(?s)(?<=<data type="primary">)', f"<open-size>{promised}</open-size>")
    )
    refused(synced, "out of all proportion", path="-primary.xml.gz")


@pytest.mark.parametrize(
    "content",
    [b"", b"no XML", gzip.compress(b"no XML"), gzip.compress(b"<metadata/>")[:-6], b"\0ZCK1abc",
     b"\x28\xb5\x2f\xfd\0\0", b"BZh9\0\0\0", b"\xfd7zXZ\x00\0\0"],
    ids=["empty", "text", "packed text", "cut gzip", "zchunk", "zstd", "bzip2", "xz"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["primary", "updateinfo"])
def test_metadata_that_is_none(synced, news, kind, content):
    set_metadata(news, kind, content)
    refused(synced, path=f"-{kind}.xml.gz")


# What primary says; repomd.xml promises and signs it


def package(change):
    """An edit of alpha's `<package>` in primary."""

    def edit(text):
        old = re.search(r"<package [^>]*>\s*<name>alpha</name>.*?</package>", text, re.DOTALL)[0]
        new = change(old)
        assert new != old
        return text.replace(old, new)

    return edit


def moved(href):
    return package(lambda text: text.replace(f'href="{ALPHA}"', f'href="{href}"'))


def twin(change):
    """A second `<package>`, made of alpha's."""

    def edit(text):
        old = re.search(r"<package [^>]*>\s*<name>alpha</name>.*?</package>", text, re.DOTALL)[0]
        return text.replace(old, old + change(old)).replace('packages="4"', 'packages="5"')

    return edit


OTHER = "f" * 64
PRIMARY_EDITS = {
    "dotdot": (moved("../../../evil.rpm"), "unsafe location"),
    "hidden dotdot": (moved("Packages/../../evil.rpm"), "unsafe location"),
    "dot": (moved("Packages/./alpha.rpm"), "unsafe location"),
    "empty segment": (moved("Packages//alpha.rpm"), "unsafe location"),
    "absolute path": (moved("/etc/cron.d/evil.rpm"), "unsafe location"),
    "file URL": (moved("file:///etc/passwd.rpm"), "unsafe location"),
    "http URL": (moved("http://127.0.0.1:1/evil.rpm"), "unsafe location"),
    "percent": (moved("Packages/%2e%2e/evil.rpm"), "unsafe location"),
    "backslash": (moved(r"Packages\..\evil.rpm"), "unsafe location"),
    "blank": (moved("Packages/al pha.rpm"), "unsafe location"),
    "newline": (moved("Packages/al&#10;pha.rpm"), "unsafe location"),
    "not ASCII": (moved("Packages/älpha.rpm"), "unsafe location"),
    "long name": (moved(f"Packages/{'a' * 300}.rpm"), "unsafe location"),
    "in repodata": (moved("repodata/alpha.rpm"), "cannot be at"),
    "on repomd.xml": (moved("repodata/repomd.xml"), "cannot be at"),
    "no .rpm": (moved("Packages/alpha.sh"), "cannot be at"),
    "xml:base": (
        package(lambda t: t.replace("<location ", '<location xml:base="http://127.0.0.1:1/" ')),
        "elsewhere",
    ),
    "md5": (package(lambda t: t.replace('type="sha256"', 'type="md5"')), "no SHA-256", "md5"),
    "sha1": (package(lambda t: t.replace('type="sha256"', 'type="sha"')), "no SHA-256"),
    "no checksum": (package(lambda t: re.sub(r"<checksum.*?</checksum>\s*", "", t)), ""),
    "no digest": (package(lambda t: re.sub(r"(<checksum[^>]*>)[^<]*", r"\1abc", t)), "SHA-256"),
    "upper-case digest": (
        package(lambda t: re.sub(r"[0-9a-f]{64}", lambda m: m[0].upper(), t)),
        "SHA-256",
    ),
    "no size": (package(lambda t: re.sub(r'package="\d+"', 'package="0"', t)), "no size"),
    "negative size": (package(lambda t: re.sub(r'package="\d+"', 'package="-5"', t)), "size"),
    "no name": (package(lambda t: t.replace("<name>alpha</name>", "")), ""),
    "empty name": (package(lambda t: t.replace(">alpha<", "><")), ""),
    "no arch": (package(lambda t: t.replace("<arch>x86_64</arch>", "")), ""),
    "no version": (package(lambda t: re.sub(r"<version [^>]*/>", "", t)), ""),
    "no location": (package(lambda t: re.sub(r"<location [^>]*/>", "", t)), ""),
    "epoch of letters": (package(lambda t: t.replace('epoch="0"', 'epoch="x"')), "epoch"),
    "endless epoch": (package(lambda t: t.replace('epoch="0"', f'epoch="{"9" * 5000}"')), "epoch"),
    "same place twice": (twin(lambda t: t.replace(">alpha<", ">alpha2<")), "twice"),
    "case twins": (
        twin(lambda t: t.replace(">alpha<", ">Alpha<").replace("/alpha-", "/Alpha-")),
        "twice",
    ),
    "one NEVRA, two contents": (
        twin(lambda t: re.sub(r"[0-9a-f]{64}", OTHER, t).replace("/alpha-", "/alpha2-")),
        "two contents",
    ),
    "doctype": (instead("<metadata ", "<!DOCTYPE metadata><metadata "), "DOCTYPE"),
    "entity": (
        instead("<metadata ", '<!DOCTYPE m [<!ENTITY a SYSTEM "file:///etc/passwd">]><metadata '),
        "DOCTYPE",
    ),
    "another encoding": (instead('encoding="UTF-8"', 'encoding="UTF-7"'), "UTF-8"),
    "another document": (lambda _: "<otherdata></otherdata>", "<metadata>", "<otherdata>"),
    "broken XML": (instead("</metadata>", "</meta>"), "damaged"),
    "cut XML": (lambda text: text[: len(text) // 2], "damaged"),
}


@pytest.mark.parametrize("case", PRIMARY_EDITS)
def test_primary(synced, news, case):
    edit, *words = PRIMARY_EDITS[case]
    news.edit_metadata(*REPO, "primary", edit)
    refused(synced, *words, path=r"-primary\.xml\.gz|^Packages/")


@pytest.mark.parametrize("kind", ["primary", "updateinfo"])
def test_metadata_in_utf_16_cannot_hide_a_doctype(synced, news, kind):
    text = gzip.decompress(news.metadata_path(*REPO, kind).read_bytes()).decode()
    head, _, rest = text.partition("?>")
    hostile = head.replace("UTF-8", "UTF-16") + '?><!DOCTYPE m [<!ENTITY a "b">]>' + rest
    set_metadata(news, kind, gzip.compress(hostile.encode("utf-16")))
    refused(synced, "UTF-8", path=f"-{kind}.xml.gz")


def test_doctype_in_updateinfo(synced, news):
    news.edit_metadata(*REPO, "updateinfo", instead("<updates", "<!DOCTYPE updates><updates"))
    refused(synced, "DOCTYPE", path="-updateinfo.xml.gz")


def test_package_of_another_size_than_primary_says(synced, news):
    """Shorter is refused while it arrives, longer when it has."""
    for change in (-1, 1):
        news.publish()
        delta = news.package("delta-*")
        size = delta.stat().st_size
        news.edit_metadata(
            *REPO,
            "primary",
            lambda text, old=size, new=size + change: text.replace(
                f'package="{old}"', f'package="{new}"'
            ),
        )
        refused(synced, f"{size + change} bytes", path=delta.name)


def test_two_repositories_describe_one_content_differently(synced, news):
    delta = news.package("delta-*")
    news.add_files("AppStream", "x86_64", [delta])
    news.publish()
    news.edit_metadata(
        "AppStream", "x86_64", "primary", lambda text: text.replace(">delta<", ">glibc<")
    )
    synced.trees[TREE]["repos"] = "BaseOS AppStream"
    with synced.harmless():
        run = synced.sync("--json")
    assert run.status == 4, run
    assert run.error["repository"] == "AppStream/x86_64"
    assert "described differently" in run.error["message"]


def test_published_name_gets_other_bytes(synced, news):
    """A rebuild under the same name would break clients that know the old one."""
    assert synced.sync("-q").status == 0
    delta = news.package("delta-*")
    old = sha256(delta)
    news.add(*REPO, [RpmSpec("delta", summary="Another one")])
    assert sha256(delta) != old
    news.publish()
    before = synced.fingerprint()
    run = synced.sync("--json")
    assert run.status == 5, run
    assert old in run.error["expected"]
    assert sha256(delta) in run.error["found"]
    assert "--allow-mass-change" in run.error["way_out"]
    assert synced.fingerprint() == before
    assert synced.sync("-q", "--allow-mass-change").status == 0
    assert sha256(synced.public / "vetted" / TREE / REPOSITORY / "os/Packages" / delta.name) == (
        sha256(delta)
    )


def test_refusal_repeats_until_upstream_is_mended(synced, news):
    news.edit_metadata(*REPO, "primary", moved("../evil.rpm"))
    refused(synced, "unsafe location")
    refused(synced, "unsafe location")
    news.publish()
    assert synced.sync("-q").status == 0
    assert len(synced.packages()) == 4


def test_metadata_says_nothing_to_a_terminal(synced, news):
    """XML may hold U+009B, which terminals take for the beginning of a command."""
    news.edit_metadata(
        *REPO,
        "primary",
        lambda text: text.replace('type="sha256"', 'type="md5"').replace(
            "<name>", "<name>\u009b2J\u202e"
        ),
    )
    with synced.harmless():
        run = synced.sync()
    assert run.status == 4, run
    assert "\\x9b2J\\u202e" in run.stderr
    assert "\u009b" not in run.stderr + run.stdout
    assert "\u202e" not in run.stderr + run.stdout
