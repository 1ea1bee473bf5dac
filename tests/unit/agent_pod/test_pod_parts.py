"""The small parts of a pod: declarations, prices, log tails, answers, settings."""

import getpass
import os
import pwd
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from agent_pod.calls.prices import Prices
from agent_pod.run.answer import Done, Failed, read_answer
from agent_pod.settings import PodSettings
from agent_pod.user_space.log_tail import LogTail
from agent_pod.user_space.registry import read_orchestrators
from agent_pod.user_space.runner_user import choose_runner_user
from kernel.error_classes import ErrorClass
from kernel.errors import SettingsInvalid
from kernel.settings import read_settings

GOOD = {"name": "mine", "description": "d", "command": ["{python}", "{here}/x.py"]}


def declare(folder: Path, file: str = "mine.yaml", changes: dict[str, object] | None = None) -> None:
    (folder / file).write_text(yaml.safe_dump({**GOOD, **(changes or {})}))


def test_placeholders_of_a_command_are_filled_in(tmp_path: Path) -> None:
    declare(tmp_path)
    declaration = read_orchestrators(tmp_path, [])["mine"]
    assert declaration.argv[1] == f"{tmp_path}/x.py" and Path(declaration.argv[0]).is_file()


@pytest.mark.parametrize(
    "changes", [{"name": "No Good"}, {"command": []}, {"memory": 5}, {"memory_mb": "much"}, {"name": None}]
)
def test_a_wrong_declaration_is_named_with_its_file(tmp_path: Path, changes: dict[str, object]) -> None:
    declare(tmp_path, "mine.yaml", changes)
    with pytest.raises(SettingsInvalid, match=r"mine\.yaml is no orchestrator declaration"):
        read_orchestrators(tmp_path, [])


def test_a_text_that_is_no_mapping_is_no_declaration(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("- a\n- b\n")
    with pytest.raises(SettingsInvalid, match=r"x\.yaml"):
        read_orchestrators(tmp_path, [])


def test_two_declarations_of_one_name_and_a_missing_one_are_refused(tmp_path: Path) -> None:
    declare(tmp_path)
    with pytest.raises(SettingsInvalid, match="'nobody'"):
        read_orchestrators(tmp_path, ["nobody"])
    declare(tmp_path, "other.yaml")
    with pytest.raises(SettingsInvalid, match="declared twice"):
        read_orchestrators(tmp_path, [])


def test_a_price_belongs_to_the_longest_beginning_of_a_model(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text("gpt: {input: 1, output: 2}\ngpt-mini: {input: 0.5, output: 1}\n")
    prices = Prices.read(path)
    assert prices.cost("gpt-mini-2026", 1_000_000, 2_000_000) == Decimal("2.5")
    assert prices.cost("gpt-5", 0, 500_000) == Decimal(1)
    assert prices.cost("llama", 1, 1) is None


@pytest.mark.parametrize("text", ["- a", "gpt: 5", "gpt: {input: x, output: 1}", "a: [", "gpt: {in: 1, output: 2}"])
def test_a_wrong_price_list_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(SettingsInvalid, match=r"FLEET_MODEL_PRICES: .*p\.yaml"):
        Prices.read(tmp_path / "p.yaml")


def test_a_log_tail_keeps_the_end_and_counts_all() -> None:
    tail = LogTail()
    tail.add(b"first\n" + b"x" * 20_000)
    tail.add("끝\nlast words\n\n".encode())
    assert tail.written == 20_000 + 6 + len("끝\nlast words\n\n".encode())
    assert len(tail.text) <= 8192 and tail.last_line == "last words"
    tail.reset()
    assert (tail.text, tail.last_line, tail.written) == ("", "", 0)


def test_answers_are_read_as_the_protocol_has_them() -> None:
    assert read_answer(b'{"type":"done","task_id":"1","output":{"a":"\\u0000"}}', "1", "") == Done({"a": "\u2400"})
    failed = read_answer(b'{"type":"failed","task_id":"1","reason":"r","retryable":false}', "1", "log")
    assert failed == Failed(ErrorClass.INPUT_REFUSED, "r", retryable=False, log_tail="log", broken=False)
    named = read_answer(
        b'{"type":"failed","task_id":"1","reason":"r","retryable":true,"error_class":"tool_failed"}', "1", ""
    )
    assert isinstance(named, Failed) and named.error_class == ErrorClass.TOOL_FAILED


@pytest.mark.parametrize(
    "line",
    [
        b"{}", b"[]", b"null", b"\xff", b'{"type":"done","task_id":"1"}', b'{"type":"done","task_id":"1","output":[]}',
        b'{"type":"failed","task_id":"1","reason":"r"}', b'{"type":"maybe","task_id":"1"}', b"[" * 100_000,
        b'{"type":"failed","task_id":"1","reason":"r","retryable":true,"error_class":"worker_lost"}',
        b'{"type":"failed","task_id":"1","reason":"r","retryable":true,"error_class":[]}',
    ],
)  # fmt: skip
def test_what_is_no_answer_fails_the_task_and_breaks_the_runner(line: bytes) -> None:
    answer = read_answer(line, "1", "")
    assert isinstance(answer, Failed) and answer.broken and "is no message" in answer.reason


def test_settings_name_the_wrong_variable_and_never_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:secret@h/d")
    monkeypatch.setenv("FLEET_LEASE_SECONDS", "1")
    with pytest.raises(SettingsInvalid, match=r"FLEET_LEASE_SECONDS: .*greater than or equal to 3") as refused:
        read_settings(PodSettings)
    assert "secret" not in str(refused.value)


async def test_orchestrators_run_as_an_ordinary_user_where_that_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    me = getpass.getuser()
    if os.geteuid() == 0:
        assert await choose_runner_user("nobody") == "nobody"
        assert await choose_runner_user(None) in ("nobody", None)
        with pytest.raises(SettingsInvalid, match="FLEET_RUNNER_USER: there is no user 'mr-x' here"):
            await choose_runner_user("mr-x")
    monkeypatch.setattr(os, "geteuid", lambda: pwd.getpwnam(me).pw_uid or 65534)
    assert await choose_runner_user(None) is None
    with pytest.raises(SettingsInvalid, match="only root can become 'somebody-else'"):
        await choose_runner_user("somebody-else")
