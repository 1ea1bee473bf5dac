"""The forms of a process: JSON Schemas in `zeebe:userTaskForm`, which user tasks refer to by id."""

from process_engine.reading.settings.extensions import Extensions
from process_engine.reading.vocabulary import BPMN, ZEEBE
from process_engine.reading.xml_source import Element, Problems
from process_engine.values.plain_json import Json
from process_engine.values.schemas import parse_schema

Forms = dict[str, dict[str, Json] | None]
"""Form id -> schema; None when the form exists but was reported as unreadable."""

EMBEDDED_FORM_KEY = "camunda-forms:bpmn:"
"""What the Camunda Modeler writes before the id of a form that is embedded in the process."""


def read_forms(process: Element, problems: Problems) -> Forms:
    """Read every form of the process; what is wrong with one is reported to `problems`."""
    forms: Forms = {}
    for form in process.iterfind(f"{{{BPMN}}}extensionElements/{{{ZEEBE}}}userTaskForm"):
        form_id = form.get("id")
        if not form_id:
            problems.add(process, "has a zeebe:userTaskForm without an id", at=form)
        elif form_id in forms:
            problems.add(process, f"has two forms with the id {form_id!r}", at=form)
        else:
            forms[form_id] = _read_form(process, form, problems)
    return forms


def _read_form(process: Element, form: Element, problems: Problems) -> dict[str, Json] | None:
    try:
        return parse_schema(form.text or "")
    except ValueError as error:
        problems.add(process, f"has a form {form.get('id')!r} that cannot be read: {error}", at=form)
        return None


def form_of(task: Extensions, forms: Forms) -> dict[str, Json] | None:
    """The form a task's `zeebe:formDefinition` refers to by formId or formKey, or None when it has none."""
    definition = task.parts.get("formDefinition")
    if definition is None:
        return None
    form_id = (definition.get("formId") or definition.get("formKey") or "").removeprefix(EMBEDDED_FORM_KEY)
    if not form_id:
        task.complain("has a zeebe:formDefinition without formId and formKey", at=definition)
    elif form_id not in forms:
        known = ", ".join(sorted(forms)) or "none"
        task.complain(f"refers to the form {form_id!r}; the process holds: {known}", at=definition)
    return forms.get(form_id)
