"""Which elements of BPMN 2.0 this engine runs, which ones do not execute by definition, and where they live.

What is in neither list is refused by name: an element that is silently ignored is a process that silently does
something else.
"""

BPMN = "http://www.omg.org/spec/BPMN/20100524/MODEL"
ZEEBE = "http://camunda.org/schema/zeebe/1.0"
CAMUNDA_7 = "http://camunda.org/schema/1.0/bpmn"

FOR_AGENTS = frozenset({"serviceTask", "sendTask"})
"""Kinds that are work for an agent. A sendTask that refers to a message throws it instead."""

WORK = FOR_AGENTS | {"userTask"}
"""Kinds that become tasks in the queue."""

CHOOSING = frozenset({"exclusiveGateway", "inclusiveGateway"})
"""Kinds whose outgoing flows carry conditions."""

JOINING = frozenset({"parallelGateway", "inclusiveGateway"})
"""Kinds that wait for several incoming tokens."""

EVENT_GATEWAY = "eventBasedGateway"
"""The kind whose token waits for the first of the events that follow it."""

EVENTS = frozenset({"startEvent", "endEvent", "intermediateCatchEvent", "intermediateThrowEvent", "boundaryEvent"})
"""Kinds that may hold an event definition."""

MESSAGE_TASKS = frozenset({"receiveTask", "sendTask"})
"""Activities that catch or throw a message."""

CATCHING = frozenset({"intermediateCatchEvent", "receiveTask"})
"""Kinds at which a token waits for an event."""

PASSED_THROUGH = frozenset({"manualTask", "task"})
"""Kinds that do nothing of their own; Zeebe treats manualTask and the undefined task the same way."""

MAY_BE_WORK = frozenset({"scriptTask", "businessRuleTask"})
"""Kinds that become tasks in the queue where they name an orchestrator; else the engine does them itself."""

SUBPROCESS = "subProcess"
AD_HOC = "adHocSubProcess"
CALL = "callActivity"

ACTIVITIES = WORK | MAY_BE_WORK | PASSED_THROUGH | {SUBPROCESS, AD_HOC, CALL, "receiveTask"}
"""Kinds that may have a loop marker, and that boundary events can be attached to."""

SUPPORTED = ACTIVITIES | CHOOSING | JOINING | EVENTS | {EVENT_GATEWAY}

_ANYWHERE = frozenset({"documentation", "extensionElements", "auditing", "monitoring"})
_DATA = frozenset(
    {"dataObject", "dataObjectReference", "dataStoreReference", "property", "ioSpecification"}
    | {"dataInputAssociation", "dataOutputAssociation", "dataInput", "dataOutput", "inputSet", "outputSet"}
)
_ARTIFACTS = frozenset({"textAnnotation", "association", "group"})

NOT_EXECUTED_IN_SCOPE = _ANYWHERE | _DATA | _ARTIFACTS | {"laneSet", "incoming", "outgoing", "categoryValueRef"}
"""Children of process and subProcess that draw, describe or group. `incoming` and `outgoing` repeat what the sequence
flows say."""

NOT_EXECUTED_IN_NODE = _ANYWHERE | _DATA | {"incoming", "outgoing", "categoryValueRef", "rendering"}
"""Children of events, activities and gateways."""

EXECUTED_IN_EVENT = frozenset(
    {"timerEventDefinition", "messageEventDefinition", "signalEventDefinition", "errorEventDefinition"}
    | {"escalationEventDefinition", "compensateEventDefinition", "linkEventDefinition", "terminateEventDefinition"}
)
"""Children of events that say what they catch or throw."""

NOT_EXECUTED_IN_FLOW = _ANYWHERE | {"categoryValueRef", "conditionExpression"}
"""Children of sequenceFlow; the reader looks at conditionExpression itself."""

NOT_EXECUTED_IN_FILE = _ANYWHERE | frozenset(
    {"message", "signal", "error", "escalation", "itemDefinition", "dataStore", "import", "category", "interface"}
    | {"resource", "endPoint", "partnerEntity", "partnerRole", "relationship", "extension", "correlationProperty"}
    | {"globalTask", "globalUserTask", "globalManualTask", "globalScriptTask", "globalBusinessRuleTask"}
    | {"timerEventDefinition", "messageEventDefinition", "signalEventDefinition", "errorEventDefinition"}
    | {"escalationEventDefinition", "conditionalEventDefinition", "compensateEventDefinition", "linkEventDefinition"}
    | {"terminateEventDefinition", "cancelEventDefinition"}
)
"""Children of definitions that do nothing until an element of a process refers to them."""
