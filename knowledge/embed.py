"""Vectors for texts, by any OpenAI-compatible embeddings endpoint."""

from collections.abc import Iterator
from itertools import islice
from urllib.parse import urlsplit

import openai

DIMENSIONS = 1536
"""The length of every vector: the width of the database's vector column."""

BATCH = 64
"""How many texts one request carries."""

_TIMEOUT_SECONDS = 60.0
_LONGEST_REASON = 300
# What the client raises when the answer is a web page, or JSON of another form.
_NOT_EMBEDDINGS = (openai.OpenAIError, ValueError, TypeError, AttributeError)
_SHORTENED_MODELS = "text-embedding-3"


class EmbeddingFailed(Exception):
    """The endpoint gave no vectors. The message says why and what to do, never the key; `status` is HTTP's, if any."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Embedder:
    """Asks one endpoint for vectors of one model. Close it with `aclose()`."""

    def __init__(self, base_url: str, api_key: str, model: str) -> None:
        """`base_url` is the endpoint's root (it ends with `/v1` as a rule); `model` the name of its embedding model."""
        self._host = urlsplit(base_url).hostname or "the endpoint"
        self._key = api_key
        self._model = model
        self._client = openai.AsyncOpenAI(base_url=base_url, api_key=api_key, timeout=_TIMEOUT_SECONDS, max_retries=2)

    async def embed(self, texts: list[str]) -> list[list[float]]:
        """Return the vector of each text in order: 1536 floats each.

        Raises `EmbeddingFailed` for an empty text, when the endpoint refuses or cannot be reached, and when its
        vectors have another length.
        """
        empty = next((place for place, text in enumerate(texts) if not text.strip()), None)
        if empty is not None:
            raise EmbeddingFailed(f"Text {empty} of {len(texts)} is empty: leave it out.")
        return [vector for batch in _batches(texts) for vector in await self._embed_batch(batch)]

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _embed_batch(self, batch: list[str]) -> list[list[float]]:
        # Only these models can be told how long their vectors shall be; others refuse the parameter.
        wanted = DIMENSIONS if self._model.startswith(_SHORTENED_MODELS) else openai.omit
        try:
            answer = await self._client.embeddings.create(model=self._model, input=batch, dimensions=wanted)
        except openai.APIStatusError as error:
            raise self._refused(error) from None
        except openai.APIConnectionError as error:
            raise EmbeddingFailed(
                f"{self._host} cannot be reached ({type(error).__name__}): check the base URL and the network."
            ) from None
        except _NOT_EMBEDDINGS as error:
            raise EmbeddingFailed(
                f"{self._host} gave no embeddings ({type(error).__name__}): check the base URL, as a rule .../v1."
            ) from None
        vectors = [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
        return self._checked(vectors, len(batch))

    def _checked(self, vectors: list[list[float]], expected: int) -> list[list[float]]:
        if len(vectors) != expected:
            raise EmbeddingFailed(f"{self._host} gave {len(vectors)} vectors for {expected} texts.")
        other = next((len(vector) for vector in vectors if len(vector) != DIMENSIONS), None)
        if other is not None:
            raise EmbeddingFailed(
                f"The model {self._model} gives vectors of {other} numbers, but {DIMENSIONS} are stored: choose a "
                f"model with {DIMENSIONS}, such as text-embedding-3-small."
            )
        return vectors

    def _refused(self, error: openai.APIStatusError) -> EmbeddingFailed:
        """Return the error for an HTTP status; what the endpoint says about a wrong key may quote the key."""
        status = error.status_code
        if status in (401, 403):
            return EmbeddingFailed(f"{self._host} refused the API key (HTTP {status}): check the key.", status)
        reason = error.message.replace(self._key, "***") if self._key else error.message
        return EmbeddingFailed(f"{self._host} refused to embed (HTTP {status}): {reason[:_LONGEST_REASON]}", status)


def _batches(texts: list[str]) -> Iterator[list[str]]:
    rest = iter(texts)
    while batch := list(islice(rest, BATCH)):
        yield batch
