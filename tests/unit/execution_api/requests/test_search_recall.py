"""The search finds the right document of this project's own, and finds more than words or meaning would alone."""

import httpx
import pytest
from fastapi import FastAPI
from places import Place

from fleet.packaged import own_documents
from knowledge.embed import Embedder

MODEL = "text-embedding-3-small"
DEPTH = 5
"""How many passages a reader looks at."""

QUESTIONS = [
    ("What happens to a task when its pod is killed?", "docs/operate.md LIMITATIONS.md"),
    ("Which metric should I scale the pods by?", "docs/operate.md LIMITATIONS.md"),
    ("How long does a draining pod wait for its task?", "docs/operate.md docs/settings.md"),
    ("When is a failed attempt made again?", "docs/operate.md"),
    ("Which variable sets the length of a lease?", "docs/settings.md docs/operate.md"),
    ("How do I use a PostgreSQL server of my own?", "docs/settings.md docs/supabase.md"),
    ("FLEET_EMBEDDING_MODEL", "docs/settings.md"),
    ("MAX_BODY_BYTES", "docs/settings.md docs/http-api.md"),
    ("How do I ask for the next page of a list?", "docs/http-api.md"),
    ("What does Idempotency-Key do when a request is repeated?", "docs/http-api.md LIMITATIONS.md"),
    ("How are errors answered, and what is in a problem?", "docs/http-api.md"),
    ("cancel a process instance with a reason", "docs/http-api.md docs/operate.md"),
    ("Which kinds of files can be read?", "docs/run-on-your-own-documents.md"),
    ("Try it with my own folder of documents", "docs/run-on-your-own-documents.md docs/getting-started.md"),
    ("How do I write a condition on a gateway?", "docs/model-a-process.md docs/bpmn.md docs/move-from-process-gpt.md"),
    ("candidateGroups or assignee?", "docs/model-a-process.md docs/move-from-process-gpt.md LIMITATIONS.md"),
    ("What is the difference between agentMode draft and complete?", "docs/model-a-process.md"),
    ("has(vars.comment)", "docs/model-a-process.md examples/service_request/README.md"),
    ("multi-instance sub-process", "docs/bpmn.md docs/model-a-process.md"),
    ("Why do child processes run orchestrators, and not threads?", "ARCHITECTURE.md"),
    ("Why is there a fencing token and not a lock?", "ARCHITECTURE.md docs/operate.md"),
    ("fair queueing between tenants", "ARCHITECTURE.md docs/operate.md LIMITATIONS.md"),
    ("Where do I add a new endpoint to the code?", "ARCHITECTURE.md"),
    ("How do I write an orchestrator of my own?", "docs/add-an-orchestrator.md orchestrators/README.md"),
    ("orchestrator not registered", "docs/add-an-orchestrator.md docs/operate.md"),
    ("What are the two endpoints an orchestrator may call?", "orchestrators/README.md ARCHITECTURE.md"),
    ("kit.report_progress", "orchestrators/README.md docs/move-from-process-gpt.md docs/add-an-orchestrator.md"),
    ("import a definition from Process GPT", "docs/move-from-process-gpt.md"),
    ("What replaces todolist.draft_status?", "docs/move-from-process-gpt.md"),
    ("How fast is the queue?", "docs/benchmarks.md README.md"),
    ("Is the offline model able to reason?", "LIMITATIONS.md README.md"),
    ("Can user tokens be revoked when somebody signs out?", "LIMITATIONS.md docs/supabase.md"),
    ("rules for commit and code style", "CONTRIBUTING.md"),
    ("Set up a Supabase project", "docs/supabase.md docs/settings.md"),
]

NO_WORDS, NO_MODEL = "the", "none"
"""A question of no word that counts leaves the search to meaning, a model that no passage has leaves it to words."""


@pytest.fixture
async def library(client: httpx.AsyncClient) -> None:
    for source, path in own_documents().items():
        answer = await client.post(
            "/documents", files={"files": (path.name, path.read_bytes())}, data={"source": source}
        )
        assert answer.status_code == 201, answer.text


async def test_together_words_and_meaning_find_more_than_either_alone(
    library: None, app: FastAPI, place: Place, model_url: str
) -> None:
    embedder = Embedder(model_url, "offline", MODEL)
    vectors = await embedder.embed([question for question, _ in QUESTIONS])
    await embedder.aclose()
    kernel = app.state.services.kernel.as_tenant(place.tenant, "test")
    ranks: dict[str, list[int]] = {"both": [], "meaning": [], "words": []}
    for (question, right), vector in zip(QUESTIONS, vectors, strict=True):
        for way, words, model in (
            ("both", question, MODEL),
            ("meaning", NO_WORDS, MODEL),
            ("words", question, NO_MODEL),
        ):
            found = await kernel.search_documents(words, model, vector, DEPTH)
            places = (rank for rank, passage in enumerate(found, 1) if passage.source in right.split())
            ranks[way].append(next(places, 0))
    recall = {way: sum(rank > 0 for rank in places) / len(QUESTIONS) for way, places in ranks.items()}
    reciprocal = {way: sum(1 / rank for rank in places if rank) / len(QUESTIONS) for way, places in ranks.items()}
    assert recall["both"] >= 0.85 and reciprocal["both"] >= 0.8, (recall, reciprocal)
    # Documents change: one question of them all may go another way.
    assert recall["both"] >= max(recall.values()) - 1 / len(QUESTIONS), recall
    assert reciprocal["both"] >= max(reciprocal.values()) - 1 / len(QUESTIONS), reciprocal
