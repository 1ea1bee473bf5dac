"""The `zeebe:` settings of service and user tasks, as the Camunda Modeler writes them."""

from html import escape

import pytest
from bpmn_writing import WORKER, Run, extensions, process, scope

from process_engine.reading.definition import Definition, parse
from process_engine.running.work import NewTask
from process_engine.values.errors import DefinitionInvalid, Problem


def header(key: str, value: str) -> str:
    return f'<zeebe:header key="{key}" value="{escape(value)}"/>'


def headers(**values: str) -> str:
    return f"<zeebe:taskHeaders>{''.join(header(*item) for item in values.items())}</zeebe:taskHeaders>"


def io(lines: str) -> str:
    return f"<zeebe:ioMapping>{lines}</zeebe:ioMapping>"


def one_task(kind: str, settings: str, forms: str = "") -> bytes:
    """A process with one task "t" in line 5; its settings begin in line 6."""
    task = f"<bpmn:{kind} id='t'><bpmn:extensionElements>\n{settings}</bpmn:extensionElements></bpmn:{kind}>"
    flows = scope("startEvent s, endEvent e", "s -> t -> e").replace("</bpmn:endEvent>", f"</bpmn:endEvent>\n{task}")
    return process(extensions(forms) + flows)


def definition_of(kind: str, settings: str, forms: str = "") -> Definition:
    return parse(one_task(kind, settings, forms))


def task_of(kind: str, settings: str, forms: str = "", **variables: object) -> NewTask:
    return Run(definition_of(kind, settings, forms), **variables).task("t")


def only_problem(kind: str, settings: str, forms: str = "") -> Problem:
    with pytest.raises(DefinitionInvalid) as caught:
        definition_of(kind, settings, forms)
    (problem,) = caught.value.problems
    return problem


def complaint(kind: str, settings: str, forms: str = "") -> str:
    problem = only_problem(kind, settings, forms)
    assert problem.element_id == "t"
    return problem.message


def test_a_service_task_with_nothing_but_a_type_gets_the_defaults() -> None:
    task = task_of("serviceTask", WORKER, amount=3)
    assert task == NewTask(
        process_definition_id=None,
            token_id=task.token_id, activity_id="t", activity_name="t", iteration=1, orchestrator="worker", agent=None,
        agent_mode="complete", instruction="", input={"amount": 3}, output_schema=None, form=None, assignee=None,
        candidate_groups=[], max_attempts=3, priority=3, timeout_seconds=900, headers={},
    )  # fmt: skip


def test_a_user_task_with_no_settings_is_a_persons_task() -> None:
    task = task_of("userTask", "")
    assert (task.orchestrator, task.agent, task.agent_mode) == (None, None, "none")


def test_every_setting_of_a_task_is_read() -> None:
    settings = (
        '<zeebe:taskDefinition type="openai-action" retries="5"/>'
        + headers(
            agent="librarian", instruction="Do it.", agentMode="draft", priority="5", timeoutSeconds="60",
            outputSchema='{"type": "object"}', colour="red",
        )
        + '<zeebe:ioMapping><zeebe:input source="= a + 1" target="x.y"/><zeebe:input source="b" target="z"/>'
        + '<zeebe:output source="=answer" target="result"/></zeebe:ioMapping>'
        + '<zeebe:assignmentDefinition assignee="kim@example.com" candidateGroups="support, sales"/>'
        + '<zeebe:formDefinition formId="review"/>'
    )  # fmt: skip
    form = '<zeebe:userTaskForm id="review">{"type": "object", "required": ["ok"]}</zeebe:userTaskForm>'
    task = task_of("serviceTask", settings, form, a=1, b="이")
    assert task == NewTask(
        process_definition_id=None,
            token_id=task.token_id, activity_id="t", activity_name="t", iteration=1, orchestrator="openai-action",
        agent="librarian", agent_mode="draft", instruction="Do it.", input={"x": {"y": 2}, "z": "이"},
        output_schema={"type": "object"}, form={"type": "object", "required": ["ok"]}, assignee="kim@example.com",
        candidate_groups=["support", "sales"], max_attempts=5, priority=5, timeout_seconds=60,
        headers={"colour": "red"},
    )  # fmt: skip


