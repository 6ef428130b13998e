"""A mirror of the standard tree whose vetted channel soaks, and what tests of policies ask it."""

from __future__ import annotations

import gzip
import json
import re
import time
from pathlib import Path
from typing import Any

import createrepo_c

from .httpd import Httpd
from .keys import Keys
from .mirror import TREE, MirrorSite, Run, run

DAY = 86400
REPOS = "BaseOS AppStream CRB extras"
NOW = int(time.time())


class VettingSite(MirrorSite):
    """A MirrorSite with what these tests ask again and again."""

    def call(self, *arguments: str, status: int = 0) -> Run:
        self.write_conf()
        done = run(self.command(*arguments), self.environment)
        assert done.status == status, done
        return done

    def later(self, days: float, *arguments: str, status: int = 0) -> Run:
        """A sync so many days after the first one."""
        self.now = NOW + days * DAY
        done = self.sync("--json", *arguments)
        assert done.status == status, done
        return done

    def listed(self, repo: str, kind: str = "primary", channel: str = "vetted") -> str:
        """The text of a metadata file that customers get; empty where there is none."""
        os_dir = self.public / channel / TREE / repo / "x86_64/os"
        for record in createrepo_c.Repomd(str(os_dir / "repodata/repomd.xml")).records:
            if record.type == kind:
                return gzip.decompress((os_dir / record.location_href).read_bytes()).decode()
        return ""

    def offered(self, channel: str = "vetted") -> set[str]:
        """File names of what the metadata lists; more may still be there for the grace time."""
        texts = [self.listed(repo, channel=channel) for repo in REPOS.split()]
        return {name for text in texts for name in re.findall(r'href="Packages/([^"]+)"', text)}

    def manifest(self, channel: str = "vetted") -> dict[str, Any]:
        path = self.public / channel / TREE / "SNAPSHOT.json"
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    def plan(self, *arguments: str, status: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.call("plan", TREE, "--json", *arguments, status=status).stdout
        )
        return found


def make_site(root: Path, server: Httpd, keys: Keys) -> VettingSite:
    root.mkdir(exist_ok=True)
    site = VettingSite(root)
    site.main["signing_key"] = keys.operator.fingerprint
    site.main["gnupghome"] = keys.operator.homedir
    site.main["max_age"] = "never"
    upstream = f"{server.url}/9.2"
    site.add_tree(TREE, keys.almalinux, upstream=upstream, repos=REPOS, policy="default")
    site.trees["policy/default"] = {"soak": "7d"}
    site.now = NOW
    return site


def follow_vetted(host: Any, server: Httpd, keys: Keys) -> None:
    """The host takes the vetted channel of TREE alone, and looks at each signature."""
    key = host.trust(keys.almalinux)
    operator = host.trust(keys.operator, "/etc/pki/rpm-gpg/RPM-GPG-KEY-operator")
    host.run("rm -f /etc/yum.repos.d/*")
    for repo in REPOS.split():
        baseurl = f"{server.url}/vetted/{TREE}/{repo}/x86_64/os/"
        both = f"file://{key} file://{operator}"
        host.add_repo(repo.lower(), baseurl, gpgkey=both, repo_gpgcheck=1)
