"""A TCP proxy whose connections are cut under their users, anywhere inside an event."""

import random
import socket
import struct
import threading


class CuttingProxy:
    """Passes bytes on; each connection that carried `cut_after()` bytes down is reset."""

    def __init__(self, port, seed, smallest, largest, cuts):
        self.target = ("127.0.0.1", port)
        self.random = random.Random(seed)
        self.bounds = (smallest, largest)
        self.cuts_left = cuts
        self.cuts = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.open = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        for connection in list(self.open):
            connection.close()

    def _accept(self):
        while True:
            try:
                down, _ = self.listener.accept()
            except OSError:
                return
            try:
                up = socket.create_connection(self.target, 5)
            except OSError:
                down.close()
                continue
            up.settimeout(None)
            self.open |= {down, up}
            threading.Thread(target=self._pass, args=(down, up), daemon=True).start()
            threading.Thread(target=self._pass_and_cut, args=(up, down), daemon=True).start()

    def _pass(self, source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def _pass_and_cut(self, up, down):
        left = self.random.randint(*self.bounds)
        try:
            while data := up.recv(65536):
                with self.lock:
                    is_cut = len(data) >= left and self.cuts_left > 0
                    if is_cut:
                        self.cuts_left -= 1
                        self.cuts += 1
                if is_cut:
                    down.sendall(data[:left])
                    down.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    break
                down.sendall(data)
                left = max(1, left - len(data))
        except OSError:
            pass
        finally:
            for connection in (up, down):
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                connection.close()
                self.open.discard(connection)


class RecordingProxy(CuttingProxy):
    """Cuts nothing, and keeps what clients have sent, write by write."""

    def __init__(self, port):
        super().__init__(port, 0, 1, 1, 0)
        self.sent = []

    def _pass(self, source, sink):
        class Kept:
            sendall, shutdown = sink.sendall, sink.shutdown

            def recv(_, size):
                data = source.recv(size)
                self.sent.append(data)
                return data

        super()._pass(Kept(), Kept())
