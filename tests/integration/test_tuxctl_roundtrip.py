"""Repository files in every shape that hosts have them: registered, refreshed, moved, and back,
byte for byte, with modes, labels, times and links as they were."""

import contextlib
import os
import stat
from pathlib import Path

import pytest

from tests.integration.conftest import LICENCE
from tests.support.registration import RegistrationServer
from tests.support.repofiles import repo_files
from tuxctl import repos
from tuxctl.preview import unified

REPOS = "etc/yum.repos.d"
LABEL = b"system_u:object_r:system_conf_t:s0\x00"


def section(name, *lines):
    return "\n".join((f"[{name}]", f"name={name}", *lines, ""))


URL = "https://repo.almalinux.org/almalinux/$releasever/BaseOS/$basearch/os/"
ADMINS = {
    "several base URLs": section(
        "baseos", f"baseurl={URL}", "    https://mirror.example/almalinux/9/BaseOS/x86_64/os/",
        "\thttps://mirror2.example/9/BaseOS/", "enabled=1", "exclude=own-* other",
    ),
    "a foreign mirror": section("baseos", "baseurl=http://mirror.example/9/BaseOS/", "enabled=1"),
    "comments everywhere": "; first\n# second\n\n" + section(
        "baseos", "  # indented", f"#baseurl={URL}", "# mirrorlist=https://old.example/",
        "mirrorlist=https://mirrors.almalinux.org/mirrorlist/$releasever/baseos", "enabled=1",
    ) + "\n\n# the end",
    "spaces around signs": section(
        "baseos", f"baseurl = {URL}", "enabled\t=\t1", "gpgcheck =1", "exclude = a,b  c",
    ),
    "options twice": section(
        "baseos", "enabled=0", f"baseurl={URL}", "enabled=1", f"baseurl={URL}",
    ),
    "a section twice": section("baseos", f"baseurl={URL}") + section("baseos", "priority=7"),
    "no enabled line": section("baseos", f"# baseurl={URL}"),
    "metalink": section("baseos", "metalink=https://mirrors.example/metalink", f"#baseurl={URL}"),
    "empty": "",
    "only comments": "# nothing here\n",
    "text that is no repository": "hello\nworld = 1\n[unclosed\n",
    "not UTF-8": section("baseos", f"baseurl={URL}", "name=Bas\udce9OS"),
    "very long line": section("baseos", f"baseurl={URL}", "includepkgs=" + "x" * 100_000),
}  # fmt: skip
FORMS = {
    "": lambda data: data,
    "CRLF": lambda data: data.replace(b"\n", b"\r\n"),
    "no last newline": lambda data: data.rstrip(b"\n"),
    "mixed endings": lambda data: data.replace(b"\n", b"\r\n", 3),
    "byte order mark": lambda data: b"\xef\xbb\xbf" + data,
}


def encoded(text):
    return text.encode("utf-8", "surrogateescape")


def release_files():
    for release in ("8.10", "9.2", "9.6", "10.0"):
        for name, text in repo_files(release).items():
            yield pytest.param(release, name, encoded(text), id=f"{release} {name}")


def admins_files():
    for name, text in ADMINS.items():
        for form, change in FORMS.items():
            yield pytest.param(change(encoded(text)), id=f"{name} {form}".strip())


@pytest.mark.parametrize("data", list(admins_files()))
def test_switching_and_back_is_exact_and_twice_is_once(data):
    from tuxctl.merge import take_back

    for url_of in (repos.vetted_url, repos.open_url):
        once = repos.switch(data, "https://c.example", ["nss"], url_of).data
        assert repos.switch(once, "https://c.example", ["nss"], url_of).data == once
        assert take_back(data, once, once).data == data
        # A line that somebody adds at the end stays; all else comes back.
        end = b"" if once.endswith((b"\n", b"\r")) or not once else b"\n"
        edited = once + end + b"# added later\n"
        back = take_back(data, once, edited).data
        assert back.rstrip(b"\r\n").endswith(b"# added later")
        assert back.startswith(data.rstrip(b"\r\n"))
        assert unified("f", data, once) or once == data


@pytest.fixture
def files(client_root, monkeypatch, no_waiting_for_the_disk):
    """Every shape at once on one host, each file with a mode, label and time of its own."""
    for file in client_root.path(REPOS).glob("almalinux*"):
        file.unlink()
    number = 0
    for name, text in ADMINS.items():
        for form, change in FORMS.items():
            number += 1
            slug = "".join(c if c.isalnum() else "-" for c in f"{name}-{form}")
            dress(client_root, f"almalinux-{slug}.repo", change(encoded(text)), number)
    for release in ("8.10", "9.2", "10.0"):
        for name, text in repo_files(release).items():
            number += 1
            dress(client_root, f"almalinux-{release}-{name}", encoded(text), number)
    links(client_root)
    return client_root


