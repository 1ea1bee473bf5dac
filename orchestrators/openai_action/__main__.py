"""The orchestrator `openai-action`: a model calls tools until it can answer, and the answer is checked.

A run, from top to bottom: open the two endpoints, tell the model who it is and what to do, run the tools it asks
for, check its answer against the output schema and the documents the tools returned, send back what is wrong.
Everything that goes to the model depends on the task's content alone (no clock, no ids, no addresses), so a task
that is started again sends the same requests.
"""

import asyncio
import logging
from typing import Any

from orchestrators import kit
from orchestrators.answers.ledger import Ledger
from orchestrators.answers.output_form import OutputForm
from orchestrators.openai_action import prompts
from orchestrators.openai_action.endpoints import open_http
from orchestrators.openai_action.model import Message, Model
from orchestrators.openai_action.toolbox import Toolbox, open_toolbox

MOST_ROUNDS = 20
MOST_CORRECTIONS = 2

log = logging.getLogger(__name__)


async def act(task: kit.Task) -> dict[str, Any]:
    """Do the task and return its output: an object of the output schema, or `{"text": answer}` without one.

    Raises:
        kit.Refused: the schema or the agent's tools are wrong, the model never came to an answer, or its answer
            was still invalid after the corrections.
        kit.Failed: an endpoint failed; `retryable` as the failure says.
    """
    ledger = Ledger()
    form = OutputForm(task.output_schema, ledger)
    async with open_http(task) as http, open_toolbox(task, http, ledger) as tools:
        model = Model(task, http)
        messages = prompts.opening(task, with_tools=bool(tools.functions))
        answer = await _work(messages, model, tools, form)
        return await _settle(task, messages, answer, model, form)


async def _work(messages: list[Message], model: Model, tools: Toolbox, form: OutputForm) -> str:
    """Let the model call tools until it answers; return the answer.

    While there are tools, the output format is asked for in words only: many servers that speak the chat
    completions protocol refuse `tools` with `response_format`, or stop calling tools.
    """
    response_format = None if tools.functions else form.response_format
    for rounds_left in reversed(range(MOST_ROUNDS)):
        said = await model.next_message(messages, tools.functions, response_format)
        messages.append(said.as_sent())
        if not said.tool_calls:
            return said.text
        if rounds_left:  # nobody would read what the tools of the last round return
            messages += [await tools.answer(call) for call in said.tool_calls]
    raise kit.Refused(f"No answer after {MOST_ROUNDS} rounds: the model went on calling tools.")


async def _settle(
    task: kit.Task, messages: list[Message], answer: str, model: Model, form: OutputForm
) -> dict[str, Any]:
    """Return the checked output; an invalid answer goes back to the model with what is wrong, at most twice."""
    corrections = 0
    while True:
        reading = form.read(answer, last_chance=corrections == MOST_CORRECTIONS)
        await _tell_of_dropped(task, reading.dropped)
        if not reading.problems:
            return reading.output
        if corrections == MOST_CORRECTIONS:
            raise kit.Refused(f"The answer was still invalid after {corrections} corrections: {reading.problems}")
        corrections += 1
        messages.append(prompts.correction(reading.problems))
        said = await model.next_message(messages, [], form.response_format)
        messages.append(said.as_sent())
        answer = said.text


async def _tell_of_dropped(task: kit.Task, dropped: list[str]) -> None:
    if dropped:
        notice = f"Left out sources which no tool returned: {', '.join(dropped)}"
        log.warning(notice)
        await asyncio.to_thread(kit.report_progress, task, notice)


if __name__ == "__main__":
    kit.serve(act)
