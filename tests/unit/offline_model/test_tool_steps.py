"""Which tools are called for which words, in what order, and with what arguments."""

import json

import pytest

from offline_model.conversation import Called, Conversation, Returned, Said, Tool, ToolChoice
from offline_model.decide import decide
from offline_model.tools.steps import MOST_CALLS


def tool(name: str, description: str = "", required: tuple[str, ...] = (), **properties) -> Tool:
    return Tool(name, description, {"type": "object", "properties": properties, "required": list(required)})


TEXT = {"type": "string"}
PROGRESS = tool("report_progress", "Tell how far the task is", ("message",), message=TEXT)
READ = tool("read_document", "Read a document found by a search", ("document_id",), document_id=TEXT)
MEMORY = tool("search_memory", "Search what was remembered about people", ("query",), query=TEXT)


@pytest.fixture
def answer_calls(documents):
    def answer(name, arguments):
        if name.startswith("search"):
            return {"results": documents}
        if name == "save_document":
            return {"document_id": "new-7", "title": arguments["title"]}
        return {"ok": True}

    return answer


def test_a_request_for_an_answer_searches_once_and_does_not_save(run_agent, task, search_tool, save_tool, answer_calls):
    asked = task("Draft an answer to the request.", request="When is a refund paid to my card?")
    calls, text = run_agent(asked, [PROGRESS, READ, save_tool, search_tool], answer_calls)
    assert calls == [("search_documents", {"query": "refund paid card"})]
    assert "within 5 working days" in text


def test_an_empty_result_is_searched_for_once_more_with_fewer_terms(run_agent, task, search_tool):
    asked = task("Answer the request.", request="Is the warranty of the toaster longer than the guarantee?")
    calls, text = run_agent(asked, [search_tool], lambda *_: {"results": []})
    assert [call["query"] for _, call in calls] == ["warranty toaster longer guarantee", "warranty guarantee"]
    assert text.startswith(
        "I am an offline extractive model; I found nothing about 'warranty toaster longer guarantee'"
    )


def test_an_irrelevant_result_counts_as_nothing_found(run_agent, search_tool, documents):
    calls, text = run_agent("What is the warranty of the toaster?", [search_tool], lambda *_: {"results": documents})
    assert len(calls) == 2
    assert "I found nothing about 'warranty toaster'" in text


def test_another_search_tool_is_tried_when_the_first_finds_nothing(run_agent, search_tool):
    def answer(name, arguments):
        return {"results": []} if name == "search_documents" else {"results": [{"text": "Kim likes green tea."}]}

    calls, text = run_agent("Which tea does Kim like?", [search_tool, MEMORY], answer)
    assert [name for name, _ in calls] == ["search_documents", "search_documents", "search_memory"]
    assert text == "Kim likes green tea. [1]\n\nSources: [1] search_memory"


def test_a_search_tool_the_instruction_names_comes_first(run_agent, search_tool, answer_calls):
    calls, _ = run_agent("Use search_memory: when is a refund paid?", [search_tool, MEMORY], answer_calls)
    assert calls[0][0] == "search_memory"


def test_the_reviewer_s_comment_adds_its_terms_to_the_search(run_agent, task, search_tool, answer_calls):
    asked = task("Draft an answer.", request="When is a refund paid?", comment="Please mention gift cards")
    calls, text = run_agent(asked, [search_tool], answer_calls)
    assert calls[0][1] == {"query": "refund paid gift cards"}
    assert "Gift cards are not refundable. [1]" in text


def test_classifying_needs_no_search_even_of_a_question(run_agent, task, search_tool, answer_calls):
    asked = task("Classify the request as a question or a problem.", request="How do I get a refund?")
    calls, _ = run_agent(asked, [search_tool], answer_calls)
    assert calls == []


def test_small_talk_calls_nothing(run_agent, search_tool, save_tool, answer_calls):
    calls, _ = run_agent("Good morning to you all", [search_tool, save_tool, PROGRESS], answer_calls)
    assert calls == []