def test_a_definition_names_its_orchestrators_and_agents_at_any_depth() -> None:
    inner = scope(
        "startEvent s2, userTask u, endEvent e2",
        "s2 -> u -> e2",
        {"u": extensions(headers(agentMode="complete", orchestrator="browser", agent="clerk"))},
    )
    model = scope(
        "startEvent s, serviceTask a, userTask b, subProcess sub, endEvent e",
        "s -> a -> b -> sub -> e",
        {"sub": inner, "b": extensions(headers(agentMode="none", orchestrator="unused", agent="unused"))},
    )
    definition = parse(process(model, 'id="p" name="주문 처리" isExecutable="true"'))
    assert (definition.id, definition.name) == ("p", "주문 처리")
    assert definition.orchestrators == {"worker", "browser"}
    assert definition.agents == {"clerk"}


def test_the_name_of_a_process_is_its_id_when_it_has_none() -> None:
    assert definition_of("userTask", "").name == "p"


@pytest.mark.parametrize("mode", ["draft", "complete"])
def test_an_agent_on_a_user_task_may_be_named_by_header_or_by_type(mode: str) -> None:
    by_header = task_of("userTask", headers(agentMode=mode, orchestrator="openai-action", agent="helper"))
    by_type = task_of("userTask", headers(agentMode=mode) + WORKER)
    assert (by_header.orchestrator, by_header.agent, by_header.agent_mode) == ("openai-action", "helper", mode)
    assert (by_type.orchestrator, by_type.agent_mode) == ("worker", mode)


def test_agent_mode_none_turns_the_agent_of_a_user_task_off() -> None:
    task = task_of("userTask", headers(agentMode="none", orchestrator="openai-action", agent="helper"))
    assert (task.orchestrator, task.agent, task.agent_mode) == (None, None, "none")


