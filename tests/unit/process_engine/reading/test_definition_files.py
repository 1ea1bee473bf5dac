"""Files that are not a runnable BPMN process at all: hostile, broken, or with the wrong number of processes."""

import pytest
from bpmn_writing import bpmn, process, scope

from process_engine.reading.definition import parse
from process_engine.values.errors import DefinitionInvalid, EngineError, Problem

RUNNABLE = scope("startEvent s, endEvent e", "s -> e")


def problems_of(xml: bytes) -> list[Problem]:
    with pytest.raises(DefinitionInvalid) as caught:
        parse(xml)
    return caught.value.problems


@pytest.mark.parametrize(
    "xml",
    [
        b"",
        b"hello",
        b"<a><b></a>",
        b"\x00\x01\x02",
        b"{}",
        '<?xml version="1.0" encoding="utf-8"?><a>'.encode("utf-16"),
    ],
)
def test_what_is_not_xml_is_refused(xml: bytes) -> None:
    (problem,) = problems_of(xml)
    assert problem.message.startswith("not XML: ")
    assert problem.element_id is None


def test_a_syntax_error_in_the_xml_has_its_line() -> None:
    (problem,) = problems_of(process(RUNNABLE + "\n<bpmn:userTask>"))
    assert problem.line == 7


def bomb(levels: int, use: str) -> bytes:
    entities = '<!ENTITY e0 "ha">' + "".join(
        f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, levels)
    )
    return f"<!DOCTYPE definitions [{entities}]><definitions>{use}</definitions>".encode()


@pytest.mark.parametrize("use", ["", "&e11;", '<a b="&e11;"/>'])
def test_an_entity_bomb_is_refused_without_exploding(use: str) -> None:
    (problem,) = problems_of(bomb(12, use))
    assert "DOCTYPE" in problem.message or "not XML" in problem.message
    assert len(problem.message) < 500