def dress(root, name, data, number):
    root.write(f"{REPOS}/{name}", data)
    path = str(root.path(f"{REPOS}/{name}"))
    os.chmod(path, (0o644, 0o600, 0o640, 0o444)[number % 4])  # noqa: PTH101  # Python 3.6
    if os.geteuid() == 0:
        os.setxattr(path, "security.selinux", LABEL + b"%d" % number)
    with contextlib.suppress(OSError):  # not on every tmpfs
        os.setxattr(path, "user.note", b"%d" % number)
    os.utime(path, ns=(10**18 + number, 10**18 + number))


def links(root):
    shipped = encoded(repo_files("9.2")["almalinux-crb.repo"])
    root.write("srv/config/crb.repo", shipped)
    folder = root.path(REPOS)
    (folder / "almalinux-absolute.repo").symlink_to("/srv/config/crb.repo")
    root.write("srv/config/plus.repo", shipped)
    (folder / "almalinux-relative.repo").symlink_to("../../srv/config/plus.repo")
    (folder / "almalinux-masked.repo").symlink_to("/dev/null")
    (folder / "almalinux-dangling.repo").symlink_to("/srv/nothing")
    for end in (".rpmnew", ".rpmsave", ".bak"):
        root.write(f"{REPOS}/almalinux-baseos.repo{end}", shipped)


def state(root):
    """All there is to a file."""
    found = {}
    for name, (mode, content) in root.snapshot().items():
        path = str(root.path(name))
        status = os.lstat(path)
        names = [] if stat.S_ISLNK(status.st_mode) else sorted(os.listxattr(path))
        labels = {label: os.getxattr(path, label) for label in names}
        found[name] = (mode, content, status.st_uid, status.st_gid, labels)
    return found


def test_every_shape_comes_back_byte_for_byte(files, register, tuxctl, registration):
    before = state(files)
    assert register("--fips").status == 0
    after = state(files)
    changed = [name for name, was in before.items() if was[1] != after[name][1] and REPOS in name]
    assert len(changed) > 50
    untouched = (".rpmnew", ".rpmsave", ".bak", "dangling.repo", "masked.repo")
    assert not [name for name in changed if name.endswith(untouched)]
    for name in changed:  # modes, owners and labels stay while it is registered
        assert (after[name][0], *after[name][2:]) == (before[name][0], *before[name][2:]), name
    # Again elsewhere, moved, reverted, switched again: the first originals count.
    with RegistrationServer() as other:
        other.keys[LICENCE] = registration.keys[LICENCE]
        other.repositories.add("/")
        assert tuxctl("--server", other.url, "-l", LICENCE, "--force").status == 0
        assert tuxctl("refresh").status == 0
        assert tuxctl("fips", "disable", "--yes").status == 0
        assert tuxctl("repos", "switch").status == 0
        done = tuxctl("unregister")
    assert (done.status, done.err) == (0, "")
    assert state(files) == before


def test_edits_since_are_kept_in_every_shape(files, register, tuxctl):
    """A line more in each switched file; the rest is as it was."""
    before = {path: path.read_bytes() for path in switched(files)}
    assert register().status == 0
    line = b"# edited by hand"
    for path in before:
        data = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(line + b"\n" + data)
    assert tuxctl("unregister").status == 0
    for path, data in before.items():
        assert path.read_bytes() == line + b"\n" + data, path.name


def switched(root):
    """The files that switching changes, each real one once."""
    found = {path.resolve() for path in root.path(REPOS).glob("almalinux*.repo")}
    inside = Path(str(root.directory)).resolve()
    return [
        path
        for path in sorted(found)
        if path.is_file()
        and inside in path.parents
        and repos.switch(path.read_bytes(), "https://x.example").data != path.read_bytes()
    ]


@pytest.mark.parametrize(("release", "name", "data"), list(release_files()))
def test_shipped_files_switch_every_enabled_repository(release, name, data):
    edited = repos.switch(data, "https://c.example")
    assert edited.foreign == []
    assert len(edited.switched) >= 1
    assert edited.data.count(b"/$tuxcare_token/") == len(edited.switched)
    assert repos.unswitch(edited.data, "https://c.example").replace(b"/os/", b"/os") == (
        data.replace(b"/os/", b"/os")
    )


@pytest.mark.shared_data
def test_a_broken_repository_file_of_others_is_left_alone(
    register, tuxctl, client_root, shared_data
):
    broken = (Path(str(shared_data)) / "repofiles" / "broken_repo.repo").read_bytes()
    client_root.write(f"{REPOS}/almalinux-broken.repo", broken)
    before = client_root.snapshot()
    assert register().status == 0
    assert tuxctl("status", "--json").status == 0
    assert tuxctl("unregister").status == 0
    assert client_root.snapshot() == before
