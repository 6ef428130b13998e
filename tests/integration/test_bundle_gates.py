"""Each gate of `import` and `prune` is what stops the bad input: without it, the bad input passes.

Mutants of the program, run in this process: the same input that the whole program refuses.
"""

import json
import shutil

import pytest

from tests.support.bundles import alter, call, shown
from tests.support.crash import damaged
from tests.support.mirror import TREE
from tuxmirror.adapters import bundle_copy, bundle_directory, keyring, rpm_verifier
from tuxmirror.cli import main
from tuxmirror.ports import Verified
from tuxmirror.usecases import importing, prune

pytest_plugins = ("tests.support.mirror_fixtures", "tests.support.bundle_fixtures")


@pytest.fixture
def bundle(home_master, tmp_path):
    shutil.copytree(home_master.bundle, tmp_path / "bundle")
    return tmp_path / "bundle"


def take(site, bundle):
    site.write_conf()
    return main(["-c", str(site.conf), "import", "-q", str(bundle)])


def redate(bundle):
    """The manifest says something else, and its signature is of before."""
    path = bundle / "BUNDLE.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "created": 1}))


def test_the_manifests_signature(far, bundle, monkeypatch):
    redate(bundle)
    assert take(far, bundle) == 4
    whole = keyring.GpgKeyring.verify_detached

    def trusting(self, data, signature):
        if b"tuxmirror-bundle" in data:
            return next(iter(self.fingerprints))
        return whole(self, data, signature)

    monkeypatch.setattr(keyring.GpgKeyring, "verify_detached", trusting)
    assert take(far, bundle) == 0


def test_the_digest_of_each_content(far, bundle, monkeypatch):
    """Of a file that nothing else looks into."""
    document = json.loads(json.loads((bundle / "BUNDLE.json").read_text())["trees"][0]["record"])
    listed = document["repositories"]["BaseOS/x86_64"]["files"]
    lines = (bundle / "contents" / listed[:2] / listed).read_text().splitlines()
    [sha] = [line.split()[0] for line in lines if "-other.xml" in line]
    alter(bundle / "contents" / sha[:2] / sha)
    assert take(far, bundle) == 4
    for module in (bundle_copy, bundle_directory):
        monkeypatch.setattr(module, "check", lambda *_: None)
    assert take(far, bundle) == 0
    assert damaged(far) == [sha]


def test_the_snapshot_that_a_bundle_builds_upon(far, home_master, tmp_path, monkeypatch):
    """Without it the error would come later, and say less."""
    call(home_master, "export", TREE, "-o", str(tmp_path / "whole"))
    path = tmp_path / "whole" / "BUNDLE.json"
    document = json.loads(path.read_text())
    document["trees"][0]["since"] = "0" * 16
    path.write_text(json.dumps(document))
    monkeypatch.setattr(keyring.GpgKeyring, "verify_detached", _operator(home_master))
    assert take(far, tmp_path / "whole") == 5
    monkeypatch.setattr(importing.BundleSource, "_check_base", lambda self: None)
    assert take(far, tmp_path / "whole") == 0


def _operator(site):
    return lambda self, data, signature: site.main["signing_key"]


def test_the_packages_own_signatures(far, bundle, keys, monkeypatch):
    far.add_tree(TREE, keys.stranger, upstream="http://127.0.0.1:1/9.2")
    monkeypatch.setattr(keyring.GpgKeyring, "verify_detached", lambda *_: keys.stranger.fingerprint)
    assert take(far, bundle) == 4, "the metadata's signature is taken, the packages' is not"

    class Blind:
        def __init__(self, _keyring):
            self._all = []

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def submit(self, package, path):
            self._all.append(Verified(package, path, None))

        def results(self):
            return iter(())

        def finish(self):
            return iter(self._all)

    monkeypatch.setattr(rpm_verifier, "RpmVerifier", Blind)
    assert take(far, bundle) == 0


def test_what_a_channel_shows_is_not_pruned(far, bundle, monkeypatch):
    assert take(far, bundle) == 0
    current = shown(far)
    argv = ["-c", str(far.conf), "prune", "-q", "--snapshot", current]
    assert main(argv) == 5
    monkeypatch.setattr(prune, "_channels_of", lambda *_: [])
    monkeypatch.setattr(prune, "_needed_for", lambda *_: None)
    assert main(argv) == 0
    assert not (far.store / "snapshots" / TREE / f"{current}.json").exists()
