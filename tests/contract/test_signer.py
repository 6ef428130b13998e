"""What every signer promises (ports.Signer), shown on gpg's."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import gnupg
import pytest

from tests.support import CHECKOUT
from tests.support.keys import SigningKey, _agent, _gpg
from tuxmirror.adapters.keyring import GpgKeyring
from tuxmirror.adapters.signer import GpgSigner, _agent_runs
from tuxmirror.core.errors import ConfigError, SignatureError

DOCUMENTS = [b"<repomd/>", b'{"id": 1}']
PASSPHRASE = "correct horse, battery"


@pytest.fixture(autouse=True)
def nothing_left_behind(tmp_path, monkeypatch):
    """No private home outlives a call, nor an agent in it."""
    folder = Path("/tmp", f"tx-{os.getpid()}-{time.monotonic_ns()}")
    folder.mkdir(mode=0o700)
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield
    # A key of the test's own may lie there too, where its path would be too long for gpg.
    left = sorted(path.name for path in folder.glob("tuxmirror-*"))
    agents = _agents(folder / "tuxmirror-")
    # One that was told to end has closed its socket, and is a moment from being gone.
    deadline = time.monotonic() + 10
    while agents and time.monotonic() < deadline:
        time.sleep(0.02)
        agents = _agents(folder / "tuxmirror-")
    shutil.rmtree(folder)
    assert left == []
    assert agents == []


def _agents(folder: Path) -> list[str]:
    """Command lines of living gpg-agents whose home is below a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if line.startswith("gpg-agent") and str(folder) in line:
            found.append(line)
    return found


@pytest.fixture(scope="module")
def locked_master(tmp_path_factory):
    """A key with a passphrase."""
    key = SigningKey.create(tmp_path_factory.mktemp("locked"), "Locked test")
    # Few rounds: a real key takes gpg a tenth of a second each time it is unlocked.
    (key.homedir / "gpg-agent.conf").write_text("s2k-count 65536\n")
    secret = (key.homedir / "secret.asc").read_bytes()
    shutil.rmtree(key.homedir / "private-keys-v1.d")
    with _agent(key.homedir):
        _gpg(key.homedir, "--passphrase", PASSPHRASE, "--import", stdin=secret)
        command = ["gpg", "--homedir", str(key.homedir), "--batch", "--pinentry-mode", "loopback"]
        command += ["--command-fd", "0", "--passwd", key.fingerprint]
        answer = f"{PASSPHRASE}\n".encode()
        subprocess.run(command, input=answer, check=True, capture_output=True)
    return key


@pytest.fixture
def locked(locked_master, tmp_path):
    """The same, and a file that holds the passphrase."""
    file = tmp_path / "passphrase"
    file.write_text(PASSPHRASE + "\n")
    file.chmod(0o600)
    return locked_master, file


def signer_of(key: SigningKey, passphrase_file: Path | None = None) -> GpgSigner:
    return GpgSigner(key.fingerprint, key.homedir, passphrase_file)


def assert_signed(key: SigningKey, signatures: list[bytes]) -> None:
    keyring = GpgKeyring([key.public])
    try:
        for data, signature in zip(DOCUMENTS, signatures, strict=True):
            assert signature.startswith(b"-----BEGIN PGP SIGNATURE-----")
            assert keyring.verify_detached(data, signature) == key.fingerprint
            with pytest.raises(SignatureError):
                keyring.verify_detached(data + b" ", signature)
    finally:
        keyring.close()


def test_signatures_are_the_keys_own(keys):
    assert_signed(keys.operator, signer_of(keys.operator).sign(DOCUMENTS))


def test_public_key_is_what_clients_need(keys, tmp_path):
    file = tmp_path / "key.asc"
    file.write_bytes(signer_of(keys.operator).public_key())
    keyring = GpgKeyring([file])
    assert keyring.fingerprints == {keys.operator.fingerprint}
    keyring.close()


def test_subkey_that_signs(tmp_path):
    key = SigningKey.create(tmp_path, "Subkey operator", subkey=True)
    assert_signed(key, signer_of(key).sign(DOCUMENTS))


def test_subkey_is_not_the_name_of_a_key(tmp_path):
    key = SigningKey.create(tmp_path, "Subkey operator", subkey=True)
    with pytest.raises(ConfigError, match="names a subkey") as caught:
        GpgSigner(key.signing_fingerprint, key.homedir).sign(DOCUMENTS)
    assert key.fingerprint in caught.value.expected


