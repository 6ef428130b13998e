"""support-bundle: what is in it, and above all what is not."""

import json
import stat
import tarfile
from http.server import BaseHTTPRequestHandler

import pytest

from tests.integration.conftest import LICENCE
from tests.support.background import Background
from tests.support.client_root import TOKEN
from tuxctl import aws, scrub

OLD_TOKEN = "tux_" + "Z9" * 20
SECRETS = {
    "proxy password": "pr0xypass",
    "repository password": "rep0pass",
    "URL password": "urlpass",
    "private key": "MIIEvSecretBytes",
    "bearer": "abcdefBearerValue",
    "licence": LICENCE,
    "other licence": "ESA-QQQQ2345WWWW6789EEEE",
    "earlier token": OLD_TOKEN,
    "machine id": "0123456789abcdef0123456789abcdef",
}


@pytest.fixture(autouse=True)
def no_instance_service(monkeypatch):
    monkeypatch.setattr(aws, "SERVICE", "http://127.0.0.1:1")


@pytest.fixture
def littered(register, client_root, registration):
    """A registered host with secrets where hosts have them."""
    register("--fips")
    token = client_root.read(TOKEN).strip()
    url = f"{registration.url}/almalinux/9.2"
    client_root.write(
        "var/log/dnf.librepo.log",
        f"GET {url}/{token}/BaseOS/x86_64/os/repodata/repomd.xml\n"
        f"GET {url}/{OLD_TOKEN}/BaseOS/x86_64/os/\nAuthorization: Bearer {SECRETS['bearer']}\n",
    )
    client_root.write(
        "var/log/dnf.log",
        f"DDEBUG Command: tuxctl -l {LICENCE} --force\nkey {SECRETS['other licence']}\n"
        f"machine {SECRETS['machine id']}\n",
    )
    client_root.write(
        "etc/dnf/dnf.conf",
        "[main]\nproxy=http://user:urlpass@proxy:3128\nproxy_password = pr0xypass\n",
    )
    client_root.write(
        "etc/yum.repos.d/site.repo",
        "[site]\nbaseurl=https://u:urlpass@site.example/x\npassword=rep0pass\n",
    )
    client_root.write(
        "etc/dnf/plugins/odd.conf",
        f"-----BEGIN RSA PRIVATE KEY-----\n{SECRETS['private key']}\n"
        "-----END RSA PRIVATE KEY-----\n",
    )
    return client_root


def unpack(path):
    with tarfile.open(str(path)) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


def test_no_secret_is_in_the_archive(littered, tuxctl, tmp_path):
    token = littered.read(TOKEN).strip()
    path = tmp_path / "bundle.tar.gz"
    done = tuxctl("support-bundle", "--output", str(path))
    assert done.status == 0, done.err
    members = unpack(path)
    everything = b"\n".join(members.values()) + "\n".join(members).encode() + done.out.encode()
    for name, secret in dict(SECRETS, token=token).items():
        assert secret.encode() not in everything, name
    # It is not clean because it is empty.
    log = members["tuxctl-support/logs/dnf.librepo.log"].decode()
    assert "/almalinux/9.2/<token>/BaseOS/x86_64/os/repodata/repomd.xml" in log
    assert "/almalinux/9.2/********/BaseOS/" in log
    assert b"proxy=http://********@proxy:3128" in members["tuxctl-support/files/etc/dnf/dnf.conf"]
    repo = members["tuxctl-support/files/etc/yum.repos.d/almalinux-baseos.repo"].decode()
    assert repo == littered.read("etc/yum.repos.d/almalinux-baseos.repo")
    assert "tuxctl-support/files/var/lib/tuxcare/journal/journal.json" in members
    assert json.loads(members["tuxctl-support/status.json"].decode())["registered"] is True
    assert json.loads(members["tuxctl-support/verify.json"].decode())["rows"]
    assert "tuxctl-support/commands/packages" in members


def test_it_is_listed_before_it_is_written_and_for_root_alone(littered, tuxctl, tmp_path):
    path = tmp_path / "bundle.tar.gz"
    listed = tuxctl("support-bundle", "--dry-run", "-o", str(path))
    assert listed.status == 0
    assert "files/etc/tuxcare/tuxcare.conf" in listed.out
    assert not path.exists()
    done = tuxctl("support-bundle", "-o", str(path))
    assert done.out.splitlines()[-1] == f"Written: {path}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    names = [line.split(None, 1)[1] for line in done.out.splitlines()[:-1]]
    assert ["tuxctl-support/" + name for name in names] == list(unpack(path))


