"""The orchestrator of `make chaos`: it does the deeds that its instruction lists, one after the other.

An instruction such as "ask; stream; note; twice" names deeds: `ask` and `stream` are model calls, plain and streamed;
`twice` asks the same in the same words two times; `note` and `charge` are calls of tools that leave an effect. Each
deed is about what came of the ones before, so a wrong or lost answer changes everything after it. The output is
{"chain": TEXT, "even": BOOL}.

What has been handed over to it is written into the file named by its first argument, as a witness from user space: what
is written there must never be paid for or done again.
"""

import hashlib
import http.client
import json
import os
import sys
import time
from urllib.parse import urlsplit

from orchestrators import kit

_WITNESS = sys.argv[1]
_TOOLS = json.loads(sys.argv[2])  # deed -> name of the tool


def handle(task: kit.Task) -> dict:
    """Do the deeds of `task`."""
    place = "/".join([task.input["key"], (task.process or {})["activity_id"], *task.input.get("item", "").split()])
    chain = task.input.get("before", "")
    said = ""
    conversation = [{"role": "system", "content": f"You work on {place}."}]
    for number, deed in enumerate(task.instruction.split("; ")):
        if deed in _TOOLS:
            said = _use(task, _TOOLS[deed], f"{place}/{number}")
        else:
            conversation.append({"role": "user", "content": f"{place}/{number} {deed} after {chain}"})
            for _ in range(2 if deed == "twice" else 1):
                said = _ask(task, conversation, deed == "stream")
            conversation.append({"role": "assistant", "content": said})
        chain = hashlib.sha256(f"{chain} {said}".encode()).hexdigest()[:16]
    return {"chain": chain, "even": int(chain, 16) % 2 == 0}


def _ask(task: kit.Task, conversation: list[dict], stream: bool) -> str:
    request = {"model": task.model, "messages": conversation, **({"stream": True} if stream else {})}
    body = _post(task, f"{task.model_url}/chat/completions", request)
    said = _streamed(body) if stream else json.loads(body)["choices"][0]["message"]["content"]
    _witness("model", conversation[-1]["content"])
    return said


def _streamed(body: bytes) -> str:
    lines = [line[6:] for line in body.decode().splitlines() if line.startswith("data: ")]
    if not lines or lines[-1] != "[DONE]":
        raise kit.Failed("the model's stream ended early")
    deltas = [json.loads(line)["choices"] for line in lines[:-1]]
    return "".join(choices[0]["delta"].get("content") or "" for choices in deltas if choices)


def _use(task: kit.Task, tool: str, key: str) -> str:
    receipt = "receipt " + hashlib.sha256(key.encode()).hexdigest()[:12]  # of a document: its title
    arguments = {"title": receipt, "content": key} if tool == "save_document" else {"key": key}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    answer = json.loads(_post(task, task.tools_url, call))
    result: dict = answer.get("result") or {}
    if not result or result.get("isError"):
        raise kit.Failed(f"{tool}: {answer}")
    _witness("tool", key)
    told = result.get("structuredContent") or {}
    return str(told.get("receipt") or told.get("title"))


def _post(task: kit.Task, url: str, body: dict) -> bytes:
    parts = urlsplit(url)
    headers = {
        "Authorization": f"Bearer {task.token}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": kit.MCP_PROTOCOL_VERSION,
    }
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    try:
        connection.request("POST", parts.path, json.dumps(body), headers)
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise kit.Failed(f"{parts.path}: {type(error).__name__}: {error}") from None
    finally:
        connection.close()
    if response.status != 200:
        raise kit.Failed(f"{parts.path} answered HTTP {response.status}: {content[:200].decode(errors='replace')}")
    return content


def _witness(kind: str, what: str) -> None:
    line = json.dumps({"kind": kind, "what": what, "at": time.time()}) + "\n"
    file = os.open(_WITNESS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(file, line.encode())
    os.close(file)


kit.serve(handle)
