"""However a publish of advisories ends, a channel shows all formats of one state, or of the other.

A sync that brings a new advisory, a new package and other OVAL, feeds and pages is killed, or its
disk is full, wherever it changes store or public; the next run arrives at the new state.
"""

import dataclasses
import random
import shutil
import subprocess

import pytest

from tests.support.crash import FALLIBLE, damaged, fail_at, kill_at, points
from tests.support.mirror import MirrorSite, difference
from tests.support.rpms import RpmSpec, build_rpms

TREE = "tuxcare/9.2/esu"
BEFORE = 1_796_000_000.0
AFTER = BEFORE + 3600
SAMPLE = 4
# Of the points of a full run: a minute or two each.
PARTS = 12
ONE = """\
id: CLSA-2026:00{0}
title: fix number {0}
severity: Important
issued: 2026-11-01
cves: [CVE-2026-000{0}]
sources: [curl-7.76-{0}]
"""


def curl(number):
    source = f"curl-7.76-{number}.src.rpm"
    return RpmSpec("curl", "7.76", str(number), arch="x86_64", sourcerpm=source)


class Lab:
    """Copies of a mirror that showed one advisory, before it publishes another."""

    def __init__(self, directory, key):
        self._directory = directory
        self._number = 0
        self._key = key
        master = directory / "master"
        (master / "advisories").mkdir(parents=True)
        (master / "advisories" / "1.yaml").write_text(ONE.format(1))
        build_rpms([curl(1)], master / "in", key=key)
        self._master = self._site(master, BEFORE)
        assert self._master.sync().status == 0
        (master / "advisories" / "2.yaml").write_text(ONE.format(2))
        build_rpms([curl(2)], master / "in", key=key)
        done = self.site()
        assert done.sync().status == 0
        self.states = [self._master.view(), done.view()]
        self.points = points(self.site())

    def _site(self, root, now):
        site = MirrorSite(root, now=now)
        site.add_local(TREE, self._key, root / "in", advisories=root / "advisories", feeds="yes")
        return site

    def site(self):
        self._number += 1
        root = self._directory / f"site{self._number:03}"
        subprocess.run(["cp", "-a", self._master.root, root], check=True)
        return dataclasses.replace(self._site(root, AFTER))

    def check(self, site, what):
        shown = site.view()
        assert shown in self.states, f"{what}: {difference(self.states[0], shown)}"
        assert not damaged(site), what
        done = site.sync("--json", timeout=240)
        assert done.status == 0, f"{what}: {done}"
        assert site.view() == self.states[1], what


@pytest.fixture(scope="module")
def lab(tmp_path_factory, keys):
    return Lab(tmp_path_factory.mktemp("crash"), keys.tuxcare)


def test_the_states_differ_in_every_format(lab):
    before, after = lab.states
    changed = {path.split("/")[0] for path in after if before.get(path) != after[path]}
    assert {"advisories", "csaf", "cve", "osv", "rss_feed", "tuxcare"} <= changed
    assert len(lab.points) > 50


def some(found):
    return random.Random(len(found)).sample(found, min(SAMPLE, len(found)))


def test_killed_anywhere_it_shows_one_state(lab):
    for point in some(lab.points):
        site = lab.site()
        kill_at(site, point)
        lab.check(site, f"killed at {point}")


def test_a_full_disk_anywhere_leaves_one_state(lab):
    fallible = [point for point in lab.points if point.call in FALLIBLE["ENOSPC"]]
    for point in some(fallible)[:2]:
        site = lab.site()
        fail_at(site, point, "ENOSPC")
        lab.check(site, f"no space at {point}")


@pytest.mark.full
@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_every_point_it_shows_one_state(lab, part, record_property):
    chosen = lab.points[part::PARTS]
    hit = 0
    for point in chosen:
        site = lab.site()
        hit += kill_at(site, point).status != 0
        lab.check(site, f"killed at {point}")
        shutil.rmtree(site.root)
    record_property("killed", f"at {hit} of {len(chosen)} calls, {len(lab.points)} found")
    assert hit > 0.9 * len(chosen)
