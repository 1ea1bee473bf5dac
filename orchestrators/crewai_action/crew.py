# pyright: reportMissingImports=false
"""Makes the crew of a task: one agent with the agent's profile, one task, the tools of the tool endpoint."""

from crewai import LLM, Agent, Crew, Process, Task
from crewai.llms.context_window import DEFAULT_CONTEXT_WINDOW_SIZE
from crewai.tools import BaseTool

from orchestrators import kit
from orchestrators.crewai_action import prompts
from orchestrators.crewai_action.checked_output import MOST_CORRECTIONS, CheckedOutput

MOST_ROUNDS = 20


def make_crew(task: kit.Task, tools: list[BaseTool], checked: CheckedOutput) -> Crew:
    """The crew; its kickoff does the task, and leaves the output with `checked`."""
    # A name that CrewAI does not know is a model of an OpenAI-compatible endpoint all the same.
    model = LLM(
        model=task.model, custom_openai=True, base_url=task.model_url, api_key=task.token, max_retries=0, timeout=None
    )
    knows_the_model = model.get_context_window_size() > DEFAULT_CONTEXT_WINDOW_SIZE
    agent = Agent(
        **prompts.agent(task),
        llm=model,
        tools=tools,
        max_iter=MOST_ROUNDS,
        max_retry_limit=0,  # the pod retries the task
        respect_context_window=knows_the_model,  # else it would cut conversations for a window of its own guess
        use_better_compaction=False,  # it names files at random
        cache=False,
        memory=False,
        allow_delegation=False,
        inject_date=False,
    )
    work = Task(
        **prompts.task(task), agent=agent, tools=tools, guardrail=checked.check, guardrail_max_retries=MOST_CORRECTIONS
    )
    return Crew(
        agents=[agent],
        tasks=[work],
        process=Process.sequential,
        cache=False,
        memory=False,
        planning=False,
        tracing=False,
        share_crew=False,
    )
