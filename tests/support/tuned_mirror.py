"""tuxmirror with other time-outs and another clock: tuned_mirror '{"limits": …, "now": …}' ARGV.

Only the wiring differs; the command line, use-cases and adapters are the program's own. With
`"publisher": "copying"` it publishes as a mirror must not, to show that tests notice.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Collection
from pathlib import Path

from tuxmirror.adapters.curl import CurlTransport
from tuxmirror.adapters.curl_jobs import Limits
from tuxmirror.adapters.publisher import FilePublisher
from tuxmirror.cli import main, wiring
from tuxmirror.core.config import Config
from tuxmirror.core.publication import Publication
from tuxmirror.core.site import SitePart
from tuxmirror.core.snapshot import File
from tuxmirror.ports import Reporter
from tuxmirror.usecases.context import Mirror


def tune(settings: dict[str, object]) -> None:
    original = wiring.make_mirror
    limits, now = settings["limits"], settings["now"]
    ca_file = settings.get("ca_file")
    backoff = settings.get("backoff")
    if backoff is not None:
        _wait_at_most(float(str(backoff)))

    if settings.get("skew"):
        _be_wrong_by(float(str(settings["skew"])))

    def make_mirror(config: Config, reporter: Reporter) -> Mirror:
        mirror = original(config, reporter)
        if limits or ca_file:
            transport = CurlTransport(
                wiring._roots(config),
                config.parallel,
                Limits(**(limits or {})),
                ca_file=Path(ca_file) if ca_file else None,
            )
            mirror = mirror._replace(transport=transport)
        if now is not None:
            mirror = mirror._replace(clock=lambda: float(now))
        if mirror.executor is not None and backoff is not None:
            mirror.executor._connect = float(str(backoff))
        if settings.get("publisher") == "copying":
            mirror.publisher.__class__ = CopyingPublisher
        return mirror

    wiring.make_mirror = make_mirror


def _wait_at_most(seconds: float) -> None:
    """Between attempts at a request to a store; as many of them as ever."""
    from botocore.retries.standard import ExponentialBackoff

    original = ExponentialBackoff.delay_amount

    def delay_amount(self: ExponentialBackoff, context: object) -> float:
        return min(seconds, original(self, context))

    ExponentialBackoff.delay_amount = delay_amount


def _be_wrong_by(seconds: float) -> None:
    """The clock by which requests to a store are signed."""
    from datetime import timedelta

    from botocore import auth

    original = auth.get_current_datetime
    auth.get_current_datetime = lambda *a, **k: original(*a, **k) + timedelta(seconds=seconds)


class CopyingPublisher(FilePublisher):
    """Copies files one by one to where customers are looking."""

    def published(self, channel: str, tree: str) -> Publication | None:
        return None

    def publish(
        self,
        channel: str,
        tree: str,
        publication: Publication,
        files: Collection[File],
        extras: dict[str, bytes],
        site: Collection[SitePart] = (),
    ) -> None:
        place = (self._public / channel).resolve() / tree
        for file in files:
            target = place / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            shutil.copyfile(self._pool.path(file.sha256), target)
        for name, data in extras.items():
            (place / name).write_bytes(data)

    def tidy(self, tree: str) -> None:
        return None


if __name__ == "__main__":
    tune(json.loads(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
