"""AlmaLinux as it is: releases and architectures are names, and nothing more, to the mirror."""

import pytest

from tests.support.mirror import MirrorSite
from tests.support.rpms import RpmSpec, build_rpms
from tests.support.tree import UpstreamTree


@pytest.mark.parametrize(
    ("release", "arches", "repos"),
    [
        ("10.1", ("aarch64",), ("CRB",)),
        pytest.param(
            *("8.10", ("x86_64", "aarch64"), ("BaseOS", "PowerTools")), marks=pytest.mark.full
        ),
    ],
)
def test_a_host_of_each_kind_installs(tmp_path, keys, httpd, make_host, release, arches, repos):
    tree = UpstreamTree(tmp_path / "upstream", release, keys.almalinux)
    for repo in repos:
        for arch in arches:
            specs = [RpmSpec(f"tool-{repo.lower()}", arch=arch, release=f"1.el{release}")]
            if arch == "x86_64":
                specs.append(specs[0].but(arch="i686"))
            tree.add(repo, arch, specs)
    tree.publish()
    own = tmp_path / "own"
    specs = [RpmSpec("ours", arch=arch) for arch in arches]
    build_rpms(specs, own, key=keys.tuxcare)
    site = MirrorSite(tmp_path / "mirror")
    site.root.mkdir()
    words = " ".join(arches)
    site.add_tree(
        f"almalinux/{release}",
        keys.almalinux,
        upstream=f"{httpd(tree.root).url}/{release}",
        repos=" ".join(repos),
        arches=words,
    )
    site.add_local(f"tuxcare/{release}/esu", keys.tuxcare, own, arches=words)
    assert site.sync().status == 0
    served = httpd(site.public / "vetted").url
    for arch in arches:
        # No `_` in a host's name.
        host = make_host(f"host-{arch.partition('_')[0]}", release=release, arch=arch)
        host.trust(keys.almalinux)
        host.run("rm -f /etc/yum.repos.d/*.repo")
        key = "file:///etc/pki/rpm-gpg/" + "RPM-GPG-KEY-AlmaLinux-" + release.partition(".")[0]
        host.trust(keys.almalinux, key[len("file://") :])
        for repo in repos:
            base = f"{served}/almalinux/{release}/{repo}/{arch}/os/"
            host.write(
                f"/etc/yum.repos.d/{repo}.repo",
                f"[{repo}]\nname={repo}\nbaseurl={base}\ngpgcheck=1\nrepo_gpgcheck=1\n"
                f"gpgkey={key}\n",
            )
        esu = f"{served}/tuxcare/{release}/esu/{arch}/"
        tuxcare = f"{served}/tuxcare/{release}/esu/{keys.tuxcare.public.name}"
        host.write(
            "/etc/yum.repos.d/esu.repo",
            f"[esu]\nname=esu\nbaseurl={esu}\ngpgcheck=1\ngpgkey={tuxcare}\n",
        )
        names = [f"tool-{repo.lower()}" for repo in repos]
        host.dnf("-y", "install", "ours", *names)
        assert f"ours-1.0-1.el9.{arch}" in host.rpmdb()
        shown = host.dnf("-y", "repoquery", "--qf=%{name}.%{arch}", "tool-*").stdout.split()
        assert all(f"{name}.{arch}" in shown for name in names)
        assert any(line.endswith(".i686") for line in shown) == (arch == "x86_64")
