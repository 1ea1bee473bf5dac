"""Everything understood from a conversation: the request, the evidence for it, and what the tools reported."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from offline_model.conversation import Conversation, ToolUse
from offline_model.evidence.answer import NOTHING_FOUND_STARTS, Answer, Source, answer_from, is_about
from offline_model.evidence.passages import Passage, distinct, documents_in, error_in, parsed, passages_in
from offline_model.evidence.relevance import search_terms
from offline_model.evidence.request import COMMENT_FIELDS, SUBJECT_FIELDS, Request, current_request, same_name
from offline_model.text.asks import SAVING, asking_words, is_asked, is_order, is_question, without_order
from offline_model.text.sentences import sentences, shortened
from offline_model.text.words import Word, is_korean, key_words
from offline_model.tools.kinds import Kind, kind_of_name

DRAFT_FIELDS = ("answer", "draft", "content", "body", "reply", "response", "report", "document", "답변", "초안", "내용")
"""Names of input values that already are an answer, best first."""

_NO_EVIDENCE = (Kind.SAVE, Kind.PROGRESS, Kind.FINISH)
_SHORTEST = 20


class Reading:
    """A conversation, read. Each part is worked out when it is first asked for."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        asked = conversation.requests()
        number, request = current_request(conversation.rules(), [text for _, text in asked])
        self.request: Request = request
        self.uses: list[ToolUse] = conversation.tool_uses()
        self.turn_uses: list[ToolUse] = conversation.tool_uses(since=asked[number][0])

    @cached_property
    def asked(self) -> str:
        """What is asked: the subject, and a reviewer's comment."""
        return f"{self.request.subject}\n{self.request.comment}".strip()

    @cached_property
    def subject_words(self) -> list[Word]:
        """The key words of the subject."""
        return asking_words(self.request.subject) if self.request.own_words else key_words(self.request.subject)

    @cached_property
    def key_words(self) -> list[Word]:
        """The key words of the subject and of the comment on it."""
        every = [*self.subject_words, *self._comment_words]
        return list({word.terms: word for word in every}.values())

    @cached_property
    def search_terms(self) -> str:
        """The query to search with."""
        return search_terms(self.subject_words, self._comment_words)

    @cached_property
    def records(self) -> list[Mapping[str, Any]]:
        """The JSON objects tools gave back, newest first."""
        values = [parsed(use.result) for use in reversed(self.uses) if use.result is not None]
        return [value for value in values if isinstance(value, Mapping) and not error_in(value)]

    @cached_property
    def errors(self) -> list[str]:
        """What failed tool calls of this turn reported, as `tool: message`."""
        reported = [(use.name, error_in(parsed(use.result or ""))) for use in self.turn_uses]
        return [f"{name}: {shortened(message, 200)}" for name, message in reported if message]

    @cached_property
    def answer(self) -> Answer:
        """The extractive answer: from what tools gave, else from the input values, else from the user's own text."""
        for given in (evidence_of(self.uses), self._given_passages()):
            found = answer_from(given, self.key_words)
            if found.lines:
                return found
        asked_for = evidence_of(self.turn_uses, (Kind.OTHER,)) or self._given_passages()
        if asked_for:
            return answer_from(asked_for, self.key_words, must_meet=False)
        return Answer() if self.turn_uses else self._own_text_answer()

    @cached_property
    def has_found(self) -> bool:
        """Whether the searches of this turn gave anything about the request."""
        return is_about(evidence_of(self.turn_uses), self.key_words)

    @cached_property
    def saved(self) -> Mapping[str, Any] | None:
        """What this turn's last successful save gave back; None without one."""
        for use in reversed(self.turn_uses):
            value = parsed(use.result or "")
            if kind_of_name(use.name) is Kind.SAVE and use.result is not None and not error_in(value):
                return value if isinstance(value, Mapping) else {}
        return None

    @cached_property
    def draft(self) -> str:
        """An answer the inputs already hold, word for word ("" if none)."""
        named = {same_name(str(name)): value for name, value in self.request.inputs.items()}
        drafts = [named.get(name) for name in DRAFT_FIELDS]
        return next((draft for draft in drafts if isinstance(draft, str) and draft.strip()), "")

    @cached_property
    def keeps_draft(self) -> bool:
        """Whether the answer the inputs hold stands: no search gave anything new, and nobody wants it changed."""
        is_wanted_changed = self.request.comment and not is_asked(SAVING, self.request.instruction)
        return bool(self.draft) and not self.has_found and not is_wanted_changed

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """The sources of the answer: for a draft that stands, the documents the inputs name."""
        if not self.keeps_draft:
            return self.answer.sources
        named = documents_in(self.request.inputs)
        return tuple(Source(place + 1, passage, passage.text) for place, passage in enumerate(named))

    @cached_property
    def first_statement(self) -> str:
        """The first sentence of the subject, as the request's own summary."""
        return next((sentence.text for sentence in sentences(self.request.subject)), self.request.subject.strip())

    @cached_property
    def nothing_found(self) -> str:
        """The sentence that says plainly that nothing was found, in the language of the request."""
        about = search_terms(self.subject_words) or shortened(self.request.subject, 80)
        if is_korean(self.request.subject):
            return f"{NOTHING_FOUND_STARTS[1]} 주어진 문서에서 '{about}'에 관한 내용을 찾지 못했습니다."
        return f"{NOTHING_FOUND_STARTS[0]} I found nothing about '{about}' in the documents I was given."

    @property
    def _comment_words(self) -> list[Word]:
        return asking_words(self.request.comment) if self.request.comment else []

    def _given_passages(self) -> list[Passage]:
        """Return the passages among the inputs: every text but the subject, the comment, short labels and echoes."""
        left_out = (*SUBJECT_FIELDS, *COMMENT_FIELDS)
        found: list[Passage] = []
        for name, value in self.request.inputs.items():
            if same_name(str(name)) not in left_out:
                found += passages_in(value, str(name))
        asked = " ".join(self.asked.split())
        return [
            passage
            for passage in found
            if len(passage.text) >= _SHORTEST and " ".join(passage.text.split()).rstrip("…") not in asked
        ]

    def _own_text_answer(self) -> Answer:
        """Return the statements of the user's own text that meet its question, or say most when it asks none."""
        text = self.request.instruction if self.request.own_words else self.request.subject
        said = [without_order(sentence.text) for sentence in sentences(text)]
        questions = key_words(" ".join(sentence for sentence in said if is_question(sentence)))
        statements = [sentence for sentence in said if not is_question(sentence) and not is_order(sentence)]
        own = passages_in("\n\n".join(statements), "your text")
        found = answer_from(own, questions or self.key_words)
        return found if found.lines or questions else answer_from(own, self.key_words, must_meet=False)


def evidence_of(uses: Sequence[ToolUse], kinds: Sequence[Kind] | None = None) -> list[Passage]:
    """Return the passages tools gave back, in order; of the tools of `kinds`, or of all whose results are evidence."""
    found: list[Passage] = []
    for use in uses:
        kind = kind_of_name(use.name)
        if use.result is None or (kind not in kinds if kinds else kind in _NO_EVIDENCE):
            continue
        value = parsed(use.result)
        if not error_in(value):
            found += passages_in(value, use.name)
    return distinct(found)
