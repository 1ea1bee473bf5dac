"""A CrewAI crew, unmodified, is killed at every call boundary in turn: the same answer, and each call is paid once.

Run alone: .venv/bin/python -m pytest -m chaos tests/chaos/test_killed_crew.py -s
"""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from crew_environment import ORCHESTRATORS, crew_declaration
from crew_scene import Place, Scene, places, tool_call
from ledger_model import CHAT, LedgerModel

from agent_pod.servers import LoopServer
from kernel.functions import Kernel

pytestmark = pytest.mark.chaos
SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string"}, "sources": {"type": "array"}},
    "required": ["answer", "sources"],
}
CHATS, TOOLS = 5, 4


def decide(request: dict[str, Any]) -> dict[str, Any]:
    """Two equal searches at once, the same again, a document saved, an answer that does not fit, and one that does."""
    said = request["messages"]
    results = [message["content"] for message in said if message["role"] == "tool"]
    if "failed validation" in said[1]["content"]:
        found = said[1]["content"].partition("found ")[2][:36]
        return {"content": json.dumps({"answer": "Under the mat [1].", "sources": [{"document_id": found}]})}
    if not results:
        return {"tool_calls": [tool_call(n, named(request, "search_documents"), query="key") for n in (1, 2)]}
    if len(results) == 2:
        return {"tool_calls": [tool_call(3, named(request, "search_documents"), query="key")]}
    if len(results) == 3:
        return {"tool_calls": [tool_call(4, named(request, "save_document"), title="Note", content="Nothing of it.")]}
    return {"content": "found " + json.loads(results[0])["results"][0]["document_id"]}


def named(request: dict[str, Any], name: str) -> str:
    """The tool, as the crew calls it."""
    return next(t["function"]["name"] for t in request["tools"] if t["function"]["name"].endswith(name))


def decide_plainly(request: dict[str, Any]) -> dict[str, Any]:
    """A search, and an answer that names the tool that was called."""
    called = [call["function"]["name"] for said in request["messages"] for call in said.get("tool_calls") or []]
    if called:
        return {"content": f"asked {called[0]}"}
    return {"tool_calls": [tool_call(1, named(request, "search_documents"), query="key")]}


@pytest.fixture
async def scene(
    database_url: str,
    owner: psycopg.Connection,
    kernel_api: Kernel,
    set_clock: Callable[[float], Any],
    tmp_path: Path,
    start_pod: Any,
) -> AsyncIterator[Scene]:
    crew_declaration()
    await start_pod(serves=("crewai-action",), name="registers the name")
    text = {"title": "Keys", "source": "keys.md", "media_type": "text/markdown", "content": "The key is under the mat."}
    chunk = {"chunk": 0, "heading": "", "content": text["content"], "embedding": [1.0] + [0.0] * 1535}
    await kernel_api.save_documents("text-embedding-3-small", [{**text, "chunks": [chunk]}])
    ledger = LedgerModel(decide)
    declared = {"FLEET_ORCHESTRATORS": str(ORCHESTRATORS), "FLEET_SERVES": '["crewai-action"]'}
    async with LoopServer(ledger.app, "127.0.0.1", 0) as server:
        made = Scene(database_url, owner, kernel_api, set_clock, ledger, f"{server.url}/v1", tmp_path, declared)
        yield made
        ledger.drop_held()
        made.close()


async def run(scene: Scene, enqueue: Any, place: Place | None) -> dict[str, Any]:
    """One task, whose pod is killed at `place`; what came of it and what it took."""
    scene.owner.execute("delete from documents where title = 'Note'")
    scene.ledger.begin()
    if place is not None:
        at = (place.kind, place.number)
        scene.ledger.hold = lambda kind, number: (kind, number) == at
    [task_id] = await enqueue(
        agent_orch="crewai-action", instruction="Where is the key?", output_schema=SCHEMA, max_attempts=9
    )
    if scene.pod is None or scene.pod.poll() is not None:
        scene.start_pod()
    if place is not None:
        await scene.kill_at(place, task_id)
        scene.start_pod()
    task = await scene.ended(task_id)
    saved = [document.doc_id for document in await scene.api.find_documents(title="Note")]
    return {
        "output": task.output,
        "error": task.error,
        "keys": await keys(scene, task_id, str(saved[0])),
        "saved": len(saved),
        "diverged": await scene.api.find_events(task_id=task_id, event_type="CALL_DIVERGED"),
        "answered": {
            body.replace(str(saved[0]).encode(), b"SAVED"): times for body, times in scene.ledger.answered.items()
        },
    }


