"""Where dnf 4.7 (EL8), 4.14 (EL9) and 4.20 (EL10) differ, as far as the plugin is concerned.

Nothing of dnf is imported: the rest of the plugin asks these functions about the objects it got.
tests/unit/test_dnf_versions.py holds what each version's objects look like.
"""

TYPE_CHECKING = False  # reading commands pay for this module; dnf does without typing
if TYPE_CHECKING:
    from typing import Any, List


def is_resolving(cli: "Any") -> bool:
    """Whether what runs will resolve, so that the pins must filter.

    Without cli (API) and without a command (dnf-automatic) it does. Where the demand
    `plugin_filtering_enabled` is not there (before 4.4) or None, it is as `resolving` says.
    """
    if cli is None or getattr(cli, "command", None) is None:
        return True
    filtering = getattr(cli.demands, "plugin_filtering_enabled", None)
    return bool(cli.demands.resolving if filtering is None else filtering)


def is_reinstall(cli: "Any") -> bool:
    """Whether the command is `reinstall`, for which what is installed does not count."""
    return "reinstall" in getattr(getattr(cli, "command", None), "aliases", ())


def command_specs(cli: "Any") -> "List[str]":
    """What the command line names to be installed or upgraded."""
    return _options(cli, "pkg_specs", "packages", "package", "install_spec")


def command_removals(cli: "Any") -> "List[str]":
    """What the command line names to be removed, among other things."""
    return _options(cli, "pkg_specs", "remove_spec")


def _options(cli: "Any", *names: str) -> "List[str]":
    """Arguments of the command; commands and versions call them differently."""
    options = getattr(getattr(cli, "command", None), "opts", None)
    found = []  # type: List[str]
    for name in names:
        value = getattr(options, name, None) or []
        found += [value] if isinstance(value, str) else [v for v in value if isinstance(v, str)]
    return found
