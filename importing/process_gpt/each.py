"""Sub-processes that run once for each item of a list: multi-instance, with variables of each instance's own."""

import re
from dataclasses import dataclass

from importing.process_gpt.findings import Outcome
from importing.process_gpt.model import Node, Scope
from importing.process_gpt.tasks import TaskSettings, Workshop
from importing.process_gpt.vocabulary import all_nodes, form_named_by, name_in_cel, text_in_cel, value_or_null

_LIST, _TIMES = "determinationCode", ("forEachVariable", "foreachVariable")
_FORM_AND_FIELD = re.compile(r"\s*(?P<form>[^\s:]+)\s*:\s*(?P<field>[^\s.:]+)\s*")


@dataclass(frozen=True)
class Each:
    """For what a sub-process runs: for each item of the list `collection` (CEL), which it sees as the variable `item`,
    or `times` times. `results` is the variable that gets the list of what each gives: `result` (CEL).
    """

    collection: str = ""
    item: str = ""
    times: str = ""
    results: str = ""
    result: str = ""


def told_each(node: Node) -> dict[str, str]:
    """What a sub-process says of the items it runs for, by the name of the property."""
    return {key: str(node.properties[key]) for key in (_LIST, *_TIMES) if node.properties.get(key)}


def read_each(node: Node, shop: Workshop) -> Each | None:
    """Read `form:field`, the list, or else a number of times; None where there is nothing, or only words."""
    told = told_each(node)
    named = _FORM_AND_FIELD.fullmatch(told.get(_LIST, ""))
    times = next((told[key].strip() for key in _TIMES if told.get(key, "").strip().isdigit()), "")
    if not named and not times:
        return None
    fields = _fields(node, shop)
    result = f"={{{', '.join(f'{text_in_cel(field)}: {name_in_cel(field)}' for field in fields)}}}" if fields else ""
    results = _name(f"{node.id}_results") if fields else ""
    if not named:
        return Each(times=times, results=results, result=result)
    field = named["field"]
    item = _name(f"{field}_item")
    said = f'Runs for each item of "{field}": an instance sees its own as the variable "{item}".'
    shop.findings.add(Outcome.CHANGED, node.id, said, "; ".join(f"{key}: {text}" for key, text in told.items()))
    return Each(f"={name_in_cel(field)}", item, "", results, result)


def each_settings(node: Node, content: Scope, each: Each, shop: Workshop) -> TaskSettings:
    """Input mappings that give every instance its own variable for each field that its tasks fill in."""
    fields = _fields(node, shop)
    if fields:
        said = f'What each instance filled in is in the list "{each.results}" and not in variables of its own.'
        shop.findings.add(Outcome.CHANGED, node.id, said, ", ".join(fields))
    unknown = [inner.id for inner in all_nodes(content) if form_named_by(inner) and not _form_fields(inner, shop)]
    if unknown:
        said = (
            "Nothing tells the fields of these activities: all instances set the same variables, the last one counts."
        )
        shop.findings.add(Outcome.CHANGED, node.id, said, ", ".join(unknown))
    return TaskSettings(inputs={field: f"={value_or_null(field)}" for field in fields})


def _name(text: str) -> str:
    """A name that a variable of a loop may have."""
    name = re.sub(r"\W", "_", text)
    return f"_{name}" if name[0].isdigit() else name


def _fields(node: Node, shop: Workshop) -> list[str]:
    inner = all_nodes(node.inside) if node.inside is not None else ()
    return [*dict.fromkeys(field for activity in inner for field in _form_fields(activity, shop))]


def _form_fields(activity: Node, shop: Workshop) -> list[str]:
    named = form_named_by(activity)
    form = shop.words.form(named) if named else None
    return [*shop.words.fields[form]] if form else []
