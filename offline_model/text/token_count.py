"""Token counts: an estimate by a fixed formula, so that the same text always costs the same.

    tokens(text) = for each run of letters and digits: ceil(length / 6)
                   for each run of Korean, Japanese or Chinese characters: ceil(length * 2 / 3)
                   for each other visible character: 1
    prompt       = tokens of every text, name and JSON in the request + 3 for each message + 3

The 3s are what OpenAI's own counting guide adds for a message's frame and for the start of the reply.
"""

import re
from collections.abc import Iterable

from offline_model.text.words import CJK, HANGUL

_RUN = re.compile(rf"(?P<syllables>[{HANGUL}{CJK}]+)|(?P<word>[^\W_{HANGUL}{CJK}]+)|\S")
FRAME_TOKENS = 3


def token_count(text: str) -> int:
    """Return the number of tokens `text` counts for (0 for an empty text)."""
    return sum(_cost(run) for run in _RUN.finditer(text))


def prompt_token_count(texts: Iterable[str], messages: int) -> int:
    """Return the tokens of a prompt made of `texts` in so many messages."""
    return sum(map(token_count, texts)) + FRAME_TOKENS * (messages + 1)


def first_tokens(text: str, limit: int) -> str:
    """Return the longest start of `text`, in whole runs, that counts for at most `limit` tokens."""
    total = 0
    for run in _RUN.finditer(text):
        total += _cost(run)
        if total > limit:
            return text[: run.start()].rstrip()
    return text


def _cost(run: re.Match[str]) -> int:
    length = len(run.group())
    if run["syllables"]:
        return -(-length * 2 // 3)
    return -(-length // 6) if run["word"] else 1
