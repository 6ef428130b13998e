"""tuxmirror: a vetted mirror of AlmaLinux.

core      pure rules: bytes and values in, values or errors out
ports     what the use-cases need from the world
adapters  the world: files, curl, gpg, rpm, createrepo_c, HTTP, databases
usecases  one module a command
cli       wires them together
"""

__version__ = "0.1.0"