@pytest.mark.parametrize(
    ("kind", "settings", "expected"),
    [
        ("serviceTask", "", 'has no task type; add zeebe:taskDefinition type="..." with the name of an orchestrator'),
        ("serviceTask", "<zeebe:taskDefinition/>", 'add zeebe:taskDefinition type="..."'),
        ("serviceTask", headers(orchestrator="x"), 'add zeebe:taskDefinition type="..."'),
        ("serviceTask", '<zeebe:taskDefinition type="= x"/>', "an orchestrator is named by literal text"),
        ("serviceTask", WORKER + headers(agentMode="none"), "without an agent it is a userTask"),
        ("serviceTask", WORKER + headers(agentMode="auto"), "has the agentMode 'auto'; it is none, draft or complete"),
        ("serviceTask", WORKER + headers(orchestrator="other"), "names two orchestrators: 'worker' in zeebe:"),
        ("userTask", headers(agentMode="draft"), "nobody to do it; add a header orchestrator"),
        ("userTask", headers(agentMode="complete"), "has the agentMode complete but nobody to do it"),
        ("userTask", headers(agent="helper"), "names an agent or orchestrator but no agentMode"),
        ("userTask", headers(orchestrator="x"), "names an agent or orchestrator but no agentMode"),
        ("userTask", WORKER, "names an agent or orchestrator but no agentMode"),
        ("serviceTask", WORKER + headers(agent="=x"), "has the header agent '=x'; it is literal text"),
        ("serviceTask", '<zeebe:taskDefinition type="w" retries="0"/>', "has the retries '0'; it is a whole number"),
        ("serviceTask", '<zeebe:taskDefinition type="w" retries="= n"/>', "has the retries '= n'"),
        ("userTask", headers(priority="6"), "has the header priority '6'; it is a whole number, 1 to 5"),
        ("userTask", headers(priority="high"), "has the header priority 'high'; it is a whole number, 1 to 5"),
        ("userTask", headers(timeoutSeconds="-1"), "header timeoutSeconds '-1'; it is a whole number"),
        ("userTask", headers(timeoutSeconds="86401"), "timeoutSeconds '86401'; it is a whole number, 1 to 86400"),
        ("serviceTask", '<zeebe:taskDefinition type="w" retries="101"/>', "has the retries '101'; it is a whole"),
        ("userTask", headers(timeoutSeconds="1.5"), "has the header timeoutSeconds '1.5'"),
        ("userTask", headers(instruction="= a = b"), "has an expression that cannot be run: "),
        ("userTask", headers(outputSchema="{"), "has an outputSchema that cannot be read: not JSON: "),
        ("userTask", headers(outputSchema='{"maximum": NaN}'), "NaN is not a JSON value"),
        ("userTask", headers(outputSchema="[" * 100_000), "nested too deep"),
        ("userTask", headers(outputSchema='{"not":' * 400 + "{}" + "}" * 400), "nested too deep"),
        ("userTask", headers(outputSchema="[]"), "a JSON Schema is an object; this is list"),
        ("userTask", headers(outputSchema='{"type": "text"}'), "not a JSON Schema: $.type: 'text' is not valid"),
        ("userTask", headers(outputSchema='{"required": "a"}'), "not a JSON Schema: $.required"),
        ("userTask", headers(a="b") * 2, "has zeebe:taskHeaders twice"),
        ("userTask", f"<zeebe:taskHeaders>{header('a', 'b') * 2}</zeebe:taskHeaders>", "has the task header 'a' twice"),
        ("userTask", headers(agent=""), "has the task header 'agent' without a value; give it one or delete it"),
        ("userTask", f"<zeebe:taskHeaders>{header('', 'b')}</zeebe:taskHeaders>", "has a task header without a key"),
        ("userTask", '<zeebe:assignmentDefinition assignee="= ("/>', "has an expression that cannot be run: "),
        ("userTask", '<zeebe:assignmentDefinition candidateGroups="=x y"/>', "has an expression that cannot be run: "),
        ("userTask", '<zeebe:assignmentDefinition candidateUsers="a"/>', "has candidateUsers, which is not supported"),
        ("userTask", io('<zeebe:input source="= (" target="a"/>'), "cannot be run"),
        ("userTask", io('<zeebe:output target="a"/>'), "the expression is empty"),
        ("userTask", io('<zeebe:input source="1"/>'), "mapping to ''; a target is a name"),
        ("userTask", io('<zeebe:input source="1" target="a..b"/>'), "a mapping to 'a..b'"),
        ("userTask", "<zeebe:formDefinition/>", "has a zeebe:formDefinition without formId and formKey"),
        ("userTask", '<zeebe:formDefinition formId="x"/>', "refers to the form 'x'; the process holds: none"),
        ("userTask", '<zeebe:formDefinition formKey="camunda-forms:bpmn:x"/>', "refers to the form 'x'"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_right_is_reported(kind: str, settings: str, expected: str) -> None:
    assert expected in complaint(kind, settings)


@pytest.mark.parametrize(
    "name",
    [
        "taskSchedule", "priorityDefinition", "executionListeners", "taskListeners", "script", "calledDecision",
        "calledElement", "loopCharacteristics", "subscription", "linkedResources", "somethingNew",
    ],
)  # fmt: skip
def test_a_zeebe_element_that_would_change_execution_is_refused_by_name(name: str) -> None:
    problem = only_problem("serviceTask", f"{WORKER}\n<zeebe:{name}/>")
    assert (problem.element_id, problem.line) == ("t", 7)
    assert f"serviceTask 't' (line 5) has zeebe:{name}, which is not supported here; " in problem.message


def test_a_priority_definition_is_told_about_the_header() -> None:
    assert "use a header priority, 1 (lowest) to 5 (highest)" in complaint("userTask", "<zeebe:priorityDefinition/>")


def test_zeebe_elements_that_only_describe_are_ignored() -> None:
    notes = "<zeebe:properties><zeebe:property name='a' value='b'/></zeebe:properties><zeebe:userTask/>"
    assert task_of("userTask", notes).agent_mode == "none"


@pytest.mark.parametrize("kind", ["exclusiveGateway", "manualTask", "startEvent", "process"])
def test_settings_of_a_task_are_refused_where_they_have_no_meaning(kind: str) -> None:
    mapping = extensions("<zeebe:ioMapping/>")
    if kind == "process":
        xml = process(mapping + scope("startEvent s, endEvent e", "s -> e"))
    elif kind == "startEvent":
        xml = process(scope("startEvent x, endEvent e", "x -> e", {"x": mapping}))
    else:
        xml = process(scope(f"startEvent s, {kind} x, endEvent e", "s -> x -> e", {"x": mapping}))
    with pytest.raises(DefinitionInvalid) as caught:
        parse(xml)
    (problem,) = caught.value.problems
    assert problem.element_id == ("p" if kind == "process" else "x")
    assert "has zeebe:ioMapping, which is not supported here" in problem.message


def test_settings_of_camunda_7_are_refused_instead_of_ignored() -> None:
    xml = one_task("userTask", "<camunda:formData/>").decode().replace("id='t'", "id='t' camunda:assignee='kim'")
    with pytest.raises(DefinitionInvalid) as caught:
        parse(xml.encode())
    assert [problem.message.partition(") ")[2] for problem in caught.value.problems] == [
        "has the Camunda 7 setting camunda:assignee; write it as zeebe: (Camunda 8)",
        "has the Camunda 7 setting camunda:formData; write it as zeebe: (Camunda 8)",
    ]


@pytest.mark.parametrize("key", ['formKey="camunda-forms:bpmn:review"', 'formKey="review"', 'formId="review"'])
def test_a_form_is_found_by_the_keys_the_modeler_writes(key: str) -> None:
    form = '<zeebe:userTaskForm id="review">{"title": "검토"}</zeebe:userTaskForm>'
    assert task_of("userTask", f"<zeebe:formDefinition {key}/>", form).form == {"title": "검토"}


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ('<zeebe:userTaskForm id="f">{"a"</zeebe:userTaskForm>', "has a form 'f' that cannot be read: not JSON: "),
        ('<zeebe:userTaskForm id="f"/>', "has a form 'f' that cannot be read: not JSON: "),
        ('<zeebe:userTaskForm id="f">{"type": 1}</zeebe:userTaskForm>', "not a JSON Schema: $.type"),
        (
            '<zeebe:userTaskForm id="f">{"components": [], "schemaVersion": 17}</zeebe:userTaskForm>',
            "this is a Camunda form; write a JSON Schema",
        ),
        ("<zeebe:userTaskForm>{}</zeebe:userTaskForm>", "has a zeebe:userTaskForm without an id"),
        ('<zeebe:userTaskForm id="f">{}</zeebe:userTaskForm>' * 2, "has two forms with the id 'f'"),
    ],
)
def test_a_form_that_cannot_be_right_is_reported_once(form: str, expected: str) -> None:
    problem = only_problem("userTask", '<zeebe:formDefinition formId="f"/>' if 'id="f"' in form else "", form)
    assert problem.element_id == "p"
    assert expected in problem.message


def test_a_process_may_hold_several_forms() -> None:
    forms = "".join(f'<zeebe:userTaskForm id="{name}">{{"title": "{name}"}}</zeebe:userTaskForm>' for name in "fg")
    assert task_of("userTask", '<zeebe:formDefinition formId="g"/>', forms).form == {"title": "g"}


def test_a_setting_that_is_wrong_has_the_line_of_the_setting() -> None:
    settings = f"{WORKER}<zeebe:taskHeaders>\n{header('colour', 'red')}\n{header('priority', '9')}</zeebe:taskHeaders>"
    problem = only_problem("serviceTask", settings)
    assert (problem.element_id, problem.line) == ("t", 8)
    assert problem.message.startswith("serviceTask 't' (line 5) ")


def properties(**values: str) -> str:
    lines = "".join(f"<zeebe:property name='{name}' value='{escape(value)}'/>" for name, value in values.items())
    return f"<zeebe:properties>{lines}</zeebe:properties>"


def test_a_retry_policy_is_read_and_stands_in_the_task() -> None:
    given = headers(retryDelay="PT1M", retryFactor="5", retryMaxDelay="PT1H", retryOn="timed_out, model_auth")
    task = task_of("serviceTask", WORKER + given)
    assert task.retry_policy == {
        "first_seconds": 60, "factor": 5, "cap_seconds": 3600, "retry_on": ["timed_out", "model_auth"],
    }  # fmt: skip
    assert task.headers == {} and task.max_attempts == 3


def test_the_properties_of_a_process_hold_for_tasks_that_say_nothing_themselves() -> None:
    of_process = properties(retries="7", retryDelay="PT1M", retryFactor="2", colour="red")
    assert task_of("serviceTask", WORKER, of_process).max_attempts == 7
    assert task_of("serviceTask", WORKER, of_process).retry_policy == {"first_seconds": 60, "factor": 2}
    own = '<zeebe:taskDefinition type="worker" retries="2"/>' + headers(retryDelay="PT2S")
    assert task_of("serviceTask", own, of_process).max_attempts == 2
    assert task_of("serviceTask", own, of_process).retry_policy == {"first_seconds": 2, "factor": 2}


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("retryDelay", "5 minutes", "has the retryDelay '5 minutes': '5 minutes' is not an ISO 8601 duration"),
        ("retryDelay", "PT0.5S", "has the retryDelay 'PT0.5S': it is PT1S to P30D"),
        ("retryMaxDelay", "P31D", "has the retryMaxDelay 'P31D': it is PT1S to P30D"),
        ("retryFactor", "0.5", "has the retryFactor '0.5'; it is a number, 1 to 10"),
        ("retryFactor", "=2", "has the retryFactor '=2'; it is a number, 1 to 10"),
        ("retryOn", "timed_out,bad_mood", "has the retryOn 'bad_mood' is no error class; it may name worker_lost, "),
        ("retryOn", "input_refused", "has the retryOn 'input_refused' is never retried; it may name worker_lost, "),
    ],
)
def test_a_retry_policy_that_cannot_be_is_refused_with_element_and_line(name: str, value: str, fault: str) -> None:
    problem = only_problem("serviceTask", WORKER + "\n" + headers(**{name: value}))
    assert problem.element_id == "t" and problem.line == 7 and fault in problem.message
    with pytest.raises(DefinitionInvalid) as caught:
        definition_of("serviceTask", WORKER, properties(**{name: value}))
    assert caught.value.problems[0].element_id == "p" and fault in caught.value.problems[0].message


