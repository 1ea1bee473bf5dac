"""A crew as anybody writes it: CrewAI's defaults, tools named after an address, and a random name in a prompt."""

import os
import secrets
from pathlib import Path
from typing import Any

os.environ |= {"CREWAI_DISABLE_TELEMETRY": "true", "CREWAI_TRACING_ENABLED": "false", "OTEL_SDK_DISABLED": "true"}

from crewai import LLM, Agent, Crew, Task
from crewai.mcp import MCPServerHTTP

from orchestrators import kit


def act(task: kit.Task) -> dict[str, Any]:
    """Have the crew do the task's instruction."""
    tools = MCPServerHTTP(url=task.tools_url, headers={"Authorization": f"Bearer {task.token}"})
    model = LLM(model="openai/gpt-4o-mini", base_url=task.model_url, api_key=task.token)
    backstory = f"You work in {Path.cwd()} and keep note-{secrets.token_hex(4)}."
    clerk = Agent(role="Clerk", goal="Answer", backstory=backstory, llm=model, mcps=[tools])
    work = Task(description=task.instruction, expected_output="An answer.", agent=clerk)
    return {"text": Crew(agents=[clerk], tasks=[work]).kickoff().raw}


if __name__ == "__main__":
    kit.serve(act)
