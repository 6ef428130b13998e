"""The copy of the public tree that docs/serving.md tells web servers to make."""

import contextlib
import os
import re
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.support import CHECKOUT
from tests.support.mirror import MirrorSite, view
from tests.support.rpms import RpmSpec

TREES = ("almalinux/9.2", "tuxcare/9.2/esu")
FILES = ("Packages/a.rpm", "repodata/repomd.xml", "repodata/primary.xml")


@pytest.fixture
def pull(tmp_path):
    """Runs the script from the guide; returns its exit status."""
    text = (CHECKOUT / "docs" / "serving.md").read_text()
    [script] = re.findall(r"```sh\n(#!/bin/sh\n.*?)```", text, re.DOTALL)
    path = tmp_path / "pull"
    path.write_text(script)
    path.chmod(0o755)

    def run(source, target, check=True):
        done = subprocess.run([path, source, target], capture_output=True, text=True)
        assert not check or done.returncode == 0, done
        return done.returncode

    return run


class Publisher:
    """Publishes as the program does, many times a second: every file of state N says N."""

    def __init__(self, public):
        self.public = public
        self.number = 0

    def publish(self):
        self.number += 1
        generation = self.public / ".generations/vetted" / f".new-{self.number}"
        for tree in TREES:
            name = f"p{self.number}"
            target = self.public / ".publications" / tree / name
            folder = target.with_name(f".new-{name}")
            for file in FILES:
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / file).write_text(str(self.number))
            folder.rename(target)
            link = generation / tree
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(os.path.relpath(target, (generation.with_name("1") / tree).parent))
        generation.rename(generation.with_name(str(self.number)))
        new = self.public / ".new-vetted"
        new.symlink_to(f".generations/vetted/{self.number}")
        new.replace(self.public / "vetted")
        self.tidy()

    def tidy(self, keep=3):
        old = self.number - keep
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.public / ".generations/vetted" / str(old))
            for tree in TREES:
                shutil.rmtree(self.public / ".publications" / tree / f"p{old}")


def shown(public):
    """The states that one look at the channel finds; a set of one where it is consistent."""
    root = (public / "vetted").resolve()
    return {(root / tree / file).read_text() for tree in TREES for file in FILES}


def test_a_copy_shows_what_the_mirror_shows_with_links_kept(
    tmp_path, httpd, keys, tiny_upstream, pull
):
    site = MirrorSite(tmp_path / "mirror")
    site.root.mkdir()
    site.add_tree("almalinux/9.2", keys.almalinux, upstream=f"{httpd(tiny_upstream.root).url}/9.2")
    assert site.sync().status == 0
    copy = tmp_path / "copy"
    copy.mkdir()
    pull(site.public, copy)
    assert view(copy / "vetted") == view(site.public / "vetted")
    assert (copy / "vetted").readlink() == (site.public / "vetted").readlink()

    first = site.packages()
    tiny_upstream.add("BaseOS", "x86_64", [RpmSpec("delta")])
    tiny_upstream.publish()
    assert site.sync().status == 0
    assert len(site.packages()) == len(first) + 1
    pull(site.public, copy)
    assert view(copy / "vetted") == view(site.public / "vetted")
    sizes = [sum(p.lstat().st_blocks for p in unique(root)) for root in (site.public, copy)]
    assert sizes[0] == sizes[1]


def unique(root):
    """Each file once, however many links it has."""
    files = {}
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            files[path.stat().st_ino] = path
    return files.values()


def test_readers_of_a_copy_see_one_state_while_the_mirror_goes_on(tmp_path, pull):
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.mkdir()
    copy.mkdir()
    publisher = Publisher(source)
    publisher.publish()
    pull(source, copy)
    stop = threading.Event()
    seen, mixed = set(), []

    def publish():
        while not stop.is_set():
            publisher.publish()
            time.sleep(0.15)

    def read():
        while not stop.is_set():
            try:
                states = shown(copy)
            except FileNotFoundError:
                # The state was three older than the newest: who still reads that is too late.
                continue
            seen.update(states)
            if len(states) != 1:
                mixed.append(states)

    threads = [threading.Thread(target=publish), threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    statuses = []
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        statuses.append(pull(source, copy, check=False))
        assert (copy / "vetted").resolve().is_dir()
    stop.set()
    for thread in threads:
        thread.join()
    assert mixed == []
    assert len(seen) > 1
    assert 0 in statuses
    # Sources that vanish under rsync's eyes (23, 24) and a state that was overtaken (75).
    assert set(statuses) <= {0, 23, 24, 75}
    pull(source, copy)
    assert shown(copy) == shown(source) == {str(publisher.number)}
    assert names(copy) == names(source)


def names(root):
    hidden = (root / ".generations", root / ".publications")
    return {str(path.relative_to(root)) for top in hidden for path in top.rglob("*")}


def test_a_pull_that_breaks_off_changes_nothing_that_is_shown(tmp_path, pull):
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.mkdir()
    copy.mkdir()
    publisher = Publisher(source)
    publisher.publish()
    pull(source, copy)
    publisher.publish()
    (source / ".publications").rename(tmp_path / "away")
    assert pull(source, copy, check=False) != 0
    assert shown(copy) == {"1"}
    (tmp_path / "away").rename(source / ".publications")
    pull(source, copy)
    assert shown(copy) == {"2"}


def test_the_guide_names_what_the_publisher_does():
    """The script relies on the layout that adapters/publisher.py draws."""
    drawing = Path(CHECKOUT, "mirror/tuxmirror/adapters/publisher.py").read_text()
    for name in (".generations/vetted/7", ".publications/almalinux/9.2", "`.new-`"):
        assert name in drawing
