"""What both text endpoints share of a reply: stable ids, token counts, cuts, and the pieces a stream is sent in."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from offline_model.conversation import Called, Conversation, Returned, Said
from offline_model.decide import Decision
from offline_model.text.token_count import first_tokens, prompt_token_count, token_count

_PIECE = re.compile(r"(?:\s*\S+){1,4}\s*|\s+")


@dataclass(frozen=True)
class Reply:
    """A decision ready to be sent: text, or a call with its arguments as JSON; and what it counts for.

    `is_cut` tells that the text ended at the request's token limit. `id_of(prefix)` gives ids that depend on the
    request alone, so that the same request gets the same bytes.
    """

    request_hash: str
    prompt_tokens: int
    text: str
    is_cut: bool
    call_name: str = ""
    call_arguments: str = ""

    @property
    def completion_tokens(self) -> int:
        """The tokens of the reply."""
        return token_count(self.text) + token_count(self.call_name) + token_count(self.call_arguments)

    @property
    def total_tokens(self) -> int:
        """The tokens of prompt and reply."""
        return self.prompt_tokens + self.completion_tokens

    def id_of(self, prefix: str) -> str:
        """Return an id that begins with `prefix`."""
        return f"{prefix}_{self.request_hash}"


def reply_to(
    request: Any, conversation: Conversation, decision: Decision, limit: int | None, stops: Sequence[str] = ()
) -> Reply:
    """Return the reply to `request` (its JSON body): text is cut at a stop text and at `limit` tokens, calls never."""
    canonical = json.dumps(request, sort_keys=True, ensure_ascii=False)
    request_hash = blake2b(canonical.encode(), digest_size=12).hexdigest()
    prompt = _prompt_tokens(conversation)
    if decision.call:
        arguments = json.dumps(dict(decision.call.arguments), ensure_ascii=False)
        return Reply(request_hash, prompt, "", False, decision.call.name, arguments)
    text = decision.text
    for stop in filter(None, stops):
        text = text.split(stop, 1)[0]
    within = text if limit is None else first_tokens(text, limit)
    return Reply(request_hash, prompt, within, within != text)


def pieces(text: str) -> list[str]:
    """Return `text` in pieces of about four words; joined they are the text."""
    return [match.group() for match in _PIECE.finditer(text)]


def event(data: Any, name: str = "") -> str:
    """Return one server-sent event with `data` as JSON (a text is sent as it is), named when `name` is given."""
    body = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return f"event: {name}\ndata: {body}\n\n" if name else f"data: {body}\n\n"


def _prompt_tokens(conversation: Conversation) -> int:
    texts: list[str] = []
    for item in conversation.items:
        match item:
            case Said() | Returned():
                texts.append(item.text)
            case Called():
                texts += [item.name, json.dumps(dict(item.arguments), ensure_ascii=False)]
    for tool in conversation.tools:
        texts += [tool.name, tool.description, json.dumps(dict(tool.parameters), ensure_ascii=False)]
    if conversation.output.schema is not None:
        texts.append(json.dumps(dict(conversation.output.schema), ensure_ascii=False))
    return prompt_token_count(texts, len(conversation.items))
