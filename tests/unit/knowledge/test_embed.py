"""Vectors from a real OpenAI-compatible server, and clear errors without the key."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from knowledge.embed import BATCH, DIMENSIONS, Embedder, EmbeddingFailed

KEY = "sk-very-secret"


@pytest.fixture(scope="session")
def model_url() -> Iterator[str]:
    command = [sys.executable, "-m", "offline_model", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout and server.stderr
        ready = server.stdout.readline()
        assert ready.startswith("offline model ready at "), server.stderr.read()
        yield ready.removeprefix("offline model ready at ").strip()
        server.terminate()
        server.wait(10)


class Endpoint(ThreadingHTTPServer):
    """A server that answers every request alike, and keeps what it was asked."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), AnswersAlike)
        self.status = status
        self.body = body
        self.asked: list[dict] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class AnswersAlike(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self):
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(self.server.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_):
        pass


@pytest.fixture
def endpoint():
    """Starts endpoints: `endpoint(status, body)`."""
    started: list[tuple[Endpoint, threading.Thread]] = []

    def start(status: int, body: object) -> Endpoint:
        server = Endpoint(status, body if isinstance(body, bytes) else json.dumps(body).encode())
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        started.append((server, thread))
        return server

    yield start
    for server, thread in started:
        server.shutdown()
        thread.join()
        server.server_close()


async def embed(url: str, texts: list[str], model: str = "m") -> list[list[float]]:
    embedder = Embedder(url, KEY, model)
    try:
        return await embedder.embed(texts)
    finally:
        await embedder.aclose()


def vectors(count: int, length: int) -> dict:
    data = [{"object": "embedding", "index": index, "embedding": [float(index)] * length} for index in range(count)]
    return {"object": "list", "model": "m", "data": data[::-1], "usage": {"prompt_tokens": 1, "total_tokens": 1}}


async def test_each_text_gets_its_vector_in_order(model_url: str):
    refund, again, lunch = await embed(
        model_url, ["A refund takes 5 days.", "A refund takes 5 days.", "Lunch at noon."]
    )
    assert len(refund) == DIMENSIONS == 1536
    assert all(isinstance(value, float) for value in refund)
    assert refund == again != lunch


async def test_many_texts_go_in_batches_and_come_back_in_order(model_url: str):
    texts = [f"Document number {number}" for number in range(2 * BATCH + 1)]
    together = await embed(model_url, texts)
    assert len(together) == len(texts)
    assert [together[place] for place in (0, BATCH, 2 * BATCH)] == await embed(model_url, texts[::BATCH])


async def test_no_texts_need_no_request(endpoint):
    server = endpoint(500, {})
    assert await embed(server.url, []) == []
    assert server.asked == []


async def test_a_request_carries_at_most_a_batch_and_asks_for_a_length_only_where_that_is_understood(endpoint):
    server = endpoint(200, vectors(BATCH, DIMENSIONS))
    await embed(server.url, ["x"] * BATCH, "some-model")
    await embed(server.url, ["x"] * BATCH, "text-embedding-3-large")
    assert [len(asked["input"]) for asked in server.asked] == [BATCH, BATCH]
    assert [asked.get("dimensions") for asked in server.asked] == [None, DIMENSIONS]


async def test_vectors_are_put_in_the_order_of_the_texts(endpoint):
    found = await embed(endpoint(200, vectors(3, DIMENSIONS)).url, ["a", "b", "c"])
    assert [vector[0] for vector in found] == [0.0, 1.0, 2.0]


async def test_an_empty_text_is_refused_before_anything_is_sent(model_url: str):
    with pytest.raises(EmbeddingFailed, match="Text 1 of 2 is empty"):
        await embed(model_url, ["a", " "])


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, {"error": {"message": f"Incorrect API key provided: {KEY}"}}, "refused the API key"),
        (400, {"error": {"message": f"model m is unknown to {KEY}"}}, r"HTTP 400.*model m is unknown to \*\*\*"),
        (200, vectors(1, DIMENSIONS), "gave 1 vectors for 2 texts"),
        (200, vectors(2, 3), "gives vectors of 3 numbers, but 1536 are stored"),
        (200, {"object": "list", "data": []}, "gave no embeddings"),
        (200, b"<html>", "gave no embeddings"),
        (200, {"hello": "world"}, "gave no embeddings"),
    ],
)
async def test_a_failing_endpoint_is_told_without_the_key(endpoint, status: int, body, says: str):
    with pytest.raises(EmbeddingFailed, match=says) as failed:
        await embed(endpoint(status, body).url, ["a", "b"])
    assert KEY not in str(failed.value)
    assert failed.value.status == (status if status != 200 else None)


async def test_an_endpoint_that_is_not_there_is_told(endpoint):
    server = endpoint(200, {})
    url = server.url
    server.server_close()
    with pytest.raises(EmbeddingFailed, match=r"127\.0\.0\.1 cannot be reached"):
        await embed(url, ["a"])
