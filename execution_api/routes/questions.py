"""/questions: what running tasks ask people, and the answers."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from execution_api.access.auth import CallersKernel
from execution_api.bodies.paging import AfterId, Limit, page
from execution_api.bodies.rows import AnswerRequest, Page
from execution_api.requests.problems import ApiProblem
from execution_api.routes.error_answers import errors
from execution_api.routes.room import room
from kernel.functions import Kernel
from kernel.journal_models import Question
from process_engine.values import schema_check

router = room("Questions")


@router.get("/questions", summary="List questions", responses=errors())
async def list_questions(
    kernel: CallersKernel,
    mine: Annotated[bool, Query(description="true: only what is for the caller or their groups")] = False,
    task: Annotated[UUID | None, Query(description="a task; then its answered questions too")] = None,
    after: AfterId = None,
    limit: Limit = 50,
) -> Page[Question]:
    """The open questions of tasks that wait, oldest first."""
    found = await kernel.find_questions(task, mine, after, limit)
    return page("/questions", found, limit, "question_id", cursor="after", mine=mine, task=task)


@router.get("/questions/{question_id}", summary="Read a question", responses=errors(404))
async def get_question(question_id: UUID, kernel: CallersKernel) -> Question:
    """A question, with its answer where it has one."""
    return await _question(kernel, question_id)


@router.post("/questions/{question_id}/answer", summary="Answer a question", responses=errors(404, 409, 413))
async def answer_question(question_id: UUID, body: AnswerRequest, kernel: CallersKernel) -> Question:
    """Answer a question that is open, once; its task goes on where it was."""
    question = await _question(kernel, question_id)
    fault = schema_check.fault(question.form, body.answer) if question.form else None
    if fault is not None:
        raise ApiProblem(
            422,
            "answer_invalid",
            f"The answer does not fit the question's form: {fault}",
            field="answer",
            remedy=f"GET /questions/{question_id} shows the form.",
        )
    return await kernel.answer_question(question_id, body.answer)


async def _question(kernel: Kernel, question_id: UUID) -> Question:
    question = await kernel.get_question(question_id)
    if question is None:
        raise ApiProblem(
            404,
            "question_unknown",
            f"There is no question {question_id}.",
            remedy="GET /questions lists the open ones.",
        )
    return question
