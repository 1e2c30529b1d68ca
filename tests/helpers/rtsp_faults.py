"""What goes wrong between a reader and an RTSP server: a proxy that loses, reorders and damages, and a mute server."""

import random
import re
import socket
import threading
from collections import Counter
from contextlib import suppress
from types import TracebackType
from typing import Self

_RTP_HEADER = 12


class MuteServer:
    """Takes every connection and never says a word. `connections` counts them."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._taken: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, name="mute-server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _hang_up(self._listener, *self._taken)
        self._thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._taken.append(connection)


class ChaosProxy:
    """Stands before an RTSP server; what it does to RTP may be changed while it runs.

    Attributes:
        udp_loss, udp_reorder: share of RTP packets over UDP that are dropped, or come after the next one.
        tcp_corrupt: share of RTP packets over TCP of which some bytes of payload are changed.
        timestamp_shift: is added to the RTP time of packets over TCP, units of 1/90000 s: a sender's clock that jumps.
        flowing: while it is not set, TCP from the server is held back, and delivered late.
        seen: counts of "udp", "lost", "reordered", "corrupted", "connections".
    """

    def __init__(
        self, server_port: int, *, udp_loss: float = 0.0, udp_reorder: float = 0.0, tcp_corrupt: float = 0.0
    ) -> None:
        self.udp_loss, self.udp_reorder, self.tcp_corrupt = udp_loss, udp_reorder, tcp_corrupt
        self.timestamp_shift = 0
        self.flowing = threading.Event()
        self.flowing.set()
        self.seen: Counter[str] = Counter()
        self.random = random.Random(1)
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = [self._listener]
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self.spawn(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flowing.set()
        _hang_up(*self._sockets)
        for thread in self._threads:
            thread.join()

    def cut(self) -> None:
        """Break all connections; new ones are taken."""
        _hang_up(*self._sockets[1:])
        del self._sockets[1:]

    def spawn(self, work, *arguments) -> None:
        thread = threading.Thread(target=work, args=arguments, name="chaos-proxy", daemon=True)
        self._threads.append(thread)
        thread.start()

    def own(self, *sockets: socket.socket) -> None:
        self._sockets.extend(sockets)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._server_port))
                except OSError:
                    client.close()
                    continue
                self.seen["connections"] += 1
                self.own(client, server)
                connection = _Connection(self, client, server)
                self.spawn(connection.to_server)
                self.spawn(connection.to_client)

    def damage(self, packet: bytearray) -> bytearray:
        """Change an RTP packet that goes over TCP."""
        if self.timestamp_shift:
            timestamp = int.from_bytes(packet[4:8], "big") + self.timestamp_shift
            packet[4:8] = (timestamp % 2**32).to_bytes(4, "big")
        if len(packet) > 40 and self.random.random() < self.tcp_corrupt:
            self.seen["corrupted"] += 1
            for _ in range(8):
                packet[self.random.randrange(_RTP_HEADER + 4, len(packet))] ^= self.random.randrange(1, 256)
        return packet


class _Connection:
    """One reader's connection: RTSP and RTP over TCP, and the pairs of UDP ports that it agrees on."""

    def __init__(self, proxy: ChaosProxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy, self.client, self.server = proxy, client, server
        self.client_ports: bytes = b""
        self.own_ports: bytes = b""
        self.pair: tuple[socket.socket, socket.socket] | None = None
        self.server_ports = (0, 0)

    def to_server(self) -> None:
        with suppress(OSError):
            while request := self.client.recv(65536):
                if found := re.search(rb"client_port=(\d+)-(\d+)", request):
                    self._open_pair(found)
                    request = request.replace(self.client_ports, self.own_ports)
                self.server.sendall(request)
        _hang_up(self.client, self.server, *(self.pair or ()))

    def to_client(self) -> None:
        with suppress(OSError):
            stream = self.server.makefile("rb")
            while first := stream.read(1):
                self.proxy.flowing.wait()
                self.client.sendall(self._interleaved(stream) if first == b"$" else self._answer(first, stream))
        _hang_up(self.client, self.server, *(self.pair or ()))

    def _interleaved(self, stream) -> bytes:
        """RFC 2326, 10.12: $, channel, length, packet; even channels carry RTP."""
        head = stream.read(3)
        packet = bytearray(stream.read(int.from_bytes(head[1:3], "big")))
        return b"$" + head + (self.proxy.damage(packet) if head[0] % 2 == 0 else packet)

    def _answer(self, first: bytes, stream) -> bytes:
        answer = first + stream.readline()
        while (line := stream.readline()) not in (b"\r\n", b""):
            answer += line
        answer += line
        if self.pair and (found := re.search(rb"server_port=(\d+)-(\d+)", answer)):
            self.server_ports = (int(found[1]), int(found[2]))
            own = b"server_port=%d-%d" % tuple(end.getsockname()[1] for end in self.pair)
            answer = answer.replace(self.own_ports, self.client_ports).replace(found[0], own)
        if found := re.search(rb"content-length: *(\d+)", answer, re.IGNORECASE):
            answer += stream.read(int(found[1]))
        return answer

    def _open_pair(self, found: re.Match[bytes]) -> None:
        """Take a pair of ports of our own, which the server sends to."""
        pair = _udp_pair(self.proxy.random)
        self.pair = pair
        self.proxy.own(*pair)
        self.client_ports = found[0]
        self.own_ports = b"client_port=%d-%d" % tuple(end.getsockname()[1] for end in pair)
        self.proxy.spawn(self._relay, pair[0], int(found[1]), 0)
        self.proxy.spawn(self._relay, pair[1], int(found[2]), 1)

    def _relay(self, own: socket.socket, client_port: int, channel: int) -> None:
        held: bytes | None = None
        with suppress(OSError):
            while True:
                packet, sender = own.recvfrom(65536)
                if sender is None:  # shut down
                    return
                if sender[1] == client_port:
                    own.sendto(packet, ("127.0.0.1", self.server_ports[channel]))
                    continue
                if channel == 0:
                    self.proxy.seen["udp"] += 1
                    if self.proxy.random.random() < self.proxy.udp_loss:
                        self.proxy.seen["lost"] += 1
                        continue
                    if held is None and self.proxy.random.random() < self.proxy.udp_reorder:
                        self.proxy.seen["reordered"] += 1
                        held = packet
                        continue
                own.sendto(packet, ("127.0.0.1", client_port))
                if held is not None:
                    own.sendto(held, ("127.0.0.1", client_port))
                    held = None


def _udp_pair(chance: random.Random) -> tuple[socket.socket, socket.socket]:
    """Two UDP sockets on neighbouring ports, the first one even, as RTP has them."""
    while True:
        port = chance.randrange(20_000, 60_000, 2)
        pair = tuple(socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        try:
            for offset, end in enumerate(pair):
                end.bind(("127.0.0.1", port + offset))
                end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        except OSError:
            _hang_up(*pair)
            continue
        return pair


def _hang_up(*sockets: socket.socket) -> None:
    """Shutting down wakes a thread that is inside accept, recv or recvfrom; closing alone does not."""
    for one in sockets:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
