"""Images and installation trees as hosts and other mirrors get them: from folders and from a
bucket, behind a token and open, through the real nginx, and by an edge that verifies them again."""

import contextlib
import hashlib
import json

import pytest
import requests

from tests.integration.test_serve_s3 import behind_nginx as before_a_bucket
from tests.integration.test_serve_s3 import serving
from tests.integration.test_sync_s3 import command, in_bucket
from tests.support.images import INSTALLER, add_images, add_kickstart, checksum_list
from tests.support.mirror import TREE, MirrorSite
from tests.support.nginx import memory_folder, site_of
from tests.support.s3 import surroundings
from tests.support.s3_faults import FaultyS3

pytest_plugins = ("tests.support.mirror_fixtures",)

DVD = b"".join(number.to_bytes(4, "big") * 500 for number in range(200))
ISOS = {"AlmaLinux-9.2-x86_64-boot.iso": b"boot" * 30_000, "AlmaLinux-9.2-x86_64-dvd.iso": DVD}
# nginx fetches it from a bucket in two parts.
LARGE = b"".join(number.to_bytes(4, "big") * (1 << 18) for number in range(17))
LARGE_ISO = "isos/x86_64/large.iso"
CLOUD = {"AlmaLinux-9-GenericCloud-9.2.x86_64.qcow2": b"disk" * 9_000}
SMALL = {**INSTALLER, "images/empty.img": b""}
KICKSTART = "BaseOS/x86_64/kickstart"
ISO = "isos/x86_64/AlmaLinux-9.2-x86_64-dvd.iso"
NEVER_OTHERS = "max-age=31536000, immutable"


@pytest.fixture
def image_site(site, tiny_upstream):
    site.trees[TREE]["kickstart"] = add_kickstart(tiny_upstream, "BaseOS", SMALL)
    site.trees[TREE]["images"] = "isos cloud"
    add_images(tiny_upstream, "isos", ISOS)
    add_images(tiny_upstream, "cloud", CLOUD)
    return site


def files(tree):
    """What a machine asks for that is installed: the bytes by their path below the tree."""
    kickstart = tree.os_dir("BaseOS", "x86_64").with_name("kickstart")
    wanted = [*SMALL, ".treeinfo", "repodata/repomd.xml", "repodata/repomd.xml.asc"]
    wanted += [str(path.relative_to(kickstart)) for path in kickstart.rglob("*.rpm")]
    found = {f"{KICKSTART}/{path}": (kickstart / path).read_bytes() for path in wanted}
    for path in ("isos/x86_64/CHECKSUM", "cloud/x86_64/images/CHECKSUM"):
        found[path] = (tree.path / path).read_bytes()
    found.update({f"isos/x86_64/{name}": data for name, data in ISOS.items()})
    found.update({f"cloud/x86_64/images/{name}": data for name, data in CLOUD.items()})
    return found


@contextlib.contextmanager
def before_folders(site, tmp_path):
    """The real nginx, and the service that it asks; `alone` is the service by itself."""
    with memory_folder() as memory:
        site.main["leases"] = memory / "leases"
        site.write_conf()
        with serving(site, tmp_path) as service:
            front = site_of(
                lambda *arguments: command(site, *arguments).stdout,
                tmp_path / "nginx",
                service.address,
                memory,
            )
            with front:
                front.alone = service
                yield front


def register(site, front):
    key = command(site, "license", "create", "--product", "essential").stdout.strip()
    return front.register(key).json()["token"]


