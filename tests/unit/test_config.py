"""The configuration reader: every key, and errors that name the place and the nearest."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuxmirror.core import config
from tuxmirror.core.errors import ConfigError
from tuxmirror.core.policy import rules

TREE = """
[almalinux/9.2]
repos = BaseOS AppStream
arches = x86_64, aarch64
gpgkey = /etc/pki/rpm-gpg/RPM-GPG-KEY-AlmaLinux-9
"""
MAIN = "[main]\nupstream = https://repo.example.org/almalinux/\n"
FINGERPRINT = "BF18 AC28 7617 8908 D6E7  1267 D36C B86C B86B 3716"


def parse(text):
    return config.parse(text, "tuxmirror.conf")


def tree(*lines, main=MAIN):
    return parse(main + TREE + "\n".join(lines)).tree("almalinux/9.2")


def refused(text):
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return str(caught.value)


def test_defaults():
    read = parse("")
    assert read.store == Path("/var/lib/tuxmirror")
    assert read.public == Path("/srv/tuxmirror")
    assert (read.parallel, read.grace, read.max_age) == (16, 48 * 3600, 72 * 3600)
    assert (read.database, read.trees) == ("sqlite", {})


def test_every_key_of_main():
    read = parse(
        """[main]
        store = /a/store
        public = /a/public
        upstream = http://u/x
        parallel = 4
        grace = 7d       ; a comment
        signing_key = """ + FINGERPRINT + """
        gnupghome = /g
        passphrase_file = /p
        database = postgresql://db/tux
        max_age = never
        mass_change = 12.5% and 7 packages
        """
    )  # fmt: skip
    assert (read.store, read.public) == (Path("/a/store"), Path("/a/public"))
    assert (read.parallel, read.grace, read.max_age) == (4, 7 * 86400, 0)
    assert read.signing_key == FINGERPRINT.replace(" ", "")
    assert read.mass_change == config.MassChange(12.5, 7)


def test_tree_takes_its_upstream_from_main():
    read = tree()
    assert read.upstream == ("https://repo.example.org/almalinux/9.2",)
    assert read.repositories == (
        "BaseOS/x86_64", "BaseOS/aarch64", "AppStream/x86_64", "AppStream/aarch64",
    )  # fmt: skip
    assert (read.metadata_signature, read.open) == ("required", False)


def test_every_key_of_a_tree():
    read = tree(
        "upstream = https://a/9.2/ http://b/9.2",
        "mirrorlist = https://m/9.2/{repo}",
        f"fingerprints = {FINGERPRINT}",
        "open = yes",
        "max_age = 2w",
    )
    assert read.upstream == ("https://a/9.2", "http://b/9.2")
    assert read.mirrorlist == "https://m/9.2/{repo}"
    assert read.fingerprints == (FINGERPRINT.replace(" ", ""),)
    assert (read.open, read.max_age) == (True, 14 * 86400)


def test_local_tree():
    read = parse("[own/9.2/esu]\ntype = local\nsource = /s\narches = x86_64\ngpgkey = /k\n")
    local = read.tree("own/9.2/esu")
    assert local.repositories == ("x86_64",)
    assert local.source == Path("/s")


def test_pinned_metadata_names_every_repository_once():
    pins = [f"{name}:{'a' * 64}" for name in tree().repositories]
    lines = ["metadata_signature = pinned", "repomd_sha256 = " + " ".join(pins)]
    assert set(tree(*lines).repomd_sha256) == set(tree().repositories)
    text = MAIN + TREE
    assert "every repository once" in refused(text + f"{lines[0]}\nrepomd_sha256 = {pins[0]}\n")
    assert "go together" in refused(text + lines[0])
    assert "go together" in refused(text + lines[1])
    assert "each repository once" in refused(f"{text}{lines[0]}\n{lines[1]} {pins[0]}\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[main]\nparalel = 1\n", ["[main]", "'paralel'", "did you mean 'parallel'?"]),
        (MAIN + TREE + "gpgkeys = /k\n", ["[almalinux/9.2]", "did you mean 'gpgkey'?"]),
        ("[mian]\n", ["[mian]", "unknown section", "did you mean 'main'?"]),
        ("[main]\n[main]\n", ["tuxmirror.conf", "main"]),
        ("[main]\ngrace = 1h\ngrace = 2h\n", ["tuxmirror.conf", "grace"]),
        ("nonsense\n", ["tuxmirror.conf"]),
        ("[main]\nparallel = 0\n", ["parallel = 0", "1 to 256"]),
        ("[main]\nparallel = 257\n", ["1 to 256"]),
        ("[main]\nparallel = many\n", ["1 to 256"]),
        ("[main]\nstore = here\n", ["store = here", "absolute path"]),
        ("[main]\nupstream = /srv\n", ["http or https URL"]),
        ("[main]\nupstream = http://h/x?a=b\n", ["no query"]),
        ("[main]\nupstream = file:///srv\n", ["http or https URL"]),
        ("[main]\nmass_change = 10%\n", ["10% and 50 packages"]),
        ("[main]\nsigning_key = B86B3716\n", ["whole fingerprint"]),
        ("[main]\ndatabase = mysql://x\n", ["sqlite or postgresql"]),
        ("[main]\nstore = /a\npublic = /a\n", ["inside the store"]),
        ("[main]\nstore = /a\npublic = /a/b\n", ["inside the store"]),
        ("[main]\nstore = /a/b\npublic = /a\n", ["store", "inside public"]),
        (TREE, ["[almalinux/9.2]", "no upstream"]),
        (MAIN + TREE.replace("arches =", ";arches ="), ["'arches' is missing"]),
        (MAIN + TREE.replace("repos =", ";repos ="), ["'repos' is missing"]),
        (MAIN + TREE.replace("gpgkey =", ";gpgkey ="), ["'gpgkey' is missing"]),
        (MAIN + TREE.replace("BaseOS", "Base/OS"), ["'Base/OS' cannot be"]),
        (MAIN + TREE.replace("BaseOS", "A" * 32), ["cannot be the name of a repository"]),
        (MAIN + TREE.replace("BaseOS", "AppStream"), ["AppStream", "twice"]),
        (MAIN + TREE.replace("x86_64,", "aarch64,"), ["aarch64", "twice"]),
        (MAIN + TREE.replace("almalinux/9.2", "almalinux/../9"), ["'..' cannot be"]),
        (MAIN + TREE.replace("almalinux/9.2", "almalinux//9"), ["'' cannot be"]),
        (MAIN + TREE + TREE.replace("9.2]", "9.2/x]"), ["[almalinux/9.2/x]", "lies inside"]),
        (MAIN + TREE + "open = perhaps\n", ["yes or no"]),
        (MAIN + TREE + "type = ftp\n", ["rpm-md, local"]),
        (MAIN + TREE + "mirrorlist = file:///x\n", ["mirrorlist", "http or https URL"]),
        (MAIN + TREE.rstrip() + " /b/RPM-GPG-KEY-AlmaLinux-9\n", ["gpgkey", "same name"]),
        (MAIN + TREE.rstrip() + " /b/TIME\n", ["gpgkey", "TIME"]),
        ("[own/9.2/esu]\ntype = local\narches = x86_64\ngpgkey = /k\n", ["'source' is missing"]),
    ],
)
def test_errors_name_the_place_and_the_way(text, words):
    message = refused(text)
    assert message.startswith("tuxmirror.conf") or "tuxmirror.conf" in message
    for word in words:
        assert word in message, message


def test_unknown_tree_names_the_nearest():
    with pytest.raises(ConfigError) as caught:
        parse(MAIN + TREE).tree("almalinux/9.3")
    assert caught.value.way_out == "did you mean 'almalinux/9.2'?"


@given(st.integers(0, 10**6), st.sampled_from("smhdw"), st.sampled_from(["", " "]))
def test_durations(number, unit, blank):
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[unit]
    assert config.duration(f"{number}{blank}{unit}") == number * seconds


@pytest.mark.parametrize(
    "text", ["", "48", "h", "-1h", "1.5h", "1h 2m", "1y", "\u0661h", "9" * 5000 + "h"]
)
def test_no_durations(text):
    with pytest.raises(ValueError):
        config.duration(text)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text):
    for candidate in (text, f"[main]\n{text}", MAIN + TREE + text, f"[{text}]\n"):
        try:
            parse(candidate)
        except ConfigError as error:
            assert error.exit_status == 2


@given(
    st.sampled_from(sorted(config._MAIN)) | st.sampled_from(sorted(config._TREE)),
    st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=40),
)
def test_any_value_is_read_or_refused(key, value):
    for candidate in (f"[main]\n{key} = {value}\n", f"{MAIN}{TREE}{key} = {value}\n"):
        try:
            parse(candidate)
        except ConfigError as error:
            assert "tuxmirror.conf" in str(error) or "tree" in str(error)


def test_a_mistyped_database_url_does_not_show_its_password():
    with pytest.raises(ConfigError) as caught:
        parse("[main]\ndatabase = postgres://tux:hunter2@db/tux\n")
    assert "database" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_an_unknown_key_is_an_error_also_without_a_value():
    with pytest.raises(ConfigError, match="unknown key 'storee'"):
        parse("[main]\nstoree =\n")


def test_buckets_and_what_stays_here():
    read = parse("[main]\nstore = s3://b-1/x/store\nlocal = /l\npublic = s3://b-1/x/public/\n")
    assert (str(read.store_bucket), str(read.public_bucket)) == (
        "s3://b-1/x/store",
        "s3://b-1/x/public",
    )
    assert read.store == Path("/l")
    assert parse("[main]\nstore = s3://bucket\n").store == Path("/var/lib/tuxmirror")
    assert parse("[main]\npublic = s3://bucket\n").store_bucket is None


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        (["store = s3://B/x"], "s3://BUCKET/PREFIX"),
        (["store = s3:///x"], "s3://BUCKET/PREFIX"),
        (["store = s3://bucket/a/../b"], "prefix"),
        (["store = s3://bucket/a b"], "prefix"),
        (["local = /l"], "only beside store = s3://"),
        (["store = s3://bucket/a", "public = s3://bucket/a/public"], "inside each other"),
        (["store = s3://bucket", "public = s3://bucket/public"], "inside each other"),
        (["workers = tcp://h:1"], "a store that all of them reach"),
        (["workers = local:8"], "up to four verify what came"),
        (["workers = http://x:1"], "tcp://HOST:8786"),
        (["workers = tcp://x"], "tcp://HOST:8786"),
    ],
)
def test_buckets_that_cannot_be_meant(lines, named):
    assert named in refused("\n".join(["[main]", *lines]))


def test_prefixes_side_by_side_are_fine():
    read = parse("[main]\nstore = s3://bucket/a\npublic = s3://bucket/ab\nworkers = tcp://h:8786\n")
    assert (read.public_bucket.prefix, read.workers) == ("ab", "tcp://h:8786")


# -- policies and channels -------------------------------------------------------------------------

SIGNED = "[main]\nsigning_key = " + "AB" * 20 + "\nupstream = https://u.example/a\n"
NINE = "[almalinux/9.2]\nrepos = BaseOS\narches = x86_64\ngpgkey = /k\n"


def test_a_policy_and_what_it_says_by_itself():
    text = SIGNED + NINE + "policy = default\n[policy/default]\n"
    found = config.parse(text).policies["default"]
    assert found == rules.Policy("default")
    assert not (found.soak or found.debug or found.source or found.newest or found.exclude)


def test_signed_csaf_needs_a_key():
    with pytest.raises(ConfigError, match="no key to sign with"):
        config.parse("[main]\ncsaf_signatures = yes\nupstream = https://u.example/a\n" + NINE)
    assert config.parse(SIGNED.replace("[main]\n", "[main]\ncsaf_signatures = yes\n", 1) + NINE)


def test_every_rule_of_a_policy():
    text = SIGNED + (
        "[policy/p]\nsoak = 7d\nfast_track = critical, cve-2023-38545\nnewest = 3\n"
        "arches = x86_64 i686\ndebug = yes\nsource = no\nexclude = kernel-rt* source:x\n"
    )
    assert config.parse(text).policies["p"] == rules.Policy(
        name="p",
        soak=7 * 86400,
        fast_track=("Critical", "CVE-2023-38545"),
        newest=3,
        arches=("x86_64", "i686"),
        debug=True,
        exclude=("kernel-rt*", "source:x"),
    )


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("[policy/p]\nsoek = 7d", "did you mean 'soak'?"),
        ("[policy/p]\nsoak = 7", "such as 48h"),
        ("[policy/p]\nfast_track = Hot", "no severity"),
        ("[policy/p]\nnewest = 0", "from 1 to 256"),
        ("[policy/p]\narches = x86-64", "no arch"),
        ("[policy/p]\nexclude = *", "names no packages"),
        ("[policy/]\nsoak = 7d", "cannot be the name"),
        ("[policy/p/q]\nsoak = 7d", "cannot be the name"),
        ("[channel/candidate]", "what was verified last"),
        ("[channel/vetted]\nfollows = canari\n[channel/canary]", "did you mean 'canary'?"),
        ("[channel/a]\nfollows = b\n[channel/b]\nfollows = a", "circle"),
        ("[channel/a]\nfollows = a", "circle"),
        ("[channel/a]\nsoak = 3d", "package by package"),
        ("[channel/a]\nfast_track = Critical", "soak =, and follows ="),
        ("[channel/a]\nfollows = b\nsoak = 1d\nfast_track = Critcal\n[channel/b]", "no severity"),
        (
            "[channel/a]\nfollows = b\nsoak = 1d\npolicy = p\nfast_track = Low\n[channel/b]\n"
            "[policy/p]",
            "fast_track = in the [policy/NAME]",
        ),
        ("[channel/a]\npolicy = defualt\n[policy/default]", "did you mean 'default'?"),
        ("[channel/a]\napproval = manual", "automatic, required"),
        (NINE + "policy = none", "there is no [policy/none]"),
    ],
)
def test_a_policy_or_channel_that_cannot_be_meant(section, told):
    with pytest.raises(ConfigError) as caught:
        config.parse(SIGNED + section)
    assert told in str(caught.value)


def test_what_a_policy_makes_has_to_be_signed():
    text = SIGNED.replace("signing_key", "; signing_key") + NINE + "policy = p\n[policy/p]\n"
    with pytest.raises(ConfigError, match="has to be signed") as caught:
        config.parse(text)
    assert "signing_key" in caught.value.expected


def test_channels_come_after_those_that_they_follow():
    text = "[channel/vetted]\nfollows = canary\nsoak = 2d\n[channel/canary]\n[channel/edge]\n"
    assert list(config.parse(SIGNED + text).channels) == ["canary", "edge", "vetted"]
    assert list(config.parse(SIGNED).channels) == ["vetted"]


def test_debug_and_source_repositories_of_a_tree():
    read = tree("also = debug source")
    assert read.repositories == (
        *("BaseOS/x86_64", "BaseOS/aarch64", "AppStream/x86_64", "AppStream/aarch64"),
        *("BaseOS/debug/x86_64", "BaseOS/debug/aarch64"),
        *("AppStream/debug/x86_64", "AppStream/debug/aarch64", "BaseOS/Source", "AppStream/Source"),
    )
    assert [read.place(name) for name in ("BaseOS/x86_64", "BaseOS/Source")] == [
        "BaseOS/x86_64/os/",
        "BaseOS/Source/",
    ]
    assert read.place("BaseOS/debug/x86_64") == "BaseOS/debug/x86_64/"


def test_a_flat_tree_has_one_repository_an_arch():
    read = parse(
        MAIN + "[tuxcare/9.2/esu]\nlayout = flat\narches = x86_64 s390x\ngpgkey = /k\n"
    ).tree("tuxcare/9.2/esu")
    assert read.repositories == ("x86_64", "s390x")
    assert read.place("x86_64") == "x86_64/"
    assert read.upstream == ("https://repo.example.org/almalinux/9.2/esu",)


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        (["also = iso"], "expected some of: debug, source"),
        (["also = debug debug"], "expected some of"),
        (["layout = flat"], "one repository an arch"),
        (["layout = round"], "expected one of: release, flat"),
    ],
)
def test_layouts_that_cannot_be_meant(lines, named):
    assert named in refused(MAIN + TREE + "\n".join(lines))


PIN = "a" * 64


def test_images_and_installation_trees_are_repositories():
    read = tree("images = isos cloud", f"kickstart = BaseOS/x86_64:{PIN} AppStream/x86_64:{PIN}")
    assert read.repositories[4:] == (
        *("BaseOS/x86_64/kickstart", "AppStream/x86_64/kickstart"),
        *("isos/x86_64", "isos/aarch64", "cloud/x86_64", "cloud/aarch64"),
    )
    assert read.place("BaseOS/x86_64/kickstart") == "BaseOS/x86_64/kickstart/"
    assert read.place("cloud/aarch64") == "cloud/aarch64/images/"
    alone = parse(MAIN + "[almalinux/9.2]\nimages = isos\narches = x86_64\ngpgkey = /k\n")
    assert alone.tree("almalinux/9.2").repositories == ("isos/x86_64",)


def test_pins_of_metadata_speak_of_packages():
    """Images have a signature of their own; an installation tree may have a pin here as well."""
    pins = [f"{name}:{PIN}" for name in tree().repositories]
    lines = ["metadata_signature = pinned", f"kickstart = BaseOS/x86_64:{PIN}", "images = isos"]
    for more in ("", f"BaseOS/x86_64/kickstart:{PIN}"):
        tree(*lines, f"repomd_sha256 = {' '.join(pins)} {more}")
    wrong = MAIN + TREE + "\n".join([*lines, f"repomd_sha256 = {' '.join(pins)} isos/x86_64:{PIN}"])
    assert "every repository once" in refused(wrong)


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        (["images = iso"], "expected some of: isos, live, cloud"),
        (["kickstart = BaseOS/x86_64"], "REPO/ARCH:SHA256"),
        ([f"kickstart = BaseOS/s390x:{PIN}"], "no repository of the tree"),
        ([f"kickstart = BasOS/x86_64:{PIN}"], "did you mean 'BaseOS/x86_64'?"),
        (["layout = flat", "images = isos"], "one repository an arch"),
    ],
)
def test_images_that_cannot_be_meant(lines, named):
    assert named in refused(MAIN + TREE + "\n".join(lines))


def test_a_repository_of_packages_is_not_called_like_a_folder_of_images():
    text = MAIN + "[almalinux/9.2]\nrepos = isos\narches = x86_64\ngpgkey = /k\n"
    assert "images = isos" in refused(text)


def test_workers_of_this_machine_or_of_others():
    bucket = "[main]\nstore = s3://bucket/store\n"
    for value in ("local:4", "tcp://scheduler:8786", "tls://scheduler:8786"):
        assert parse(f"{bucket}workers = {value}\n").workers == value
    assert parse(f"{bucket}worker_memory = 512M\n").worker_memory == 512 << 20
    for line in ("workers = local:0", "workers = local:", "workers = local", "worker_memory = 12M"):
        assert "expected" in refused(f"{bucket}{line}\n")
