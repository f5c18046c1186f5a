"""Listening sockets, bound by us so that a taken port is named and port 0 can be read back."""

import errno
import socket

from headwater.core.errors import OperatorError

BACKLOG = 4096
"""Connections the kernel holds before we accept: a wave of viewers joins at once."""


def listen(address: str, port: int, setting: str) -> socket.socket:
    """A non-blocking listening TCP socket on `address`:`port` (0: any free port).

    Raises:
        OperatorError: the port is taken or the address is not ours; names `setting`.
    """
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise OperatorError(f"{setting}: cannot listen on {address}: {error.strerror}") from None
    sock = socket.socket(family, kind, protocol)
    try:
        # Restarting must not wait for old connections to leave TIME_WAIT.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(target)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise OperatorError(_reason(address, port, setting, error)) from None
    sock.setblocking(False)  # noqa: FBT003 - the standard library's signature
    return sock


def port_of(sock: socket.socket) -> int:
    """The port that the socket listens on."""
    return int(sock.getsockname()[1])


def _reason(address: str, port: int, setting: str, error: OSError) -> str:
    where = f"{setting} = {port}: cannot listen on {address}:{port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where}: the port is taken; stop what uses it or set {setting} to another"
    if error.errno == errno.EACCES:
        return f"{where}: not allowed; ports below 1024 need extra rights"
    return f"{where}: {error.strerror}"
