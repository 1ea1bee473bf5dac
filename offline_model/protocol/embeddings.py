"""Embeddings: OpenAI's `POST /v1/embeddings`, as numbers or as base64 of little-endian 32-bit floats."""

import base64
import sys
from array import array
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from offline_model import MODEL_ID
from offline_model.protocol.errors import refused
from offline_model.text.token_count import token_count
from offline_model.text.vectors import DIMENSIONS, embed

_MOST_TEXTS = 2048


def _as_texts(value: Any) -> Any:
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list) and any(isinstance(text, int | list) for text in value):
        raise ValueError("this model reads text, not token numbers; send texts")
    return value


class EmbeddingsRequest(BaseModel):
    """The fields of an embeddings request."""

    model: str
    input: Annotated[list[Annotated[str, Field(min_length=1)]], BeforeValidator(_as_texts)] = Field(
        min_length=1, max_length=_MOST_TEXTS
    )
    dimensions: int | None = Field(default=DIMENSIONS, ge=1, le=DIMENSIONS)
    encoding_format: Literal["float", "base64"] | None = "float"


def embeddings(body: Any) -> dict[str, Any]:
    """Return the response to an embeddings request's body; raise `ApiError` for a bad one."""
    try:
        request = EmbeddingsRequest.model_validate(body)
    except ValidationError as error:
        raise refused(error) from None
    tokens = sum(map(token_count, request.input))
    vectors = [array("f", embed(text, request.dimensions or DIMENSIONS)) for text in request.input]
    encode = _base64 if request.encoding_format == "base64" else _numbers
    data = [
        {"object": "embedding", "index": index, "embedding": encode(vector)} for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": MODEL_ID, "usage": usage}


def _numbers(vector: "array[float]") -> list[float]:
    return vector.tolist()


def _base64(vector: "array[float]") -> str:
    if sys.byteorder == "big":
        vector.byteswap()
    return base64.b64encode(vector.tobytes()).decode("ascii")
