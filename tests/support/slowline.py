"""A proxy with a round trip and a bandwidth: kernels here have no netem.

    with SlowLine(("127.0.0.1", port), rtt=0.05, bits_per_second=100e6) as line:
        fetch(line.url)

Both are of the line, not of a connection: what one connection sends, another waits for.
"""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType

# What a line holds before the sender is made to wait, in bytes.
_IN_FLIGHT = 512 * 1024
_CHUNK = 16 * 1024


class _Direction:
    """One way of the line: a queue that drains at its bandwidth and arrives half a trip later."""

    def __init__(self, bits_per_second: float, delay: float) -> None:
        self._rate = bits_per_second / 8
        self._delay = delay
        self._free = 0.0

    def arrival(self, size: int, now: float) -> float:
        self._free = max(now, self._free) + size / self._rate
        return self._free + self._delay


class SlowLine:
    """Serves while the context lasts; `rtt` in seconds."""

    def __init__(self, target: tuple[str, int], rtt: float, bits_per_second: float) -> None:
        self._target = target
        self._ways = (_Direction(bits_per_second, rtt / 2), _Direction(bits_per_second, rtt / 2))
        self._rtt = rtt
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.url = ""

    def __enter__(self) -> SlowLine:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_CHUNK)
        )
        host, port = server.sockets[0].getsockname()
        self.url = f"http://{host}:{port}"
        self._ready.set()
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        server.close()
        self._loop.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A connection is made in one round trip.
        await asyncio.sleep(self._rtt)
        far_reader, far_writer = await asyncio.open_connection(*self._target, limit=_CHUNK)
        up, down = self._ways
        await asyncio.gather(
            self._pump(reader, far_writer, up), self._pump(far_reader, writer, down)
        )

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: _Direction
    ) -> None:
        room = asyncio.Semaphore(_IN_FLIGHT // _CHUNK)

        def deliver(data: bytes) -> None:
            room.release()
            if not writer.is_closing():
                writer.write(data)

        try:
            while data := await reader.read(_CHUNK):
                await room.acquire()
                now = self._loop.time()
                self._loop.call_at(way.arrival(len(data), now), deliver, data)
            await self._drained(room)
        except OSError:
            pass
        finally:
            writer.close()

    async def _drained(self, room: asyncio.Semaphore) -> None:
        for _ in range(_IN_FLIGHT // _CHUNK):
            await room.acquire()
