"""Fills in prompts.yaml. Equal tasks give equal text, whatever process, attempt or address they run at."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from orchestrators import kit
from orchestrators.openai_action.model import Message


def opening(task: kit.Task, *, with_tools: bool) -> list[Message]:
    """Return the system and the user message that start the conversation."""
    system = "\n\n".join(_system_parts(task, with_tools))
    user = _prompts()["user"].format(instruction=task.instruction, input=_pretty(task.input))
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def correction(problems: str) -> Message:
    """Return the user message that sends an answer back; `problems` has one line for each."""
    return {"role": "user", "content": _prompts()["correction"].format(problems=problems)}


def _system_parts(task: kit.Task, with_tools: bool) -> list[str]:
    prompts, agent, schema = _prompts(), task.agent or {}, task.output_schema
    about = [line.format(**{word: agent[word]}) for word, line in prompts["agent"].items() if agent.get(word)]
    parts = ["\n".join(about)] if about else []
    parts.append(prompts["work"])
    if with_tools:
        parts.append(prompts["tools"])
    if schema is not None:
        # The schema keeps its order: models write properties in the order they read them.
        parts.append(prompts["output"].format(schema=json.dumps(schema, ensure_ascii=False, indent=2)))
        if "sources" in schema.get("properties", {}):
            parts.append(prompts["sources"])
    return parts


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)


@cache
def _prompts() -> dict[str, Any]:
    return yaml.safe_load(Path(__file__).with_name("prompts.yaml").read_text(encoding="utf-8"))
