"""dnf's own configuration files, as far as tuxctl has to know them."""

import configparser
from typing import Dict

from tuxcare.errors import ConfigError
from tuxcare.host import HostPaths, read_text

MAIN = "/etc/dnf/dnf.conf"
PLUGIN = "/etc/dnf/plugins/tuxcare.conf"


def read_main(paths: HostPaths, path: str = MAIN) -> Dict[str, str]:
    """The [main] section of a file; empty where there is none, or where dnf alone minds it."""
    parser = configparser.ConfigParser(interpolation=None, default_section="", strict=False)
    try:
        parser.read_string(read_text(paths.join(path)) or "")
    except (PermissionError, ConfigError, configparser.Error):
        return {}
    return dict(parser["main"]) if parser.has_section("main") else {}
