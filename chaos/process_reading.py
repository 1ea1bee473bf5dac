"""The referee's own reading of a process definition: what must have happened in an instance of it.

It walks the drawing with the standard library's XML reader and shares no code with the engine. It knows what the
definitions in chaos/processes use: service tasks (also one for each element of a list), parallel and exclusive
gateways, and sources that are a variable, an element of a list, a text, or a sum of these.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

_B = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
_Z = "{http://camunda.org/schema/zeebe/1.0}"
_TASK, _FORK, _CHOICE, _END = f"{_B}serviceTask", f"{_B}parallelGateway", f"{_B}exclusiveGateway", f"{_B}endEvent"
TOOL_DEEDS = ("note", "charge", "save")


def answer_to(prompt: str) -> str:
    """What the model of a run answers to `prompt`."""
    return "said " + hashlib.sha256(prompt.encode()).hexdigest()[:24]


def receipt_of(key: str) -> str:
    """What a tool of a run gives back for the effect `key`."""
    return "receipt " + hashlib.sha256(key.encode()).hexdigest()[:12]


@dataclass
class Expected:
    """What an instance must have left: `prompts` asked (with how often), `effects` {key: deed}, `tasks` done, and its
    final `variables`."""

    prompts: Counter[str] = field(default_factory=Counter)
    effects: dict[str, str] = field(default_factory=dict)
    tasks: Counter[str] = field(default_factory=Counter)
    variables: dict[str, Any] = field(default_factory=dict)


class Drawing:
    """A process definition as it was drawn."""

    def __init__(self, file: Path):
        process = Xml.parse(file).getroot().find(f"{_B}process")
        assert process is not None
        self.id = process.attrib["id"]
        self._elements = {e.attrib["id"]: e for e in process if "id" in e.attrib}
        self._flows = [e for e in process if e.tag == f"{_B}sequenceFlow"]

    def expected(self, variables: dict[str, Any]) -> Expected:
        """What an instance that began with `variables` must have left."""
        story = Expected(variables=dict(variables))
        arrived: Counter[str] = Counter()
        tokens = [next(i for i, e in self._elements.items() if e.tag == f"{_B}startEvent")]
        while tokens:
            at = tokens.pop(0)
            element = self._elements[at]
            if element.tag == _TASK:
                self._do(element, story)
            if element.tag == _FORK:
                arrived[at] += 1
                if arrived[at] < sum(f.attrib["targetRef"] == at for f in self._flows):
                    continue
            tokens += self._next(element, story.variables)
        return story

    def _next(self, element: Xml.Element, variables: dict[str, Any]) -> list[str]:
        leaving = [f for f in self._flows if f.attrib["sourceRef"] == element.attrib["id"]]
        if element.tag != _CHOICE:
            return [f.attrib["targetRef"] for f in leaving]
        for flow in leaving:
            condition = flow.find(f"{_B}conditionExpression")
            if condition is not None and variables[(condition.text or "").removeprefix("=")] is True:
                return [flow.attrib["targetRef"]]
        default = element.attrib.get("default")
        return [f.attrib["targetRef"] for f in leaving if default in (None, f.attrib["id"])]

    def _do(self, element: Xml.Element, story: Expected) -> None:
        loop = element.find(f".//{_Z}loopCharacteristics")
        if loop is None:
            output = self._deeds(element, story, story.variables)
            for mapping in element.iter(f"{_Z}output"):
                story.variables[mapping.attrib["target"]] = output[mapping.attrib["source"].removeprefix("=")]
            return
        items = story.variables[loop.attrib["inputCollection"].removeprefix("=")]
        named = loop.attrib["inputElement"]
        outputs = [self._deeds(element, story, {**story.variables, named: item}) for item in items]
        story.variables[loop.attrib["outputCollection"]] = [o["chain"] for o in outputs]

    def _deeds(self, element: Xml.Element, story: Expected, variables: dict[str, Any]) -> dict[str, Any]:
        given = {
            m.attrib["target"]: _value(m.attrib["source"].removeprefix("="), variables)
            for m in element.iter(f"{_Z}input")
        }
        activity = element.attrib["id"]
        story.tasks[activity] += 1
        place = "/".join([given["key"], activity, *given.get("item", "").split()])
        [deeds] = [h.attrib["value"] for h in element.iter(f"{_Z}header") if h.attrib["key"] == "instruction"]
        chain = given["before"]
        for number, deed in enumerate(deeds.split("; ")):
            if deed in TOOL_DEEDS:
                key = f"{place}/{number}"
                story.effects[key] = deed
                said = receipt_of(key)
            else:
                prompt = f"{place}/{number} {deed} after {chain}"
                story.prompts[prompt] += 2 if deed == "twice" else 1
                said = answer_to(prompt)
            chain = hashlib.sha256(f"{chain} {said}".encode()).hexdigest()[:16]
        return {"chain": chain, "even": int(chain, 16) % 2 == 0}


def _value(source: str, variables: dict[str, Any]) -> str:
    total = ""
    for part in source.split(" + "):
        if part.startswith("'"):
            total += part.strip("'")
        elif part.endswith("]"):
            name, _, index = part.rstrip("]").partition("[")
            total += variables[name][int(index)]
        else:
            total += variables[part]
    return total
