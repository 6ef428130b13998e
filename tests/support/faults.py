"""Trouble at a chosen operation of the client's door to the machine. Runs on Python 3.6 too."""

import errno
import os

from tuxcare.errors import StorageError
from tuxctl.system import System


class Killed(BaseException):
    """The process is gone: nothing after this happens, clean-up neither."""


class FaultySystem(System):
    """A System whose n-th changing operation fails, once or for good.

    Args:
        fail_at: this operation finds the disk full; later ones work.
        kill_at: the process dies at this operation; `after`: once it took effect.

    Attributes:
        done: how many changing operations there were.
    """

    def __init__(self, root, fail_at=None, kill_at=None, after=False):
        super().__init__(root)
        self.done = 0
        self._fail_at = fail_at
        self._kill_at = kill_at
        self._after = after

    def kill(self):
        """The process dies now."""
        self._kill_at = self.done
        raise Killed

    def _operation(self, do):
        self.done += 1
        if self._fail_at == self.done:
            raise StorageError(os.strerror(errno.ENOSPC))
        dead = self._kill_at is not None and self.done >= self._kill_at
        if dead and not (self._after and self.done == self._kill_at):
            raise Killed
        result = do()
        if dead:
            raise Killed
        return result

    def write(self, path, data, attributes):
        self._operation(lambda: super(FaultySystem, self).write(path, data, attributes))

    def remove(self, path):
        self._operation(lambda: super(FaultySystem, self).remove(path))

    def make_directory(self, path, mode=0o755):
        self._operation(lambda: super(FaultySystem, self).make_directory(path, mode))

    def remove_directory(self, path):
        self._operation(lambda: super(FaultySystem, self).remove_directory(path))

    def run(self, argv, *arguments, **options):
        return self._operation(lambda: super(FaultySystem, self).run(argv, *arguments, **options))