async def keys(scene: Scene, task_id: UUID, saved: str) -> list[tuple[str, int, str]]:
    """By what the journal knows the task's calls, and how they ended; of the call that names the task's own document
    only the end."""
    rows = scene.owner.execute("select call_id, call_key, occurrence from journal where task_id = %s", [task_id])
    known = {call_id: (key, occurrence) for call_id, key, occurrence in rows.fetchall()}
    calls = await scene.api.find_calls(task_id=task_id)
    return sorted(
        (*(("own", 0) if saved in str(call.request) else known[call.call_id]), call.outcome) for call in calls
    )


async def test_a_crew_killed_at_every_call_boundary_gives_the_same_answer_and_pays_each_call_once(
    scene: Scene, enqueue: Any
) -> None:
    undisturbed = await run(scene, enqueue, None)
    assert undisturbed["error"] is None and undisturbed["output"]["answer"] == "Under the mat [1]."
    assert undisturbed["output"]["sources"]
    assert list(undisturbed["answered"].values()) == [1] * CHATS
    assert len(undisturbed["keys"]) == CHATS + TOOLS
    paid_twice = 0
    for place in places(CHATS, TOOLS):
        killed = await run(scene, enqueue, place)
        in_flight = place.phase == "answered"  # paid, and nobody knows
        print(f"{place}: {killed['output']}, calls paid again: {sum(killed['answered'].values()) - CHATS}")
        assert set(killed["answered"]) == set(undisturbed["answered"]), place
        assert sorted(killed["answered"].values()) == [1] * (CHATS - 1) + [2 if in_flight else 1], place
        for same in ("output", "error", "keys", "saved", "diverged"):
            assert killed[same] == undisturbed[same], (place, same)
        paid_twice += in_flight
    assert undisturbed["diverged"] == [] and undisturbed["saved"] == 1
    assert paid_twice == CHATS, "the calls in flight at a kill, and no others"


async def test_a_crew_that_is_killed_alone_is_started_again_by_its_pod(scene: Scene, enqueue: Any) -> None:
    place = Place(CHAT, 4, "stored")
    scene.ledger.hold = lambda kind, number: (kind, number) == (place.kind, place.number)
    [task_id] = await enqueue(
        agent_orch="crewai-action", instruction="Where is the key?", output_schema=SCHEMA, max_attempts=2
    )
    scene.start_pod()
    await scene.kill_crew_at(place, task_id)
    task = await scene.ended(task_id)
    assert task.output and task.output["answer"] == "Under the mat [1]." and task.attempt == 2
    assert list(scene.ledger.answered.values()) == [1] * CHATS
    assert len(await scene.api.find_documents(title="Note")) == 1


async def test_a_crew_as_anybody_writes_it_is_replayed_at_another_address(
    scene: Scene, enqueue: Any, tmp_path: Path
) -> None:
    scene.ledger._decide = decide_plainly
    python = str(crew_declaration().argv[0])
    plain = {"name": "crewai-action", "description": "plain", "memory_mb": 2048, "varies": ["note-[0-9a-f]{8}"]}
    plain["command"] = [python, str(Path(__file__).with_name("plain_crew.py"))]
    (tmp_path / "crewai-action.yaml").write_text(json.dumps(plain))
    scene.declared["FLEET_ORCHESTRATORS"] = str(tmp_path)
    names: set[str] = set()
    known: list[list[tuple[str, int, str]]] = []
    for place in (None, Place(CHAT, 2, "asked"), Place(CHAT, 1, "stored")):
        scene.ledger.begin()
        if place is not None:
            at = (place.kind, place.number)
            scene.ledger.hold = lambda kind, number, at=at: (kind, number) == at
        [task_id] = await enqueue(agent_orch="crewai-action", instruction="Where is the key?", max_attempts=9)
        if scene.pod is None:
            scene.start_pod()
        if place is not None:
            await scene.kill_at(place, task_id)
            scene.start_pod()
        task = await scene.ended(task_id)
        assert task.output and task.output["text"].startswith("asked mcp_127_0_0_1_"), task.error
        names.add(task.output["text"])
        known.append(await keys(scene, task_id, "no document"))
        asked = [entry for entry in scene.ledger.entries[CHAT] if not entry.dropped]
        assert len(asked) == 2, "each call is paid once"
        assert await scene.api.find_events(task_id=task_id, event_type="CALL_DIVERGED") == []
    assert len(names) == 3, "each pod has another address, and the crew sees its own"
    assert known[0] == known[1] == known[2] and len(known[0]) == 3
