"""The arguments of `tuxctl prepare-image`."""

import argparse

from tuxctl.commands import Adder, Command


def add(adder: Adder) -> None:
    text = "give up what makes this host unique, before it becomes a template"
    parser = adder.add("prepare-image", text, _make, network=True)
    parser.add_argument("--local", action="store_true", help="do not tell the registration service")


def _make(arguments: argparse.Namespace) -> Command:
    from tuxctl.image import prepare

    return lambda context: prepare(context, arguments.local)
