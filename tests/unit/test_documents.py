"""The documents are true: links, commands, settings, paths, metrics, addresses and examples are those of the code."""

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from agent_pod.metrics import PodMetrics
from agent_pod.settings import PodSettings
from agent_pod.user_space.registry import OrchestratorDeclaration
from delivery.metrics import DeliveryMetrics
from delivery.settings import DeliverySettings
from execution_api.app import create_app
from execution_api.bodies.completion import CompletionRequest
from execution_api.bodies.control import CancellationRequest, KillSwitchRequest
from execution_api.bodies.limits import ExtendRequest
from execution_api.bodies.mcp_servers import McpServerRequest, McpServersImport, McpServerSwitch
from execution_api.bodies.notifications import (
    DeviceRequest,
    PreferencesRequest,
    ReadFlag,
    ReadThrough,
    SecretRotation,
    WebhookRequest,
)
from execution_api.bodies.repair import DiscardRequest, ForkRequest, MoveRequest, RepairRequest, RetryRequest
from execution_api.bodies.rows import (
    AgentRequest,
    AnswerRequest,
    BulkCancelRequest,
    CancelRequest,
    DecisionRequest,
    DelegateRequest,
    KeyRequest,
    MessageRequest,
    ReassignRequest,
    RollbackRequest,
    RotateRequest,
    SignalRequest,
    StartRequest,
    SubmitRequest,
    TaskChange,
)
from execution_api.requests.metrics import HttpMetrics
from execution_api.settings import ApiSettings
from fleet.main import app as fleet_command
from kernel.error_classes import ErrorClass
from kernel.models import ProcessStatus, QueueDepth, TaskStatus
from kernel.notification_models import OutboxDepth
from kernel.settings import Settings, read_settings
from process_engine.reading.definition import parse
from process_engine.reading.settings.extensions import _DESCRIBE_ONLY
from process_engine.reading.settings.work_settings import _ALLOWED, _OWN_HEADERS
from process_engine.running import steps

ROOT = Path(__file__).resolve().parents[2]
_NOT_OURS = {".venv", ".bootstrap", ".fleet", ".git", "dist", "node_modules"}
DOCUMENTS = sorted(p for p in ROOT.rglob("*.md") if not _NOT_OURS & set(p.relative_to(ROOT).parts))
_NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
_FENCE = re.compile(r"^[ \t]*```(\w*)\n(.*?)^[ \t]*```", re.S | re.M)
_SHELL = ("sh", "")


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def fences(text: str, *kinds: str) -> list[str]:
    return [body for kind, body in _FENCE.findall(text) if kind in kinds]


def code_in(text: str) -> list[str]:
    """What the reader may type or look up: shell blocks, and the words between back quotes."""
    typed = [re.sub(r"(?m)(^|\s)#.*$", "", block) for block in fences(text, *_SHELL)]
    return [*typed, *re.findall(r"`([^`\n]+)`", _FENCE.sub("", text))]


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#{1,6} +(.+?) *$", _FENCE.sub("", text), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", _NAMES)
def test_every_relative_link_leads_somewhere(name: str) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", _FENCE.sub("", text_of(name))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (ROOT / name).parent / path if path else ROOT / name
        if not there.exists() or (anchor and anchor not in anchors(there.read_text(encoding="utf-8"))):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("name", _NAMES)
def test_every_make_target_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.M))
    named = {target for code in code_in(text_of(name)) for target in re.findall(r"\bmake ([a-z][a-z-]*)", code)}
    assert named - targets == set()


