"""An OpenAI-compatible model server that needs no key: deterministic, extractive, and honest about it.

It writes nothing of its own. It picks tools by the words of the request, answers with sentences it found and
says where, and fills a JSON schema from the text. It stands in for a real model when none is configured.

    app.py, __main__.py   the server and its command
    protocol/             the wire: chat completions, responses, embeddings, streams, errors
    conversation.py       what was said, called and returned, in neutral words
    decide.py             one step of the model: call a tool, answer in text, or fill a schema
    evidence/             what is asked, which passages were given, which sentences answer
    tools/                which tool fits, and its arguments
    schema/               values for a JSON schema, taken from the text
    text/                 words, sentences, cue words, vectors, token counts
"""

MODEL_ID = "offline-extractive-1"
"""The one model this server has; every answer carries it, whatever name was asked for."""

FINGERPRINT = "extractive-no-language-model-1"
"""Sent as `system_fingerprint` and in `metadata`, so nobody takes the answers for a language model's."""

RELEASED_AT = 1_789_000_000
"""Unix time sent wherever the protocol wants a creation time: a constant, so that equal requests get equal bytes."""
