"""A way to Valkey that can be cut, frozen and made to lose replies."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import gevent
from gevent import socket
from gevent.event import Event as Signal
from gevent.server import StreamServer


class Proxy:
    """Forwards bytes between the code and Valkey, as long as it is told to.

    Attributes:
        url: What the code connects to.
        connections: How many have been opened so far.
    """

    def __init__(self, url: str, path: Path) -> None:
        self.url = f"unix://{quote(str(path))}"
        self.connections = 0
        self.lost = Signal()
        self._target = unquote(urlsplit(url).path)
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._flowing = Signal()
        self._flowing.set()
        self._refuses = False
        self._losing = b""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(100)
        self._server = StreamServer(listener, self._serve)
        self._server.start()

    def freeze(self) -> None:
        """Let nothing through, either way, from now on."""
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    def cut(self) -> None:
        """End every connection there is."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                _end(end)

    def refuse(self) -> None:
        """Cut, and take no new connection."""
        self._refuses = True
        self.cut()

    def accept(self) -> None:
        self._refuses = False

    def lose_reply_to(self, command: bytes) -> None:
        """The next connection that sends this is cut when Valkey has answered, before the answer is passed on."""
        self.lost.clear()
        self._losing = command

    def close(self) -> None:
        self._flowing.set()
        self._server.stop(timeout=0)
        self.cut()

    def _serve(self, client: socket.socket, _address: object) -> None:
        if self._refuses:
            _end(client)
            return
        self.connections += 1
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._target)
        self._pairs.append((client, server))
        answers = gevent.spawn(self._pass_answers, client, server)
        self._pass_commands(client, server)
        answers.join()

    def _pass_commands(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while data := client.recv(65536):
                self._flowing.wait()
                server.sendall(data)
        except OSError:
            pass
        finally:
            _end(server)

    def _pass_answers(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while data := server.recv(65536):
                self._flowing.wait()
                client.sendall(data)
        except OSError:
            pass
        finally:
            _end(client)


class Forgetful(Proxy):
    """Loses replies: reads a command, waits for its answer, and cuts the connection instead of passing it on."""

    def _pass_commands(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while data := client.recv(65536):
                self._flowing.wait()
                if self._losing and self._losing in data:
                    self._losing = b""
                    self._swallowing = server
                server.sendall(data)
        except OSError:
            pass
        finally:
            _end(server)

    def _pass_answers(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while data := server.recv(65536):
                self._flowing.wait()
                if self._swallowing is server:
                    self._swallowing = None
                    self.lost.set()
                    break
                client.sendall(data)
        except OSError:
            pass
        finally:
            _end(client)

    _swallowing: socket.socket | None = None


def _end(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@contextmanager
def proxied(url: str, path: Path) -> Iterator[Forgetful]:
    proxy = Forgetful(url, path)
    try:
        yield proxy
    finally:
        proxy.close()
