"""The model endpoint: one chat completion at a time, its failures told apart by whether a retry can help."""

from dataclasses import dataclass
from typing import Any

import httpx2
import openai
from openai.types.chat import ChatCompletion

from orchestrators import kit

Message = dict[str, Any]


@dataclass(frozen=True)
class ToolCall:
    """What the model asks for: `arguments` is JSON text as the model wrote it, which may be broken."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Said:
    """One message of the model."""

    text: str
    tool_calls: list[ToolCall]

    def as_sent(self) -> Message:
        """Return the message as later requests repeat it."""
        message: Message = {"role": "assistant", "content": self.text}
        if self.tool_calls:
            message["content"] = self.text or None
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in self.tool_calls
            ]
        return message


class Model:
    """Asks the task's model for the next message of a conversation."""

    def __init__(self, task: kit.Task, http: httpx2.AsyncClient) -> None:
        self._name = task.model
        # No retries in here: the pod journals every request and retries the task with backoff.
        self._client = openai.AsyncOpenAI(
            base_url=task.model_url, api_key=task.token, http_client=http, timeout=http.timeout, max_retries=0
        )

    async def next_message(
        self, messages: list[Message], functions: list[dict[str, Any]], response_format: dict[str, Any] | None
    ) -> Said:
        """Return what the model says next.

        Args:
            messages: the conversation so far, in the shapes of the chat completions protocol.
            functions: the function tools it may call; none when empty.
            response_format: the format its answer must have, or None.

        Raises:
            kit.Failed: retryable after HTTP 429, 5xx, no connection or an answer without a message; not
                retryable after any other 4xx.
            kit.Refused: the model declined, or its answer was cut off.
        """
        request: dict[str, Any] = {"model": self._name, "messages": messages}
        if functions:
            request["tools"] = functions
        if response_format:
            request["response_format"] = response_format
        return _said(await self._complete(request))

    async def _complete(self, request: dict[str, Any]) -> ChatCompletion:
        try:
            return await self._client.chat.completions.create(**request)
        except openai.APIConnectionError as error:
            raise kit.Failed(f"The model endpoint could not be reached: {error.__cause__ or error}") from error
        except openai.APIStatusError as error:
            retryable = error.status_code == 429 or error.status_code >= 500
            reason = f"The model endpoint answered HTTP {error.status_code}: {_server_message(error)}"
            raise kit.Failed(reason, retryable=retryable) from error
        except (openai.APIError, ValueError) as error:
            raise kit.Failed(f"The model endpoint's answer could not be read: {error}") from error


def _said(completion: ChatCompletion) -> Said:
    # The client does not check what a server sends: it may be text, or lack its required fields.
    choice = completion.choices[0] if isinstance(completion, ChatCompletion) and completion.choices else None
    message = choice.message if choice else None
    if choice is None or message is None:
        raise kit.Failed("The model endpoint answered without a message.")
    if message.refusal or choice.finish_reason == "content_filter":
        raise kit.Refused(f"The model declined: {message.refusal or 'its content filter stopped the answer'}")
    if choice.finish_reason == "length":
        raise kit.Refused("The model's answer was cut off at its token limit; ask for less, or use another model.")
    calls = [
        ToolCall(call.id, call.function.name, call.function.arguments)
        for call in message.tool_calls or []
        if call.type == "function"
    ]
    return Said(message.content or "", calls)


def _server_message(error: openai.APIStatusError) -> str:
    """Return the server's own words where it gave them (`error.message` in the body), else the client's."""
    if isinstance(error.body, dict) and isinstance(error.body.get("message"), str):
        return error.body["message"]
    return error.message
