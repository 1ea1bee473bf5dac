"""The kit, seen from the pod: real children on real pipes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from child_process import CHECKOUT, Child, task_message

from orchestrators import kit

SAMPLES = Path(__file__).with_name("sample_orchestrators")
OBEDIENT = [sys.executable, str(SAMPLES / "does_as_told.py")]
ASYNC_COUNTER = [sys.executable, str(SAMPLES / "async_counter.py")]

Start = Callable[[list[str]], Child]


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    with Child(OBEDIENT, tmp_path_factory.mktemp("obedient")) as child:
        yield child


def told(behaviour: str, **fields: object) -> dict[str, object]:
    return task_message(f"task-{behaviour}", **{"input": {"do": behaviour}, **fields})


def test_the_handler_gets_the_task_and_its_token_is_not_in_its_repr(child: Child) -> None:
    process = {"definition_id": "d", "instance_id": "i", "activity_id": "a", "activity_name": "A", "iteration": 0}
    output = child.output(told("show_task", token="secret-9", attempt=3, process=process, agent={"id": "clerk"}))
    assert "task_id='task-show_task'" in output["shown"]
    assert "secret-9" not in output["shown"]
    assert (output["attempt"], output["process"], output["agent"]) == (3, process, {"id": "clerk"})


def test_each_task_finds_its_own_endpoints_in_the_environment(child: Child) -> None:
    for number in ("1", "2"):
        message = told(
            "show_environment", token=f"t{number}", model_url=f"http://m{number}/v1", tools_url=f"http://t{number}/mcp"
        )
        assert child.output(message) == {
            "OPENAI_BASE_URL": f"http://m{number}/v1",
            "OPENAI_API_KEY": f"t{number}",
            "MCP_SERVER_URL": f"http://t{number}/mcp",
            "MCP_SERVER_TOKEN": f"t{number}",
        }


def test_an_exception_is_a_failure_with_type_and_message_and_its_traceback_in_the_log(child: Child) -> None:
    assert child.failure(told("raise_error")) == ("LookupError: nothing here for ***", True)
    assert "in raise_error" in child.stderr.read_text()
    assert "token-1" not in child.stderr.read_text()


def test_an_exception_without_words_is_named_by_its_type(child: Child) -> None:
    assert child.failure(told("raise_bare_error")) == ("TimeoutError", True)


def test_a_very_long_reason_is_cut(child: Child) -> None:
    reason, _ = child.failure(told("raise_long_error"))
    assert len(reason) == kit.LONGEST_REASON


def test_the_one_error_in_a_group_is_the_reason(child: Child) -> None:
    assert child.failure(told("raise_group")) == ("the gateway is down", True)


def test_a_refusal_is_not_retryable(child: Child) -> None:
    assert child.failure(told("refuse")) == ("the invoice has no number", False)


def test_a_framework_that_calls_exit_has_failed_and_the_process_stays(child: Child) -> None:
    assert child.failure(told("leave")) == ("SystemExit: 3", True)
    assert child.process.poll() is None


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("return_text", "returned str; the output must be an object"),
        ("return_set", "cannot be written as JSON: Object of type set"),
        ("return_nan", "cannot be written as JSON: Out of range float"),
    ],
)
def test_an_output_that_is_not_a_json_object_fails_and_says_so(child: Child, behaviour: str, words: str) -> None:
    reason, retryable = child.failure(told(behaviour))
    assert words in reason
    assert not retryable


def test_an_output_larger_than_a_pipe_arrives_whole(child: Child) -> None:
    assert child.output(told("return_much")) == {"text": "é" * 300_000}


def test_garbage_on_stdout_is_only_log(child: Child) -> None:
    assert child.output(told("write_garbage")) == {"ok": True}
    assert b"\xff\xfe garbage" in child.stdout.read_bytes()


def test_stdin_is_empty_for_the_framework_and_what_it_starts(child: Child) -> None:
    assert child.output(told("read_stdin")) == {"own": "", "grandchild": ""}
    assert child.output(told("write_garbage")) == {"ok": True}, "the next task was not eaten"


def test_no_channel_is_inherited_by_programs_the_orchestrator_starts(child: Child) -> None:
    output = child.output(told("show_inheritable_descriptors"))
    assert output["inheritable"] == []
    assert output["open"] >= 5, "stdin, stdout, stderr and both channels"


def test_a_forked_worker_does_not_hold_the_answers_open(start: Start) -> None:
    child = start(OBEDIENT)
    worker = child.output(told("fork_a_worker"))["worker"]
    try:
        assert child.close() == 0
        assert child.next_answer() is None
    finally:
        os.kill(worker, signal.SIGKILL)


def test_the_end_of_stdin_ends_the_process_with_exit_code_0(start: Start) -> None:
    child = start(OBEDIENT)
    assert child.output(told("write_garbage")) == {"ok": True}
    assert child.close() == 0


def test_a_death_before_the_answer_leaves_no_answer(start: Start) -> None:
    child = start(OBEDIENT)
    child.send(json.dumps(told("die")))
    assert child.next_answer() is None
    assert child.process.wait() == 7


def test_an_async_handler_keeps_one_event_loop_over_all_tasks(start: Start) -> None:
    child = start(ASYNC_COUNTER)
    assert child.output(task_message("1")) == {"tasks": 1, "loops": 1}
    assert child.failure(task_message("2", input={"fail": True})) == ("ValueError: told to fail", True)
    assert child.output(task_message("3")) == {"tasks": 3, "loops": 1}
    assert child.close() == 0


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [("token", None, "no text field 'token'"), ("model", 5, "no text field 'model'"), ("input", [], "not list")],
)
def test_a_task_message_with_a_wrong_field_is_refused_by_name(
    child: Child, field: str, value: object, words: str
) -> None:
    reason, retryable = child.failure(told("write_garbage", **{field: value}))
    assert words in reason
    assert not retryable


def test_fields_and_messages_of_newer_pods_are_passed_over(child: Child) -> None:
    child.send(json.dumps({"type": "greeting", "task_id": "none"}))
    assert child.output(told("write_garbage", colour="blue")) == {"ok": True}
    assert "passed over a message of type 'greeting'" in child.stderr.read_text()


@pytest.mark.parametrize("line", ["not json", "[1]", '{"type": "task"}'])
def test_a_line_that_is_no_message_ends_the_process_with_the_reason(start: Start, line: str) -> None:
    child = start(OBEDIENT)
    child.send(line)
    assert child.next_answer() is None
    assert child.process.wait() == 1
    assert "is not a message with type and task_id" in child.stderr.read_text()


def test_without_a_pod_the_kit_says_what_is_missing() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "orchestrators.echo"], cwd=CHECKOUT, env={}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "FLEET_RESULT_FD must be the number of an open file descriptor" in run.stderr


def test_the_kit_imports_the_standard_library_only_and_nothing_slow() -> None:
    code = "import sys; import orchestrators.kit; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    run = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=CHECKOUT, env={}, capture_output=True, text=True, check=True
    )
    loaded = set(run.stdout.split())
    assert loaded - set(sys.stdlib_module_names) == {"__main__", "orchestrators"} - set(sys.stdlib_module_names)
    assert not loaded & {"asyncio", "http", "httpx", "ssl", "logging"}
