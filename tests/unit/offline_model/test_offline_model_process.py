"""The command: it says where it is ready, and ends quietly."""

import signal
import socket
import subprocess
import sys

import pytest


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_quietly(ending: signal.Signals):
    command = [sys.executable, "-m", "offline_model"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout and server.stderr
        port = int(server.stdout.readline().rsplit(":", 1)[1].removesuffix("/v1\n"))
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            server.send_signal(ending)
            assert server.wait(10) == 0
        assert (server.stdout.read(), server.stderr.read()) == ("", "")


def test_a_taken_port_is_an_error_that_names_it():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "offline_model", "--port", str(port)]
        server = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert server.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in server.stderr
    assert "Traceback" not in server.stderr
