"""Runs dnf in children of a process that has dnf loaded: `python forked_dnf.py`, a job on stdin.

Start and imports are most of what a short dnf command costs, the same with a plugin and without,
and most of the noise: two of them 10 ms apart by themselves hide a difference of 2 ms. What a
plugin adds, its own imports among it, comes after. For dnf's own interpreter; standard library.

The job is {"rounds", "arguments", "options"}: `dnf OPTIONS ARGUMENTS` against `dnf ARGUMENTS`, by
turns first. Out come rounds of [with options, without], each [processor seconds, seconds, status].
"""

import json
import os
import pkgutil
import sys
import time

import dnf.cli.commands
import dnf.cli.main


def main():
    job = json.load(sys.stdin)
    for module in pkgutil.iter_modules(dnf.cli.commands.__path__):
        __import__("dnf.cli.commands." + module.name)
    rounds = []
    # The first one warms up.
    for number in range(job["rounds"] + 1):
        found = {}
        for options in (True, False)[:: -1 if number % 2 else 1]:
            arguments = job["options"] * options + job["arguments"]
            found[options] = run(arguments)
        if number:
            rounds.append([found[True], found[False]])
    json.dump(rounds, sys.stdout)


def run(arguments):
    started = time.monotonic()
    child = os.fork()
    if not child:
        _become(arguments)
    _, status, usage = os.wait4(child, 0)
    processor = usage.ru_utime + usage.ru_stime
    return [processor, time.monotonic() - started, os.WEXITSTATUS(status)]


def _become(arguments):
    """Ends the process; nothing of the parent's runs in it."""
    status = 70
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nowhere, stream)
        status = dnf.cli.main.user_main(arguments)
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