def test_a_first_pause_longer_than_the_longest_is_refused() -> None:
    fault = complaint("serviceTask", WORKER + headers(retryDelay="PT1H", retryMaxDelay="PT1M"))
    assert "has a retryDelay of 3600 s, longer than the retryMaxDelay of 60 s" in fault


def test_the_retries_of_a_process_are_a_number() -> None:
    with pytest.raises(DefinitionInvalid, match="has the property retries 'many'; it is a whole number, 1 to 100"):
        definition_of("serviceTask", WORKER, properties(retries="many"))


def test_limits_are_read_from_headers() -> None:
    limits = headers(maxModelCalls="9", maxToolCalls="8", maxTokens="7000", maxCostUsd="0.50", maxRunSeconds="60",
                     maxRepeats="3")  # fmt: skip
    assert task_of("serviceTask", WORKER + limits).limits == {
        "model_calls": 9, "tool_calls": 8, "tokens": 7000, "cost_usd": 0.5, "run_seconds": 60, "repeats": 3,
    }  # fmt: skip
    assert "limits" not in str(definition_of("serviceTask", WORKER).spec), "what is not said is not stored"


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("maxTokens", "0", "a whole number"),
        ("maxTokens", "1.5", "a whole number"),
        ("maxCostUsd", "=5", "an amount such as 0.50"),
        ("maxCostUsd", "0.0", "an amount such as 0.50"),
        ("maxRepeats", "-1", "a whole number"),
    ],
)
def test_a_limit_that_is_none_is_refused_with_its_line(key: str, value: str, what: str) -> None:
    problem = only_problem("serviceTask", WORKER + "\n" + headers(**{key: value}))
    assert (problem.element_id, problem.line) == ("t", 7)
    assert problem.message.endswith(f"has the header {key} {value!r}; it is {what}, above 0 and below 1000000000")
