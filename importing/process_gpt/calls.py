"""Call activities: which definition is called, and what does not go with it."""

import json

from importing.process_gpt.findings import Outcome
from importing.process_gpt.identifiers import valid_id
from importing.process_gpt.model import Node
from importing.process_gpt.tasks import TaskSettings, Workshop

_NAMES = ("definitionId", "calledElement", "processId")
_NO_PLACE = ("roleBindings", "version", "version_tag", "versionTag", "variableBindings", "mapperIn", "mapperOut")


def called_definition(node: Node) -> str:
    """The id of the definition that a call activity runs, as an import of that definition has it; "" for none."""
    named = next((str(node.properties[key]) for key in _NAMES if node.properties.get(key)), "")
    return valid_id(named.strip().removesuffix(".bpmn")) if named.strip() else ""


def call_settings(node: Node, shop: Workshop) -> TaskSettings:
    """The settings of a call activity: the called process sees all variables and gives all of its own back."""
    called = called_definition(node)
    shop.findings.add(Outcome.TO_SET_UP, node.id, f'Deploy the definition "{called}" first: it is called.')
    for key in _NO_PLACE:
        if node.properties.get(key):
            told = json.dumps(node.properties[key], ensure_ascii=False)[:500]
            said = f"{key} of the call is left out: the newest version runs, with all variables in and out."
            shop.findings.add(Outcome.LEFT_OUT, node.id, said, told)
    return TaskSettings(calls=called)
