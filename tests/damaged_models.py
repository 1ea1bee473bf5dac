"""Damages models (BPMN, DMN) at random, so that some of them can still be read."""

import random

NASTY = [
    b"", b"&amp;", b"&#0;", b"\x00", b"\xff\xfe", b"]]>", b"<", b">", b"'", b'"', b"\xe2\x80\xae", b"-1", b"9" * 30,
    b"=", b"=1/0", b"=(", b"NaN", b"true", b"<!DOCTYPE x>", b"<!-- -->", b"<?x ?>", b"<![CDATA[x]]>", b"&x;",
    b"A" * 3000, b'<bpmn:task id="s"/>', b"</bpmn:process>", b'isExecutable="true"',
    b"<bpmn:multiInstanceLoopCharacteristics/>",
]  # fmt: skip


def damaged(model: bytes, chance: random.Random) -> bytes:
    """A copy with one to three pieces removed, doubled, swapped, overwritten or inserted."""
    for _ in range(chance.choice([1, 1, 2, 3])):
        start = chance.randrange(len(model))
        end = min(len(model), start + chance.choice([1, 1, 3, 10, 60, 300]))
        other = chance.randrange(len(model))
        kind = chance.randrange(6)
        if kind == 0:
            model = model[:start] + model[end:]
        elif kind == 1:
            model = model[:other] + model[start:end] + model[other:]
        elif kind == 2:
            model = model[:start] + bytes(chance.randrange(256) for _ in range(3)) + model[end:]
        elif kind == 3:
            model = model[:start] + chance.choice(NASTY) + model[start:]
        else:
            model = _attribute_changed(model, chance, swap=kind == 4)
    return model or b"<"


def _attribute_changed(model: bytes, chance: random.Random, *, swap: bool) -> bytes:
    """A copy in which the text between two quotes is nasty, or that of another place."""
    parts = model.split(b'"')
    if len(parts) < 4:
        return model
    place = chance.randrange(1, len(parts), 2) if len(parts) > 2 else 0
    parts[place] = parts[chance.randrange(len(parts))] if swap else chance.choice(NASTY)
    return b'"'.join(parts)
