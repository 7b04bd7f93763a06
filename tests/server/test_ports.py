import socket

import pytest
from triton_rag_server import PortInUseError, ServerStartError
from triton_rag_server.ports import reserved_ports

HOST = "127.0.0.1"


def test_zero_becomes_a_free_port_for_each_service() -> None:
    with reserved_ports(HOST, {"HTTP": 0, "gRPC": 0}) as ports:
        assert 0 not in ports.values()
        assert len(set(ports.values())) == 2


def test_a_reserved_port_is_given_to_nobody_else_but_its_server_may_listen() -> None:
    with reserved_ports(HOST, {"HTTP": 0}) as ports:
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind((HOST, ports["HTTP"]))
        with socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind((HOST, ports["HTTP"]))
            server.listen()


def test_a_port_that_somebody_listens_on_is_refused_with_its_number() -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"gRPC port {port}"), reserved_ports(HOST, {"gRPC": port}):
            pass


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ServerStartError, match=r"192\.0\.2\.1"), reserved_ports("192.0.2.1", {"HTTP": 0}):
        pass