@pytest.mark.parametrize("name", _NAMES)
def test_every_fleet_command_exists_with_its_options(name: str) -> None:
    commands: dict[str, Any] = typer.main.get_command(fleet_command).commands  # type: ignore[attr-defined]
    for code in code_in(text_of(name)):
        for command, rest in re.findall(r"(?:^|[\s/])fleet ([a-z-]+)((?:[^\n\\|]|\\\n)*)", code, re.M):
            assert command in commands, f"fleet {command}"
            called = commands[command]
            if hasattr(called, "commands"):  # a group: the next word is the command
                called = called.commands[rest.split()[0]]
            options = {option for parameter in called.params for option in parameter.opts}
            assert set(re.findall(r"(?<=\s)(--[a-z-]+)", rest)) - options - {"--help"} == set(), f"fleet {command}"


def test_every_fleet_command_is_in_a_document() -> None:
    commands = typer.main.get_command(fleet_command).commands  # type: ignore[attr-defined]
    everything = "\n".join(map(text_of, _NAMES))
    assert [name for name in commands if f"fleet {name}" not in everything] == []


def _default(field: FieldInfo) -> str:
    """How docs/settings.md writes a default."""
    if field.default_factory is not None:
        return "host name"
    default = field.default
    if default is PydanticUndefined:
        return "required"
    if default is None:
        return "none"
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if isinstance(default, Path):
        default = default.relative_to(ROOT)
    return f"`{default}`"


@cache
def _setting_rows() -> dict[str, str]:
    return dict(re.findall(r"^\| `([A-Z_]+)` \| ([^|]+?) \|", text_of("docs/settings.md"), re.M))


@pytest.mark.parametrize("kind", [Settings, ApiSettings, PodSettings, DeliverySettings])
def test_every_setting_is_documented_with_its_default(kind: type[Settings]) -> None:
    wanted = {name.upper(): _default(field) for name, field in kind.model_fields.items()}
    assert wanted.items() <= _setting_rows().items()


def test_every_documented_setting_exists() -> None:
    fields = {
        name.upper() for kind in (Settings, ApiSettings, PodSettings, DeliverySettings) for name in kind.model_fields
    }
    assert set(_setting_rows()) - fields == set()
    of_the_command_line, of_the_protocol = {"FLEET_API_URL", "FLEET_API_KEY"}, {"FLEET_RESULT_FD"}
    for name in _NAMES:
        named = set(re.findall(r"\bFLEET_[A-Z_]+[A-Z]\b", text_of(name)))
        assert named - fields - of_the_command_line - of_the_protocol == set(), name


def test_ranges_of_settings_are_those_of_the_code() -> None:
    rows = {line.split("`")[1]: line for line in text_of("docs/settings.md").splitlines() if line.startswith("| `")}
    for kind in (ApiSettings, PodSettings, DeliverySettings):
        for name, field in kind.model_fields.items():
            for limit in (getattr(rule, bound) for rule in field.metadata for bound in ("ge", "le", "min_length")
                          if hasattr(rule, bound)):  # fmt: skip
                if limit not in (0, 1, 65535, 86400):
                    assert re.search(rf"\b{limit:g}\b".replace("e+04", "0000"), rows[name.upper()]), f"{name}: {limit}"


def test_every_path_in_the_architecture_exists() -> None:
    words = re.findall(r"`([^`\n]+)`", _FENCE.sub("", text_of("ARCHITECTURE.md")))
    paths = [word for word in words if re.fullmatch(r"[\w./-]+(?:/|\.py|\.sql|\.md|\.toml)", word)]
    assert len(paths) > 30
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_every_sql_function_in_a_document_exists(name: str) -> None:
    named = set(re.findall(r"`(kernel\.[a-z_]+)`", text_of(name))) - {"kernel.now"}
    missing = [word for word in named if f"function {word}(" not in text_of("init.sql")]
    assert missing == []