def test_a_file_that_is_there_is_not_written_over(littered, tuxctl, tmp_path):
    path = tmp_path / "bundle.tar.gz"
    path.write_text("precious")
    done = tuxctl("support-bundle", "-o", str(path))
    assert done.status == 6
    assert "File exists" in done.err
    assert path.read_text() == "precious"


def test_json_names_the_members(littered, tuxctl, tmp_path):
    path = tmp_path / "bundle.tar.gz"
    document = json.loads(tuxctl("support-bundle", "--json", "-o", str(path)).out)
    assert document["file"] == str(path)
    assert {item["name"] for item in document["members"]} >= {"summary.json", "status.json"}
    assert json.loads(tuxctl("support-bundle", "--json", "--dry-run").out)["file"] is None


def test_a_secret_that_slips_through_stops_it(littered, tuxctl, tmp_path, monkeypatch):
    """The second look does not rely on the first."""
    monkeypatch.setattr(scrub, "clean", lambda text, secrets: text)
    path = tmp_path / "bundle.tar.gz"
    done = tuxctl("support-bundle", "-o", str(path))
    assert done.status == 4
    assert "would hold" in done.err
    assert not path.exists()


def test_a_host_that_is_not_registered_has_one_too(tuxctl, tmp_path):
    path = tmp_path / "bundle.tar.gz"
    assert tuxctl("support-bundle", "-o", str(path)).status == 0
    members = unpack(path)
    assert json.loads(members["tuxctl-support/status.json"].decode())["registered"] is False


def test_a_damaged_host_has_one_too(littered, tuxctl, tmp_path):
    """Support looks at hosts that are broken."""
    littered.write("var/lib/tuxcare/registration.json", "{")
    littered.write(TOKEN, "damaged-but-secret\n")
    path = tmp_path / "bundle.tar.gz"
    done = tuxctl("support-bundle", "-o", str(path))
    assert done.status == 0, done.err
    members = unpack(path)
    assert "not JSON" in json.loads(members["tuxctl-support/status.json"].decode())["error"]
    assert b"damaged-but-secret" not in b"".join(members.values())


def test_long_logs_are_cut_at_a_line(littered, tuxctl, tmp_path):
    littered.write("var/log/dnf.log", "".join(f"line {n:09}\n" for n in range(100000)))
    path = tmp_path / "bundle.tar.gz"
    assert tuxctl("support-bundle", "-o", str(path)).status == 0
    log = unpack(path)["tuxctl-support/logs/dnf.log"]
    assert len(log) <= 1024 * 1024
    assert log.startswith(b"line ")
    assert log.endswith(b"line 000099999\n")


# -- AWS -------------------------------------------------------------------------------------------


class InstanceService(Background):
    """169.254.169.254 as an instance sees it; `version` 1 knows no session tokens."""

    def __init__(self, version, body=b'{"accountId": "123456789012", "region": "us-east-1"}'):
        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self):
                wanted = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds")
                self.answer(*((200, b"session") if version == 2 and wanted else (404, b"")))

            def do_GET(self):
                session = self.headers.get("X-aws-ec2-metadata-token")
                if self.path != "/latest/dynamic/instance-identity/document":
                    self.answer(404, b"")
                elif version == 2 and session != "session":
                    self.answer(401, b"")
                else:
                    self.answer(200, body)

            def answer(self, status, data):
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        super().__init__(Handler)


@pytest.mark.parametrize("version", [1, 2])
def test_the_aws_account_is_in_it(tuxctl, tmp_path, monkeypatch, version):
    with InstanceService(version) as service:
        monkeypatch.setattr(aws, "SERVICE", service.url)
        path = tmp_path / "bundle.tar.gz"
        done = tuxctl("support-bundle", "-o", str(path))
    assert "AWS account: 123456789012" in done.out
    summary = json.loads(unpack(path)["tuxctl-support/summary.json"].decode())
    assert summary["aws_account"] == "123456789012"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"accountId": "<script>"}', b"{}", b"null"])
def test_an_odd_instance_service_is_none(body):
    with InstanceService(2, body) as service:
        assert aws.account_id(service.url) is None


def test_offline_nobody_is_asked(tuxctl, tmp_path, monkeypatch):
    monkeypatch.setattr(aws, "account_id", lambda *_: pytest.fail("asked"))
    assert tuxctl("support-bundle", "--offline", "-o", str(tmp_path / "b.tar.gz")).status == 0


def test_by_default_it_lands_here(tuxctl, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert tuxctl("support-bundle").status == 0
    (file,) = tmp_path.glob("tuxctl-support-*")
    assert file.name.endswith("Z.tar.gz")