def parts_of(data):
    """Ranges, and what they are of so many bytes."""
    size = len(data)
    return {
        "bytes=0-9": data[:10],
        f"bytes={size - 10}-": data[-10:],
        f"bytes=-{size // 2}": data[-(size // 2) :],
        f"bytes={size // 2}-{size // 2 + 3}": data[size // 2 : size // 2 + 4],
    }


def check_parts(front, path, data, **headers):
    """Transfers that were cut go on where they stopped."""
    whole = requests.head(front.url + path, headers=headers, timeout=30)
    assert (whole.status_code, int(whole.headers["Content-Length"])) == (200, len(data))
    assert whole.headers["Accept-Ranges"] == "bytes"
    for wanted, expected in parts_of(data).items():
        part = front.get(path, headers={"Range": wanted, **headers})
        assert (part.status_code, part.content == expected) == (206, True), wanted
        assert part.headers["Content-Range"].endswith(f"/{len(data)}")
    # Of a file that was replaced meanwhile all is sent again.
    for etag, status in ((whole.headers["ETag"], 206), ('"another"', 200)):
        asked = {"Range": "bytes=10-", "If-Range": etag, **headers}
        assert front.get(path, headers=asked).status_code == status, etag
    beyond = front.get(path, headers={"Range": f"bytes={len(data)}-", **headers})
    assert beyond.status_code == 416
    same = front.get(path, headers={"If-None-Match": whole.headers["ETag"], **headers})
    assert (same.status_code, same.content) == (304, b"")


def check_files(front, root, tree, lifetime):
    for path, data in files(tree).items():
        answer = front.get(f"{root}/{path}")
        assert (answer.status_code, answer.content == data) == (200, True), path
        # An iso may be made again under its name; a package has a name of its own.
        expected = lifetime if path.endswith(".rpm") else "no-cache"
        assert answer.headers["Cache-Control"] == expected, path
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert front.get(f"{root}/{ISO}x").status_code == 404
    assert front.get(f"{root}/isos/x86_64/").status_code in (403, 404)


@pytest.mark.parametrize("opened", ["no", pytest.param("yes", marks=pytest.mark.full)])
def test_behind_nginx_before_folders(image_site, tmp_path, tiny_upstream, opened):
    site = image_site
    site.trees[TREE]["open"] = opened
    assert site.sync().status == 0
    with before_folders(site, tmp_path) as front:
        token = register(site, front)
        gated = f"/{TREE}/{token}"
        assert front.get(f"/{TREE}/{ISO}").status_code == (200 if opened == "yes" else 403)
        assert front.get(f"/{TREE}/{'x' * 40}/{ISO}").status_code == (
            200 if opened == "yes" else 403
        )
        kept = "public" if opened == "yes" else "private"
        for root in (gated, f"/{TREE}") if opened == "yes" else (gated,):
            for server in (front, front.alone):
                check_files(server, root, tiny_upstream, f"{kept}, {NEVER_OTHERS}")
                check_parts(server, f"{root}/{ISO}", DVD)
        check_parts(front, f"/{TREE}/{ISO}", DVD, Authorization=f"Bearer {token}")
        listed = front.get(f"{gated}/{KICKSTART}/mirrorlist").text.split()
        for url in listed:
            assert requests.get(f"{url}.treeinfo", timeout=30).status_code == 200
            assert requests.get(f"{url}images/install.img", timeout=30).status_code == 200
        assert token not in front.log_text()


def test_behind_nginx_before_a_bucket(image_site, moto, tmp_path, tiny_upstream):
    add_images(tiny_upstream, "isos", {**ISOS, "large.iso": LARGE})
    with FaultyS3(moto) as counted, surroundings(counted.environment):
        site = in_bucket(image_site, counted)
        assert site.sync().status == 0
        with before_a_bucket(site, tmp_path) as front:
            root = f"/{TREE}/{register(site, front)}"
            counted.requests.clear()
            # Whoever asks for the end does not wait until all of it has come.
            end = front.get(f"{root}/{LARGE_ISO}", headers={"Range": f"bytes={len(LARGE) - 10}-"})
            assert (end.status_code, end.content) == (206, LARGE[-10:])
            assert fetched(counted, LARGE) == 1
            check_parts(front, f"{root}/{LARGE_ISO}", LARGE)
            assert front.get(f"{root}/{LARGE_ISO}").content == LARGE
            # Each part once: nginx has kept them.
            assert fetched(counted, LARGE) == 2
            check_files(front, root, tiny_upstream, f"private, {NEVER_OTHERS}")
            assert front.get(f"/{TREE}/{'x' * 40}/{ISO}").status_code == 403
            assert requests.post(f"{front.url}{root}/{ISO}", timeout=30).status_code == 405


def fetched(service, data):
    return service.count("GET", f"*/pool/*/{hashlib.sha256(data).hexdigest()}")


@pytest.fixture
def edge(tmp_path, keys):
    """Makes a second mirror that follows the first through `url`."""

    def make(central, url, token):
        site = MirrorSite(tmp_path / "edge")
        site.root.mkdir()
        file = site.root / "token"
        file.touch(0o600)
        file.write_text(token + "\n")
        options = {k: v for k, v in central.trees[TREE].items() if k in ("kickstart", "images")}
        site.add_tree(TREE, keys.almalinux, upstream=url, token_file=file, **options)
        return site

    return make


def snapshot(run):
    [made] = run.named("snapshot")
    return made["snapshot"]


@pytest.mark.parametrize(
    "place",
    [
        pytest.param("/{token}", id="path"),
        pytest.param("", id="header", marks=pytest.mark.full),
    ],
)
def test_an_edge_verifies_them_again(image_site, tmp_path, tiny_upstream, edge, place):
    central = image_site
    add_images(tiny_upstream, "isos", {**ISOS, "small.iso": b"small" * 500})
    first = central.sync("--json")
    assert first.status == 0, first
    with before_folders(central, tmp_path) as front:
        token = register(central, front)
        site = edge(central, f"{front.url}/{TREE}{place}", token)
        followed = site.sync("--json")
        assert followed.status == 0, followed
        assert snapshot(followed) == snapshot(first)
        assert content(site) == content(central)
        assert site.sync("--json").named("unchanged")

        # What the centre shows is no proof: an edge holds it against AlmaLinux' signature.
        newer = {**ISOS, "small.iso": b"newer" * 500}
        add_images(tiny_upstream, "isos", newer)
        assert central.sync().status == 0
        iso = central.public / "vetted" / TREE / "isos/x86_64/small.iso"
        damage(iso, b"wrong" * 500)
        with site.harmless():
            refused = site.sync("--json")
        assert refused.status == 4, refused
        assert (refused.error["repository"], refused.error["path"]) == ("isos/x86_64", "small.iso")
        assert hashlib.sha256(newer["small.iso"]).hexdigest() in refused.error["expected"]
        damage(iso, newer["small.iso"])

        checksum = iso.with_name("CHECKSUM")
        honest = checksum.read_bytes()
        damage(checksum, honest + checksum_list({"evil.iso": b"evil"}).encode())
        with site.harmless():
            refused = site.sync("--json")
        assert refused.status == 4, refused
        assert "CHECKSUM" in json.dumps(refused.error)
        damage(checksum, honest)

        site.trees[TREE]["kickstart"] = "BaseOS/x86_64:" + "0" * 64
        with site.harmless():
            refused = site.sync("--json")
        assert refused.status == 4, refused
        assert ".treeinfo is not the pinned one" in refused.error["message"]
        site.trees[TREE]["kickstart"] = central.trees[TREE]["kickstart"]

        assert site.sync().status == 0
        assert content(site) == content(central)
        assert token not in front.log_text()
    assert command(site, "verify", "--json").named("verified")[0]["damaged"] == 0


def damage(path, data):
    """Other bytes under a name of the centre's; its pool keeps what it has."""
    real = path.resolve()
    real.unlink()
    real.write_bytes(data)


def content(site):
    """What it publishes that is not of its own making."""
    own = ("TIME", "SNAPSHOT.json")
    return {path: digest for path, digest in site.view().items() if not path.endswith(own)}
