"""Small BPMN files for the tests of the execution API."""

from html import escape

from execution_api.examples.files import BPMN

REFUND = BPMN  # a person decides

_FILE = """<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="file" targetNamespace="test">
  <bpmn:process id="{id}" name="{id}" isExecutable="true">{content}</bpmn:process>
</bpmn:definitions>"""

_WORKER = '<bpmn:extensionElements><zeebe:taskDefinition type="echo" /></bpmn:extensionElements>'


def process(definition_id: str, nodes: str, flows: str) -> str:
    """A BPMN file. `nodes`: "serviceTask work, userTask check"; service tasks go to the queue echo.

    `flows`: "s -> work, work -> e"; a condition stands behind: "x -> e [amount > 10]".
    """
    content = "".join(_node(*node.split()) for node in nodes.split(", "))
    content += "".join(_flow(number, flow) for number, flow in enumerate(flows.split(", ")))
    return _FILE.format(id=definition_id, content=content)


def _node(kind: str, node_id: str) -> str:
    inner = _WORKER if kind == "serviceTask" else ""
    return f'<bpmn:{kind} id="{node_id}" name="{node_id}">{inner}</bpmn:{kind}>'


def _flow(number: int, flow: str) -> str:
    ends, _, condition = flow.partition(" [")
    source, target = ends.split(" -> ")
    expression = escape("=" + condition.removesuffix("]"))
    inner = f"<bpmn:conditionExpression>{expression}</bpmn:conditionExpression>" if condition else ""
    return f'<bpmn:sequenceFlow id="f{number}" sourceRef="{source}" targetRef="{target}">{inner}</bpmn:sequenceFlow>'


ROBOT = process("robot", "startEvent s, serviceTask work, endEvent e", "s -> work, work -> e")
ROBOT_THEN_PERSON = process(
    "robot_then_person",
    "startEvent s, serviceTask work, userTask check, endEvent e",
    "s -> work, work -> check, check -> e",
)
SIDE_BY_SIDE = process(
    "side_by_side",
    "startEvent s, parallelGateway fork, serviceTask work, userTask check, parallelGateway join, endEvent e",
    "s -> fork, fork -> work, fork -> check, work -> join, check -> join, join -> e",
)
TWO_REVIEWS = process(
    "two_reviews",
    "startEvent s, parallelGateway fork, task left, task right, userTask review, endEvent e",
    "s -> fork, fork -> left, fork -> right, left -> review, right -> review, review -> e",
)
NOTHING_TO_DO = process("nothing_to_do", "startEvent s, endEvent e", "s -> e")
NEEDS_AMOUNT = process(
    "needs_amount",
    "startEvent s, exclusiveGateway x, userTask check, endEvent e",
    "s -> x, x -> check [amount > 10], x -> e [amount <= 10], check -> e",
)
FORM = _FILE.format(
    id="with_form",
    content="""<bpmn:extensionElements><zeebe:userTaskForm id="f">{"type": "object", "required": ["decision", "amount"],
      "properties": {"decision": {"enum": ["pay", "refuse"]}, "amount": {"type": "number"}}}</zeebe:userTaskForm>
    </bpmn:extensionElements><bpmn:startEvent id="s" /><bpmn:userTask id="decide"><bpmn:extensionElements>
      <zeebe:formDefinition formId="f" /></bpmn:extensionElements></bpmn:userTask><bpmn:endEvent id="e" />"""
    + _flow(1, "s -> decide")
    + _flow(2, "decide -> e"),
)