def test_passphrase_from_a_file(locked):
    key, file = locked
    assert_signed(key, signer_of(key, file).sign(DOCUMENTS))


def test_wrong_passphrase(locked):
    key, file = locked
    file.write_text("something else\n")
    with pytest.raises(ConfigError, match="not the passphrase") as caught:
        signer_of(key, file).sign(DOCUMENTS)
    assert "something else" not in str(caught.value)


def test_agent_that_knows_the_passphrase_makes_no_wrong_one_right(locked):
    key, file = locked
    gpg = gnupg.GPG(gnupghome=str(key.homedir))
    with _agent(key.homedir):
        assert gpg.sign(b"x", keyid=key.fingerprint, passphrase=PASSPHRASE).data
        file.write_text("something else\n")
        with pytest.raises(ConfigError, match="not the passphrase"):
            signer_of(key, file).sign(DOCUMENTS)


def test_no_passphrase_where_one_is_needed(locked):
    key, _ = locked
    with pytest.raises(ConfigError, match="has a passphrase") as caught:
        signer_of(key).sign(DOCUMENTS)
    assert "passphrase_file" in caught.value.expected


def test_operators_agent_is_used_and_left_alone(locked):
    key, _ = locked
    gpg = gnupg.GPG(gnupghome=str(key.homedir))
    with _agent(key.homedir):
        assert gpg.sign(b"x", keyid=key.fingerprint, passphrase=PASSPHRASE).data
        assert_signed(key, signer_of(key).sign(DOCUMENTS))
        assert _agent_runs(key.homedir)


def test_no_agent_is_left_in_the_operators_home(keys):
    signer_of(keys.operator).sign(DOCUMENTS)
    assert not _agent_runs(keys.operator.homedir)


def test_passphrase_file_that_others_can_read(locked):
    key, file = locked
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="others can read it") as caught:
        signer_of(key, file).sign(DOCUMENTS)
    assert "chmod 600" in caught.value.way_out


@pytest.mark.parametrize("text", ["", "\n", "\nsecond line\n"])
def test_empty_passphrase_file(locked, text):
    key, file = locked
    file.write_text(text)
    with pytest.raises(ConfigError, match="first line is empty"):
        signer_of(key, file).sign(DOCUMENTS)


def test_missing_passphrase_file(locked, tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        signer_of(locked[0], tmp_path / "none").sign(DOCUMENTS)


def test_missing_home(keys, tmp_path):
    with pytest.raises(ConfigError, match="no such directory"):
        GpgSigner(keys.operator.fingerprint, tmp_path / "none").sign(DOCUMENTS)


def test_another_key(keys):
    with pytest.raises(ConfigError, match="not in") as caught:
        GpgSigner(keys.stranger.fingerprint, keys.operator.homedir).sign(DOCUMENTS)
    assert caught.value.expected == keys.stranger.fingerprint
    assert keys.operator.fingerprint in caught.value.found


def test_public_half_alone(keys, tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    with _agent(home):
        _gpg(home, "--import", stdin=keys.operator.public.read_bytes())
    with pytest.raises(ConfigError, match="secret half"):
        GpgSigner(keys.operator.fingerprint, home).sign(DOCUMENTS)


def test_expired_key(tmp_path):
    key = SigningKey.create(tmp_path, "Old", expires="seconds=60", created="20200101T000000")
    with pytest.raises(ConfigError, match="has expired"):
        signer_of(key).sign(DOCUMENTS)


def test_revoked_key(tmp_path):
    key = SigningKey.create(tmp_path, "Revoked")
    key.revoke()
    with pytest.raises(ConfigError, match="was revoked"):
        signer_of(key).sign(DOCUMENTS)


def test_signature_that_does_not_hold_is_not_given(keys, monkeypatch):
    """Mutant: gpg says that all went well, and signed something else."""
    real = GpgSigner._signed
    monkeypatch.setattr(GpgSigner, "_signed", lambda self, g, data, p: real(self, g, b"other", p))
    with pytest.raises(SignatureError, match="does not hold"):
        signer_of(keys.operator).sign(DOCUMENTS)


def test_agent_ends_when_its_process_is_killed(keys):
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "import tuxmirror.adapters.signer as s\n"
        f"with s._home(Path({str(keys.operator.homedir)!r}), private=True) as home:\n"
        "    print(home, flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT / "mirror")},
    )
    home = Path(process.stdout.readline().strip())
    assert _agents(home)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 60
    while _agents(home) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _agents(home) == []
    shutil.rmtree(home)