def test_a_file_cannot_read_other_files(tmp_path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the-secret")
    model = process(RUNNABLE).decode().replace('<bpmn:startEvent id="s">', '<bpmn:startEvent id="s" name="&x;">')
    messages = [
        str(problem)
        for doctype in (
            f'<!DOCTYPE d [<!ENTITY x SYSTEM "{secret.as_uri()}">]>',
            f'<!DOCTYPE d SYSTEM "{secret.as_uri()}">',
        )
        for text in (model, model.replace("&x;", "x"))
        for problem in problems_of((doctype + text).encode())
    ]
    assert messages
    assert not [message for message in messages if "the-secret" in message]


def test_any_doctype_is_refused() -> None:
    (problem,) = problems_of(b"<!DOCTYPE definitions>" + process(RUNNABLE))
    assert problem.message == "the file has a DOCTYPE; it needs none, remove it"


def test_more_than_five_megabytes_are_refused() -> None:
    xml = process(RUNNABLE + f"<!--{'x' * 6_000_000}-->")
    (problem,) = problems_of(xml)
    assert problem.message == f"the file has {len(xml)} bytes; at most 5000000 (5 MB) are allowed"


def test_almost_five_megabytes_are_read() -> None:
    assert parse(process(RUNNABLE + f"<!--{'x' * 4_900_000}-->")).id == "p"


def test_nesting_without_end_is_refused() -> None:
    depth = 10_000
    (problem,) = problems_of(bpmn("<bpmn:process>" * depth + "</bpmn:process>" * depth))
    assert problem.message.startswith("not XML: ")


def test_another_kind_of_xml_is_refused() -> None:
    (problem,) = problems_of(b"<html/>")
    assert (
        "the root element is html; BPMN 2.0 has {http://www.omg.org/spec/BPMN/20100524/MODEL}definitions"
        in problem.message
    )


def test_a_file_without_a_process_is_refused() -> None:
    (problem,) = problems_of(bpmn(""))
    assert (problem.element_id, problem.line) == ("definitions", 1)
    assert "holds no process" in problem.message


def test_a_process_that_is_not_executable_is_told_what_to_write() -> None:
    (problem,) = problems_of(process(RUNNABLE, 'id="p" isExecutable="false"'))
    what = 'is not executable: write isExecutable="true", or name it (process=...)'
    assert problem == Problem("p", 2, f"process 'p' (line 2) {what}")


def test_the_only_process_that_does_not_say_runs() -> None:
    assert parse(process(RUNNABLE, 'id="p"')).id == "p"
    not_run = '<bpmn:process id="q" isExecutable="false"/>'
    assert parse(bpmn(f'{not_run}<bpmn:process id="p">{RUNNABLE}</bpmn:process>')).id == "p"


def test_a_process_may_be_named() -> None:
    second = f'<bpmn:process id="q" isExecutable="false">{RUNNABLE}</bpmn:process>'
    two = f'<bpmn:process id="p">{RUNNABLE}</bpmn:process>{second}'
    assert [parse(bpmn(two), name).id for name in "pq"] == ["p", "q"]
    with pytest.raises(DefinitionInvalid, match="holds no process 'r'; it holds p, q"):
        parse(bpmn(two), "r")


@pytest.mark.parametrize("value", ["true", "1"])
def test_both_spellings_of_true_in_xml_make_a_process_executable(value: str) -> None:
    assert parse(process(RUNNABLE, f'id="p" isExecutable="{value}"')).id == "p"


def test_comments_and_processing_instructions_may_stand_anywhere() -> None:
    model = process(RUNNABLE.replace("</bpmn:startEvent>", "<!-- here --><?and here?></bpmn:startEvent><!-- --><?x?>"))
    assert len(parse(b"<?xml version='1.0'?><!-- a --><?b c?>" + model).spec["graph"]["nodes"]) == 2


def test_two_executable_processes_are_refused() -> None:
    one = '<bpmn:process id="p" isExecutable="true"/>\n<bpmn:process id="q" isExecutable="true"/>'
    first, second = problems_of(bpmn(one))
    assert (first.element_id, first.line, second.element_id, second.line) == ("p", 2, "q", 3)
    assert "is one of 2 executable processes (p, q); say which is to be deployed" in first.message


def test_a_process_that_is_only_drawn_may_stand_beside_the_one_that_runs() -> None:
    drawn = '<bpmn:process id="drawn"><bpmn:callActivity id="c"/></bpmn:process>'
    assert parse(bpmn(f'{drawn}<bpmn:process id="runs" isExecutable="true">{RUNNABLE}</bpmn:process>')).id == "runs"


def test_other_pools_are_drawn_and_do_not_run() -> None:
    pools = '<bpmn:participant id="a" processRef="p"/><bpmn:participant id="b" processRef="q"/>'
    flow = '<bpmn:messageFlow id="m" sourceRef="a" targetRef="b"/>'
    other = '<bpmn:process id="q"><bpmn:complexGateway id="x"/></bpmn:process>'
    frame = f'<bpmn:collaboration id="c">{pools}{flow}</bpmn:collaboration>{other}'
    assert parse(bpmn(f'{frame}<bpmn:process id="p" isExecutable="true">{RUNNABLE}</bpmn:process>')).id == "p"


def test_one_pool_is_a_frame_around_the_process() -> None:
    pool = '<bpmn:collaboration id="c"><bpmn:participant id="a" processRef="p"/></bpmn:collaboration>'
    assert parse(bpmn(f'{pool}<bpmn:process id="p" isExecutable="true">{RUNNABLE}</bpmn:process>')).id == "p"


def test_a_choreography_is_refused() -> None:
    content = f'<bpmn:choreography id="c"/>\n<bpmn:process id="p" isExecutable="true">{RUNNABLE}</bpmn:process>'
    (problem,) = problems_of(bpmn(content))
    assert problem == Problem("c", 2, "choreography 'c' (line 2) is not supported yet by this version")


def test_what_nothing_refers_to_is_ignored_at_the_top_of_a_file() -> None:
    unused = '<bpmn:message id="m"/><bpmn:error id="er"/><bpmn:itemDefinition id="i"/><bpmn:category id="ca"/>'
    unused += '<bpmn:timerEventDefinition id="t"/><bpmn:globalUserTask id="gu"/><bpmn:dataStore id="ds"/>'
    assert parse(bpmn(f'{unused}<bpmn:process id="p" isExecutable="true">{RUNNABLE}</bpmn:process>')).id == "p"


def test_all_problems_come_at_once_and_in_the_order_of_the_file() -> None:
    found = problems_of(
        process(
            '<bpmn:startEvent id="s"/>\n<bpmn:complexGateway id="call"/>\n<bpmn:serviceTask id="work"/>\n'
            '<bpmn:sequenceFlow id="f" sourceRef="s" targetRef="work"/>\n'
            '<bpmn:sequenceFlow id="g" sourceRef="work" targetRef="nowhere"/>'
        )
    )
    assert [(problem.element_id, problem.line) for problem in found] == [("call", 4), ("work", 5), ("g", 7)]


def test_the_error_says_everything_in_its_text_and_is_an_engine_error() -> None:
    with pytest.raises(EngineError) as caught:
        parse(process('<bpmn:complexGateway id="a"/>\n<bpmn:transaction id="b"/>'))
    lines = str(caught.value).splitlines()
    assert "complexGateway 'a' (line 3) is not supported yet by this version" in lines
    assert "transaction 'b' (line 4) is not supported yet by this version" in lines
