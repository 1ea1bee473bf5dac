"""Fills in prompts.yaml. Equal tasks give equal text, whatever process, attempt or address they run at."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from orchestrators import kit


def agent(task: kit.Task) -> dict[str, str]:
    """The role, goal and backstory of CrewAI's agent."""
    words, profile = _prompts(), task.agent or {}
    role = profile.get("role") or profile.get("name") or words["agent"]["role"]
    backstory = [profile.get("persona") or "", words["work"], words["tools"]]
    return {
        "role": role,
        "goal": profile.get("goal") or words["agent"]["goal"],
        "backstory": "\n".join(part.strip() for part in backstory if part.strip()),
    }


def task(task: kit.Task) -> dict[str, str]:
    """The description and the expected output of CrewAI's task."""
    words, schema = _prompts(), task.output_schema
    description = words["task"].format(instruction=task.instruction, input=_pretty(task.input))
    if schema is None:
        return {"description": description, "expected_output": words["text"]}
    # The schema keeps its order: models write properties in the order they read them.
    expected = [words["output"].format(schema=json.dumps(schema, ensure_ascii=False, indent=2))]
    if "sources" in schema.get("properties", {}):
        expected.append(words["sources"])
    return {"description": description, "expected_output": "\n\n".join(expected)}


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)


@cache
def _prompts() -> dict[str, Any]:
    return yaml.safe_load(Path(__file__).with_name("prompts.yaml").read_text(encoding="utf-8"))
