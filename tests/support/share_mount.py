"""Bind a folder of this mount namespace into another one: share_mount.py PID FOLDER.

A plain bind mount cannot cross namespaces. A detached copy of the mount (open_tree) can be carried
over by its descriptor and attached there (move_mount). Run as a process of its own, because one
with threads may not enter a mount namespace.
"""

import ctypes
import os
import sys

OPEN_TREE, MOVE_MOUNT = 428, 429  # the same on all architectures
AT_FDCWD = -100
OPEN_TREE_CLONE = 1
AT_RECURSIVE = 0x8000
MOVE_MOUNT_F_EMPTY_PATH = 4
CLONE_NEWNS = 0x00020000

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def share(pid: int, folder: bytes) -> None:
    """Raises OSError when the kernel refuses."""
    flags = OPEN_TREE_CLONE | AT_RECURSIVE
    tree = _checked(_libc.syscall(OPEN_TREE, AT_FDCWD, folder, flags), "open_tree")
    root = os.open(f"/proc/{pid}/root", os.O_RDONLY)
    namespace = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
    _checked(_libc.setns(namespace, CLONE_NEWNS), "setns")
    os.fchdir(root)
    os.chroot(".")
    arguments = (tree, b"", AT_FDCWD, folder, MOVE_MOUNT_F_EMPTY_PATH)
    _checked(_libc.syscall(MOVE_MOUNT, *arguments), "move_mount")


if __name__ == "__main__":
    share(int(sys.argv[1]), os.fsencode(sys.argv[2]))
