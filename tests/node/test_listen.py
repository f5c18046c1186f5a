import socket

import pytest

from headwater.core.errors import OperatorError
from headwater.node.listen import listen, port_of


def test_a_free_port_is_found_and_can_be_connected_to():
    with listen("127.0.0.1", 0, "http.port") as sock:
        assert port_of(sock) > 0
        socket.create_connection(("127.0.0.1", port_of(sock)), timeout=5).close()


def test_a_taken_port_is_named():
    with listen("127.0.0.1", 0, "http.port") as sock:
        port = port_of(sock)
        with pytest.raises(OperatorError, match=rf"rtmp.port = {port}.*the port is taken"):
            listen("127.0.0.1", port, "rtmp.port")


def test_an_address_that_is_not_ours_is_named():
    with pytest.raises(OperatorError, match=r"cannot listen on 192\.0\.2\.1"):
        listen("192.0.2.1", 0, "http.port")


def test_a_name_that_does_not_resolve_is_named():
    with pytest.raises(OperatorError, match=r"cannot listen on no-such-host\.invalid"):
        listen("no-such-host.invalid", 0, "http.port")