@pytest.mark.parametrize("wish", ["and save it", "and store the result", "and archive it", "그리고 저장해 주세요"])
def test_what_was_found_is_saved_when_asked(run_agent, task, search_tool, save_tool, answer_calls, wish: str):
    asked = task(f"Research the request in our documents {wish}.", request="When is a refund paid to my card?")
    calls, text = run_agent(asked, [search_tool, save_tool], answer_calls)
    assert [name for name, _ in calls] == ["search_documents", "save_document"]
    saved = calls[1][1]
    assert saved["title"] == "When is a refund paid to my card?"
    assert "Refunds are paid to the original card within 5 working days. [1]" in saved["content"]
    assert saved["sources"][0] == "Refund policy (refunds.md)"
    assert "folder" not in saved
    assert "Saved (document_id: new-7, title: When is a refund paid to my card?)." in text


def test_a_draft_in_the_input_is_saved_word_for_word_without_a_search(
    run_agent, task, search_tool, save_tool, answer_calls
):
    answer = "You get it in 5 days. [1]\n\nSources: [1] Refund policy (refunds.md)"
    asked = task(
        "Save the approved answer in the knowledge base.",
        request="When is a refund paid?",
        answer=answer,
        sources=[{"document_id": "d1", "title": "Refund policy"}],
    )
    calls, _ = run_agent(asked, [search_tool, save_tool], answer_calls)
    assert [name for name, _ in calls] == ["save_document"]
    assert calls[0][1] == {"title": "When is a refund paid?", "content": answer, "sources": ["Refund policy (d1)"]}


def test_an_approved_answer_is_saved_word_for_word_whatever_was_said_of_it_before(run_agent, task, save_tool):
    asked = task(
        "Save the approved answer.", request="When?", answer="On Friday at noon. [1]", comment="Name the hour."
    )
    calls, _ = run_agent(asked, [save_tool], lambda *_: {"document_id": "n"})
    assert calls[0][1]["content"] == "On Friday at noon. [1]"


def test_nothing_found_is_not_saved(run_agent, search_tool, save_tool):
    calls, _ = run_agent(
        "Find the toaster's warranty and save it.", [search_tool, save_tool], lambda *_: {"results": []}
    )
    assert {name for name, _ in calls} == {"search_documents"}


@pytest.mark.parametrize(
    "words",
    [
        "I cannot save my drawing since Monday.",
        "Do not save anything, say when a refund is paid.",
        "파일 저장이 안 됩니다.",
    ],
)
def test_a_negated_wish_to_save_is_no_wish(run_agent, search_tool, save_tool, answer_calls, words: str):
    calls, _ = run_agent(words, [search_tool, save_tool], answer_calls)
    assert "save_document" not in {name for name, _ in calls}


def test_the_customer_s_words_in_the_input_are_no_order_to_save(run_agent, task, save_tool, answer_calls):
    asked = task("Write a reply.", request="Please save me a seat.", notes="A seat was kept for the customer.")
    calls, _ = run_agent(asked, [save_tool], answer_calls)
    assert calls == []


def test_a_document_is_read_when_the_instruction_says_so(run_agent, search_tool, documents):
    def answer(name, arguments):
        if name == "search_documents":
            return {"results": documents}
        return {
            "document_id": "d1",
            "title": "Refund policy",
            "text": "Refunds of boats take a year.",
            "total_chars": 29,
        }

    asked = "Search for when a refund is paid to a card, then read the document you found."
    calls, _ = run_agent(asked, [READ, search_tool], answer)
    assert [name for name, _ in calls] == ["search_documents", "read_document"]
    assert calls[1][1] == {"document_id": "d1"}


def test_words_that_only_happen_to_be_in_a_tool_s_name_do_not_call_it(run_agent, search_tool, answer_calls):
    asked = "Search for when a refund is paid; name the document, and the files that can be read."
    calls, _ = run_agent(asked, [READ, search_tool], answer_calls)
    assert [name for name, _ in calls] == ["search_documents"]


