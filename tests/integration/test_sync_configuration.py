"""`tuxmirror sync` with a configuration that is wrong: it names the place, and touches nothing."""

import tempfile
from pathlib import Path

import pytest

from tests.support.mirror import TREE, MirrorSite, fingerprint

pytest_plugins = ("tests.support.mirror_fixtures",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[main]\nparalel = 3\n", ["[main]", "unknown key 'paralel'", "did you mean 'parallel'?"]),
        ("[almalinux/9.2]\nrepo = BaseOS\n", ["[almalinux/9.2]", "did you mean 'repos'?"]),
        ("[mian]\n", ["[mian]", "unknown section", "did you mean 'main'?"]),
        ("[main]\ngrace = 48\n", ["[main] grace = 48", "such as 48h"]),
        ("[main]\nstore = var/lib\n", ["[main] store = var/lib", "absolute"]),
        ("[almalinux/9.2]\nrepos = BaseOS\narches = x86_64\n", ["'gpgkey' is missing"]),
        ("store = /x\n", ["mirror.conf"]),
        ("[almalinux/../9.2]\n", ["'..' cannot be the name of a tree"]),
        ("", ["no tree is configured"]),
    ],
)
def test_configuration_errors_name_the_place_and_the_nearest(tmp_path, text, words):
    site = MirrorSite(tmp_path)
    site.write_conf()
    if text.startswith("[main]"):
        text = text.replace("[main]", f"[main]\npublic = {tmp_path}/public", 1)
    site.write_conf = lambda: site.conf.write_text(text)
    run = site.sync()
    assert run.status == 2, run
    for word in words:
        assert word in run.stderr, run
    assert "Traceback" not in run.stderr
    assert site.fingerprint() == {}


def test_missing_configuration_file_is_named(tmp_path):
    site = MirrorSite(tmp_path)
    site.write_conf = lambda: None
    run = site.sync()
    assert run.status == 2, run
    assert str(site.conf) in run.stderr


def test_unknown_tree_on_the_command_line_names_the_nearest(site):
    run = site.sync("almalinux/9.3", "--json")
    assert run.status == 2, run
    assert run.error["way_out"] == "did you mean 'almalinux/9.2'?"


@pytest.mark.parametrize("content", [None, b"", b"no key"])
def test_unusable_key_file_is_a_configuration_error(site, tmp_path, content):
    key = tmp_path / "RPM-GPG-KEY-none"
    if content is not None:
        key.write_bytes(content)
    site.trees[TREE]["gpgkey"] = key
    run = site.sync("--json")
    assert run.status == 2, run
    assert str(key) in run.error["message"]
    assert site.fingerprint() == {}


def test_fingerprint_that_is_not_in_the_key_file_is_a_configuration_error(site, keys):
    site.trees[TREE]["fingerprints"] = keys.stranger.fingerprint
    run = site.sync("--json")
    assert run.status == 2, run
    assert run.error["found"] == keys.stranger.fingerprint
    assert run.error["expected"] == keys.almalinux.fingerprint


def test_store_on_another_file_system_than_public_is_refused(site):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        assert Path(other).stat().st_dev != site.root.stat().st_dev
        site.main["store"] = other
        run = site.sync("--json")
        assert run.status == 2, run
        assert run.error["message"] == "store and public are on different file systems"
        assert "pool" not in {
            path.split("/")[0] for path in fingerprint(Path(other)) if "/" in path
        }
    assert site.fingerprint() == {}