def _metric_names() -> set[str]:
    pod = {family.name: family.type for family in PodMetrics().registry.collect()}
    exposition = HttpMetrics().render(
        [QueueDepth(queue="q", pending_tasks=1, in_progress_tasks=1, oldest_pending_seconds=1)]
    )
    depth = OutboxDepth(channel="c", due=1, scheduled=1, sending=1, dead=1, oldest_due_seconds=1)
    exposition += DeliveryMetrics().render([depth])
    api = dict(re.findall(r"^# TYPE (\w+) (\w+)$", exposition.decode(), re.M))
    names = {f"{name}_total" if kind == "counter" else name for name, kind in pod.items()}
    return names | {name for name in api if not name.endswith("_created")}


def test_every_metric_is_documented_and_no_other() -> None:
    operate = text_of("docs/operate.md")
    section = operate[operate.index("## Metrics") : operate.index("## Health")]
    assert set(re.findall(r"^\| `(\w+)(?:\{[\w,]+\})?` \|", section, re.M)) == _metric_names()


def test_every_status_is_explained() -> None:
    operate = text_of("docs/operate.md")
    section = operate[: operate.index("## The life of a task")]
    assert [word for word in (*ProcessStatus, *TaskStatus) if not re.search(rf"\b{word}\b", section)] == []


def test_every_reason_of_an_incident_is_one_that_the_code_gives() -> None:
    operate = text_of("docs/operate.md")
    section = operate[operate.index("| Reason begins with") : operate.index("When the cause is mended")]
    rows = [line for line in section.splitlines()[2:] if line.startswith("|")]
    reasons = [reason for row in rows for reason in re.findall(r"`([^`]+)`", row.split("|")[1])]
    code = "\n".join(path.read_text() for path in [ROOT / "init.sql", *(ROOT / "agent_pod").rglob("*.py")])
    code = re.sub(r"(?m)(--|#) .*$", "", code)  # a comment is not a reason
    assert len(reasons) > 10
    for reason in reasons[:-1]:  # the last one is an example of an orchestrator's own words
        words = re.sub(r"^the orchestrator (?=exited|was)", "", reason).split('"x"')
        assert all(word in code for word in words), reason


def test_every_address_in_a_document_is_an_address_of_the_api() -> None:
    app = create_app(read_settings(ApiSettings, database_url="postgresql://nowhere"))
    addresses = [re.sub(r"\{\w+\}", "[^/]+", path) for path in app.openapi()["paths"]]
    for name in _NAMES:
        for path in re.findall(r"FLEET_API_URL(/[^\"\s?#]*)", text_of(name)):
            assert any(re.fullmatch(address, path) for address in addresses), f"{name}: {path}"


_BODIES: dict[str, type[BaseModel]] = {
    "/complete": CompletionRequest,
    "/instances": StartRequest,
    "/submit": SubmitRequest,
    "/extend": ExtendRequest,
    "/instances/cancel": BulkCancelRequest,
    "/api-keys": KeyRequest,
    "/rotate": RotateRequest,
    "/rotate-secret": SecretRotation,
    "/rollback": RollbackRequest,
    "/delegate": DelegateRequest,
    "/reassign": ReassignRequest,
    "/tasks/$TASK": TaskChange,
    "/cancel": CancelRequest,
    "/cancellations": CancellationRequest,
    "/kill-switches": KillSwitchRequest,
    "/messages": MessageRequest,
    "/signals": SignalRequest,
    "/agents/librarian": AgentRequest,
    "/evaluate": DecisionRequest,
    "/answer": AnswerRequest,
    "/read-flag": ReadFlag,
    "/notifications/read": ReadThrough,
    "/notification-preferences": PreferencesRequest,
    "/device-tokens": DeviceRequest,
    "/webhooks": WebhookRequest,
    "/retry": RetryRequest,
    "/discard": DiscardRequest,
    "/mcp-servers/import": McpServersImport,
    "/mcp-servers/crm": McpServerRequest,
    "/mcp-servers/erp": McpServerSwitch,
    "/fork": ForkRequest,
    "/move": MoveRequest,
    "/repairs": RepairRequest,
}


