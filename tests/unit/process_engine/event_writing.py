"""Writes events for models under test, and the file's messages, signals, errors and escalations they refer to."""

from bpmn_writing import bpmn, extensions, scope

KEY = extensions('<zeebe:subscription correlationKey="=order"/>')
TOPS = f"""
<bpmn:message id="m_paid" name="paid">{KEY}</bpmn:message>
<bpmn:message id="m_sent" name="sent">{KEY}</bpmn:message>
<bpmn:message id="m_asked" name="asked"/>
<bpmn:signal id="s_stop" name="stop"/>
<bpmn:signal id="s_go" name="go"/>
<bpmn:error id="e_empty" errorCode="EMPTY"/>
<bpmn:error id="e_broken" errorCode="BROKEN"/>
<bpmn:error id="e_refused" errorCode="input_refused"/>
<bpmn:error id="e_timed_out" errorCode="timed_out"/>
<bpmn:error id="e_unmade" errorCode="definition_invalid"/>
<bpmn:escalation id="x_late" escalationCode="LATE"/>
<bpmn:escalation id="x_big" escalationCode="BIG"/>
"""

ANY_ERROR = "<bpmn:errorEventDefinition/>"
ANY_ESCALATION = "<bpmn:escalationEventDefinition/>"
TERMINATE = "<bpmn:terminateEventDefinition/>"
COMPENSATE = "<bpmn:compensateEventDefinition/>"


def timer(text: str = "PT5M", kind: str = "timeDuration") -> str:
    return f"<bpmn:timerEventDefinition><bpmn:{kind}>{text}</bpmn:{kind}></bpmn:timerEventDefinition>"


def message(name: str = "paid") -> str:
    return f'<bpmn:messageEventDefinition messageRef="m_{name}"/>'


def signal(name: str = "stop") -> str:
    return f'<bpmn:signalEventDefinition signalRef="s_{name}"/>'


def error(name: str = "empty") -> str:
    return f'<bpmn:errorEventDefinition errorRef="e_{name}"/>'


def escalation(name: str = "late") -> str:
    return f'<bpmn:escalationEventDefinition escalationRef="x_{name}"/>'


def boundary(event_id: str, host: str, definition: str, interrupting: bool = True) -> str:
    going_on = "" if interrupting else ' cancelActivity="false"'
    return f'<bpmn:boundaryEvent id="{event_id}" attachedToRef="{host}"{going_on}>{definition}</bpmn:boundaryEvent>'


def event_subprocess(sub_id: str, definition: str, interrupting: bool = True, task: str = "handle") -> str:
    """An event sub-process with the start `<sub_id>_s` and one user task."""
    going_on = "" if interrupting else ' isInterrupting="false"'
    start = f'<bpmn:startEvent id="{sub_id}_s"{going_on}>{definition}</bpmn:startEvent>'
    rest = scope(f"userTask {task}, endEvent {sub_id}_e", f"{sub_id}_s -> {task} -> {sub_id}_e")
    return f'<bpmn:subProcess id="{sub_id}" triggeredByEvent="true">{start}\n{rest}</bpmn:subProcess>'


def file(*content: str) -> bytes:
    """A file with one process of this content, and all of `TOPS`."""
    joined = "\n".join(content)
    return bpmn(f'<bpmn:process id="p" isExecutable="true">\n{joined}\n</bpmn:process>{TOPS}')


def mapped(direction: str, source: str, target: str) -> str:
    return extensions(f'<zeebe:ioMapping><zeebe:{direction} source="{source}" target="{target}"/></zeebe:ioMapping>')
