"""The plugin's questions to dnf, put to what 4.7, 4.14 and 4.20 look like (dnf_versions.json)."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tuxcare import dnf_versions

RECORD = json.loads((Path(__file__).parent / "dnf_versions.json").read_text())
SPECS = ["openssl", "nss"]
CHANGING = ["install", "upgrade", "remove", "reinstall", "swap", "downgrade", "distro-sync",
            "autoremove", "history"]  # fmt: skip
READING = ["repoquery", "mark"]

each_version = pytest.mark.parametrize("version", sorted(RECORD))


def make_cli(version, name):
    """A Cli as that version has it once `dnf NAME openssl nss` is parsed and configured."""
    record = RECORD[version]
    command = record["commands"][name]
    options = {}
    for argument, action in command["arguments"].items():
        if action.endswith("ParseSpecGroupFileCallback"):
            options.update({argument: SPECS, "pkg_specs": SPECS, "filenames": [], "grp_specs": []})
        else:
            options[argument] = {"remove_spec": "openssl", "install_spec": "nss"}.get(
                argument, SPECS
            )
    return SimpleNamespace(
        demands=SimpleNamespace(**{**record["demands"], **command["demands"]}),
        command=SimpleNamespace(aliases=tuple(command["aliases"]), opts=SimpleNamespace(**options)),
    )


@each_version
@pytest.mark.parametrize("name", CHANGING)
def test_commands_that_change_packages_are_filtered(version, name):
    assert dnf_versions.is_resolving(make_cli(version, name))


@each_version
@pytest.mark.parametrize("name", READING)
def test_commands_that_only_read_are_not(version, name):
    assert not dnf_versions.is_resolving(make_cli(version, name))


@each_version
@pytest.mark.parametrize("demanded", [True, False])
def test_a_command_that_asks_for_filtering_itself_is_heard(version, demanded):
    cli = make_cli(version, "repoquery" if demanded else "install")
    cli.demands.plugin_filtering_enabled = demanded
    assert dnf_versions.is_resolving(cli) is demanded


@each_version
def test_a_demand_that_is_not_there_counts_as_not_said(version):
    cli = make_cli(version, "install")
    del cli.demands.plugin_filtering_enabled  # before 4.2.17
    assert dnf_versions.is_resolving(cli)


@pytest.mark.parametrize("cli", [None, SimpleNamespace(command=None)], ids=["API", "automatic"])
def test_without_a_command_everything_resolves(cli):
    assert dnf_versions.is_resolving(cli)
    assert dnf_versions.command_specs(cli) == []
    assert not dnf_versions.is_reinstall(cli)


@each_version
@pytest.mark.parametrize("name", ["install", "upgrade", "reinstall", "downgrade", "distro-sync"])
def test_what_is_asked_for_is_read_from_the_command_line(version, name):
    assert set(dnf_versions.command_specs(make_cli(version, name))) == set(SPECS)


@each_version
def test_swap_names_one_to_come_and_one_to_go(version):
    cli = make_cli(version, "swap")
    assert dnf_versions.command_specs(cli) == ["nss"]
    assert dnf_versions.command_removals(cli) == ["openssl"]
    assert dnf_versions.command_removals(make_cli(version, "remove")) == SPECS


@each_version
def test_only_reinstall_is_reinstall(version):
    found = [
        n for n in RECORD[version]["commands"] if dnf_versions.is_reinstall(make_cli(version, n))
    ]
    assert found == ["reinstall"]


@each_version
def test_every_action_that_brings_or_takes_a_package_is_known(version):
    """dnf_adapter adds REINSTALLED: no version counts it as backward."""
    actions = RECORD[version]["actions"]
    assert set(actions["FORWARD_ACTIONS"]) == {
        "INSTALL", "DOWNGRADE", "OBSOLETE", "UPGRADE", "REINSTALL",
    }  # fmt: skip
    assert set(actions["BACKWARD_ACTIONS"]) == {"DOWNGRADED", "OBSOLETED", "UPGRADED", "REMOVE"}


@each_version
def test_what_is_used_beyond_the_api_is_there(version):
    assert set(RECORD[version]["names"]) == {
        "_goal", "_ds_callback", "_is_local_pkg", "localPkg", "_format_resolve_problems",
        "_run_pre_config", "_run_config", "run_sack", "run_resolved", "run_pre_transaction",
    }  # fmt: skip