@pytest.mark.parametrize(
    "name",
    [
        "docs/http-api.md",
        "docs/operate.md",
        "docs/getting-started.md",
        "docs/notifications.md",
        "docs/repair.md",
        "docs/mcp-servers.md",
    ],
)
def test_every_request_body_in_a_document_is_accepted(name: str) -> None:
    found = 0
    for block in fences(text_of(name), "sh"):
        plain = re.sub(r"'\"\$\w+\"'", "0193a5c1-4f0e-7c5a-9d55-0d6a4f1f7a10", block).replace("\\\n", " ")
        for command in re.split(r"(?=\bcurl )", plain):
            address = re.search(r"FLEET_API_URL(/[^\"?]*)", command)
            body = re.search(r" -d '(\{.*?\})'", command, re.S)
            if address and body:
                kind = next(kind for ending, kind in _BODIES.items() if address[1].endswith(ending))
                kind.model_validate(json.loads(body[1]))
                found += 1
    assert found


def test_the_example_process_runs_both_ways() -> None:
    definition = parse(fences(text_of("docs/model-a-process.md"), "xml")[0].encode())
    small = steps.start(definition.spec, {"amount": 40, "purpose": "train ticket"})
    assert [task.activity_id for task in small.new_tasks] == ["pay"]
    paid = steps.complete(definition.spec, small.state, small.new_tasks[0].token_id, {"echo": small.new_tasks[0].input})
    assert paid.ended and paid.variables["paid"] == 40
    large = steps.start(definition.spec, {"amount": 400, "purpose": "a new chair"})
    [task] = large.new_tasks
    assert (task.activity_id, task.agent_mode, task.candidate_groups) == ("decide", "draft", ["finance"])
    assert steps.complete(definition.spec, large.state, task.token_id, {"decision": "refuse"}).ended


def test_the_error_classes_of_the_document_are_those_of_the_code() -> None:
    assert re.findall(r"^\| `([a-z_]+)` \|", text_of("docs/retries.md"), re.M) == list(ErrorClass)


def test_every_header_and_extension_element_is_documented() -> None:
    text = text_of("docs/model-a-process.md")
    assert [header for header in _OWN_HEADERS if f"`{header}`" not in text] == []
    assert [element for element in _ALLOWED | _DESCRIBE_ONLY if element not in text] == []


def test_the_orchestrator_of_the_document_works(tmp_path: Path) -> None:
    text = text_of("docs/add-an-orchestrator.md")
    program = tmp_path / "shout.py"
    program.write_text(fences(text, "python")[0])
    declared = OrchestratorDeclaration.model_validate({**yaml.safe_load(fences(text, "yaml")[0]), "folder": tmp_path})
    assert declared.argv == [sys.executable, str(program)]
    nowhere = {"model_url": "http://127.0.0.1:1/v1", "tools_url": "http://127.0.0.1:1/mcp", "token": "t", "model": "m"}
    task = {"type": "task", "task_id": "1", "instruction": "", "input": {"text": "hi"}, **nowhere}
    done = subprocess.run(
        declared.argv, input=json.dumps(task) + "\n", text=True, capture_output=True, check=True, timeout=20,
        env={"PYTHONPATH": str(ROOT), "FLEET_RESULT_FD": "1"},
    )  # fmt: skip
    assert json.loads(done.stdout) == {"type": "done", "task_id": "1", "output": {"loud": "HI"}}


def test_the_korean_readme_has_what_the_english_one_has() -> None:
    english, korean = text_of("README.md"), text_of("README.ko.md")

    def shape(text: str) -> list[Any]:
        links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "README" not in link]
        rows = re.findall(r"^\|", text, re.M)
        commands = [re.sub(r" +#.*", "", block) for block in fences(text, "sh", "text")]
        headings, points = re.findall(r"^#+", text, re.M), re.findall(r"^- \*\*", text, re.M)
        return [links, len(rows), commands, headings, len(points)]

    assert shape(english) == shape(korean)
