"""Embeddings over the wire, and whether texts of like wording are close."""

import base64
import math
import struct

import httpx2
import pytest
from openai import OpenAI

from offline_model.text.vectors import embed, similarity


def test_a_vector_has_1536_numbers_and_length_one(client: OpenAI):
    answer = client.embeddings.create(model="m", input="How long does a refund take?", encoding_format="float")
    vector = answer.data[0].embedding
    assert len(vector) == 1536
    assert math.isclose(math.fsum(value * value for value in vector), 1.0, rel_tol=1e-5)
    assert answer.model == "offline-extractive-1"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens > 0


def test_base64_is_the_client_s_default_and_carries_the_same_numbers(client: OpenAI, server_url: str):
    floats = client.embeddings.create(model="m", input=["refund"], encoding_format="float").data[0].embedding
    default = client.embeddings.create(model="m", input=["refund"]).data[0].embedding
    assert default == pytest.approx(floats, abs=0)
    sent = httpx2.post(f"{server_url}/embeddings", json={"model": "m", "input": "refund", "encoding_format": "base64"})
    raw = base64.b64decode(sent.json()["data"][0]["embedding"])
    assert list(struct.unpack("<1536f", raw)) == floats


def test_texts_come_back_in_order_and_alone_or_together_the_same(client: OpenAI):
    together = client.embeddings.create(model="m", input=["refund", "shipping"])
    alone = client.embeddings.create(model="m", input="shipping")
    assert [item.index for item in together.data] == [0, 1]
    assert together.data[1].embedding == alone.data[0].embedding != together.data[0].embedding


def test_dimensions_are_honoured(client: OpenAI):
    vector = client.embeddings.create(model="m", input="refund policy", dimensions=64).data[0].embedding
    assert len(vector) == 64
    assert math.isclose(math.fsum(value * value for value in vector), 1.0, rel_tol=1e-5)


@pytest.mark.parametrize(
    ("query", "near", "far"),
    [
        ("refund for a purchase", "Refunds of purchases are paid in 5 days.", "The canteen opens at noon."),
        ("reset my password", "Passwords are reset on the account page.", "Parcels leave the warehouse daily."),
        ("how do I cancel the subscription", "Cancelling a subscription", "How do I get to the airport?"),
        ("환불은 언제 되나요?", "환불금은 영업일 5일 안에 지급됩니다.", "구내식당은 정오에 엽니다."),
        ("비밀번호를 재설정하고 싶어요", "비밀번호 재설정은 계정 페이지에서 합니다.", "택배는 매일 출발합니다."),
    ],
)
def test_like_wording_is_closer_than_unlike(query: str, near: str, far: str):
    asked = embed(query)
    assert similarity(asked, embed(near)) > similarity(asked, embed(far)) + 0.1


@pytest.mark.parametrize("text", ["!!!", " ", "the of and", "a", "가"])
def test_even_a_text_without_subject_has_length_one(text: str):
    for dimensions in (1, 2, 1536):
        assert math.isclose(math.fsum(value * value for value in embed(text, dimensions)), 1.0, rel_tol=1e-9)
