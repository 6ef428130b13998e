"""tuxmirror with other time-outs and another clock: tuned_mirror '{"limits": …, "now": …}' ARGV.

Only the wiring differs; the command line, use-cases and adapters are the program's own.
"""

from __future__ import annotations

import json
import sys

from tuxmirror.adapters.curl import CurlTransport
from tuxmirror.adapters.curl_jobs import Limits
from tuxmirror.cli import main, wiring
from tuxmirror.core.config import Config
from tuxmirror.ports import Reporter
from tuxmirror.usecases.context import Mirror


def tune(settings: dict[str, object]) -> None:
    original = wiring.make_mirror
    limits, now = settings["limits"], settings["now"]

    def make_mirror(config: Config, reporter: Reporter) -> Mirror:
        mirror = original(config, reporter)
        if limits:
            transport = CurlTransport(wiring._roots(config), config.parallel, Limits(**limits))
            mirror = mirror._replace(transport=transport)
        if now is not None:
            mirror = mirror._replace(clock=lambda: float(now))
        return mirror

    wiring.make_mirror = make_mirror


if __name__ == "__main__":
    tune(json.loads(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
