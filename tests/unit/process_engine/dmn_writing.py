"""Writes small DMN files for tests."""

from html import escape

OPENING = (
    '<definitions xmlns="https://www.omg.org/spec/DMN/20191111/MODEL/" id="file" name="file" namespace="http://test">\n'
)


def dmn(content: str) -> bytes:
    """A file with `content` as its root's content, which begins in line 2."""
    return f"{OPENING}{content}\n</definitions>".encode()


def _text(tag: str, text: str, attributes: str = "") -> str:
    return f"<{tag}{attributes}><text>{escape(text)}</text></{tag}>"


def table(
    inputs: list[str], outputs: list[str], rules: list[str], policy: str = "UNIQUE", decision: str = "d", more: str = ""
) -> str:
    """A decision with a table.

    inputs: expressions; "expression | values" where the values are restricted.
    outputs: names; "name | values | default".
    rules: "cell ; cell => value ; value", one a row; their ids are r1, r2 ...
    policy: "COLLECT SUM" has an aggregation.
    """
    hit, _, aggregation = policy.partition("+")
    lines = [f'<decision id="{decision}" name="{decision}">{more}']
    lines += [f'<decisionTable hitPolicy="{hit}"' + (f' aggregation="{aggregation}">' if aggregation else ">")]
    for column in inputs:
        expression, _, values = (part.strip() for part in column.partition("|"))
        allowed = _text("inputValues", values) if values else ""
        lines.append(f"<input>{_text('inputExpression', expression)}{allowed}</input>")
    for column in outputs:
        name, values, default = (part.strip() for part in (column + "||").split("|")[:3])
        inside = (_text("outputValues", values) if values else "") + (
            _text("defaultOutputEntry", default) if default else ""
        )
        lines.append(f'<output name="{name}">{inside}</output>')
    for number, rule in enumerate(rules, start=1):
        cells, _, values = rule.partition("=>")
        entries = [_text("inputEntry", cell.strip()) for cell in cells.split(";") if inputs]
        entries += [_text("outputEntry", value.strip()) for value in values.split(";")]
        lines.append(f'<rule id="r{number}">{"".join(entries)}</rule>')
    return "\n".join([*lines, "</decisionTable></decision>"])