def test_a_tool_for_the_very_question_is_called_with_its_subject(run_agent):
    weather = tool("get_weather", "Get the weather of a city", ("city",), city=TEXT)
    report = {"city": "Seoul", "temperature": 21}
    calls, text = run_agent("What is the weather in Seoul today?", [weather], lambda *_: report)
    assert calls == [("get_weather", {"city": "Seoul"})]
    assert text == "city: Seoul; temperature: 21 [1]\n\nSources: [1] get_weather"


def test_a_tool_that_acts_is_left_alone_when_its_arguments_are_not_in_the_text(run_agent):
    send = tool(
        "send_email",
        "Send an email",
        ("recipient_email", "body"),
        recipient_email={**TEXT, "format": "email"},
        body=TEXT,
    )
    calls, _ = run_agent("Write what you would send by email.", [send], lambda *_: {})
    assert calls == []


def test_no_call_is_made_twice_with_equal_arguments(search_tool, documents):
    made = Called("c1", "search_documents", {"query": "refund paid"})
    items = (Said("user", "When is a refund paid?"), made, Returned("c1", json.dumps({"results": documents})))
    choice = ToolChoice("required", ("search_documents",))
    decision = decide(Conversation(items, (search_tool,), choice))
    assert decision.call is None
    assert decision.text


def test_a_conversation_has_at_most_six_calls(search_tool):
    def conversation(calls: int) -> Conversation:
        items: list = [Said("user", "When is a refund paid?")]
        for number in range(calls):
            items += [Called(f"c{number}", "other_tool", {"n": number}), Returned(f"c{number}", "{}")]
        return Conversation(tuple(items), (search_tool,), ToolChoice("required"))

    assert decide(conversation(MOST_CALLS - 1)).call is not None
    assert decide(conversation(MOST_CALLS)).call is None


def test_a_demanded_call_prefers_the_tool_that_finishes(search_tool):
    finish = tool("final_answer", "Give the final answer", ("answer",), answer=TEXT)
    items = (Said("user", "Good morning dear colleague"),)
    call = decide(Conversation(items, (search_tool, finish), ToolChoice("required"))).call
    assert call is not None
    assert call.name == "final_answer"


def test_a_second_question_is_searched_anew(search_tool, documents):
    items = (
        Said("user", "When is a refund paid?"),
        Called("c1", "search_documents", {"query": "refund paid"}),
        Returned("c1", json.dumps({"results": documents})),
        Said("assistant", "Within 5 days. [1]"),
        Said("user", "When do orders ship?"),
    )
    call = decide(Conversation(items, (search_tool,))).call
    assert call is not None
    assert dict(call.arguments) == {"query": "orders ship"}


def test_a_note_after_a_tool_result_does_not_replace_the_request(search_tool, documents):
    items = (
        Said("user", "When is a refund paid?"),
        Called("c1", "search_documents", {"query": "refund paid"}),
        Returned("c1", json.dumps({"results": documents})),
        Said("user", "Analyze the tool result. What do you do next?"),
    )
    decision = decide(Conversation(items, (search_tool,)))
    assert decision.call is None
    assert "within 5 working days" in decision.text


def test_a_failed_tool_is_told_in_the_answer(run_agent, search_tool):
    _, text = run_agent("When is a refund paid?", [search_tool], lambda *_: {"error": "index offline"})
    assert "I found nothing about" in text
    assert "A tool failed: search_documents: index offline" in text


def test_optional_arguments_are_not_guessed_from_their_descriptions(run_agent, documents):
    limit = {"type": "integer", "description": "Most passages, the first days."}
    search = tool("search_documents", "Search", ("query",), query=TEXT, limit=limit)
    calls, _ = run_agent("When is a refund paid in the first 3 days?", [search], lambda *_: {"results": documents})
    assert "limit" not in calls[0][1]


def test_tool_names_with_a_server_s_prefix_are_understood(run_agent, documents):
    prefixed = tool("mcp_127_0_0_1_8998_mcp_document_search", "", ("query",), query=TEXT)
    calls, _ = run_agent("When is a refund paid?", [prefixed], lambda *_: {"results": documents})
    assert [name for name, _ in calls] == ["mcp_127_0_0_1_8998_mcp_document_search"]
