"""Connects standard input and output to a host by the worker's relay: how git reaches git:// addresses
(git-config(1), `core.gitProxy`) and ssh its hosts (ssh_config(5), `ProxyCommand`).

    python -IS dial.py HOST PORT [NAME]

NAME is what ssh was told to connect to, where its configuration knows the host by another name. It connects
nowhere else. Run as a file, and from the standard library alone: it has to start as fast as Python can.
"""

import os
import socket
import sys
import threading

RELAY = "HOOKFETCH_RELAY"  # its port
_PIECE = 256 * 1024
_WELL = b"\5\2\1\0\5\0"  # how the answers to greeting, password and request begin (RFC 1928, RFC 1929)
_REST = 8  # bytes of the last one: from which address it is connected


def _dialled(host: str, port: str, name: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", int(os.environ[RELAY])))
    user = b"\5\1\2\1" + _counted(name) + _counted("-")  # there is no password, but a place for it
    connection.sendall(user + b"\5\1\0\3" + _counted(host) + int(port).to_bytes(2, "big"))
    if _exactly(connection, len(_WELL)) != _WELL:
        sys.exit(f"{host}:{port} was not connected")  # the worker knows why
    _exactly(connection, _REST)
    return connection


def _counted(text: str) -> bytes:
    data = text.encode()
    return bytes((len(data),)) + data


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := connection.recv(size - len(data))):
        data += piece
    return data


def _receive(connection: socket.socket) -> None:
    try:
        while piece := connection.recv(_PIECE):
            view = memoryview(piece)
            while view:
                view = view[os.write(1, view) :]
    except OSError:
        pass  # the reader has gone, or the relay: to be seen by the end of what is written
    os.close(1)


def main() -> None:
    """Pass on what comes from both sides until both have ended."""
    host, port, *name = sys.argv[1:]
    with _dialled(host, port, name[0] if name else host) as connection:
        receiving = threading.Thread(target=_receive, args=(connection,), daemon=True)
        receiving.start()
        try:
            while piece := os.read(0, _PIECE):
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            # What git says in parting is not to end it by a signal, whether or not anyone hears it.
            while os.read(0, _PIECE):
                pass
        receiving.join()


if __name__ == "__main__":
    main()
