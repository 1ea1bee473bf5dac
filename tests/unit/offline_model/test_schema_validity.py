"""Structured output is valid against any schema that can be met; the others are refused with the reason."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schema_answers import fill, of

from offline_model.schema.patterns import sample
from offline_model.schema.values import SchemaUnmet


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "thing"}, "not a valid JSON schema"),
        ({"$ref": "#/$defs/Nowhere"}, "leads nowhere"),
        ({"$ref": "https://example.com/schema.json"}, "leads nowhere"),
        (of(a={"type": "integer", "minimum": 5, "maximum": 4}), "no value could be made"),
        (of(a={"type": "string", "pattern": "("}), "not a 'regex'"),
        ({"$ref": "#", "type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "requires itself"),
    ],
)
def test_a_schema_nothing_can_meet_is_refused_with_the_reason(schema, says: str):
    with pytest.raises(SchemaUnmet, match=says) as refused:
        fill(schema, "Good morning")
    assert refused.value.field == "schema"


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"^\d{2,4}$", "00"),
        ("^(red|blue)+$", "red"),
        (r"^[^a-z]\.x?$", "0."),
        ("^(?:ab){3}-(?P<tail>[xyz])$", "ababab-x"),
        (r"^[\w.]+@[\w.]+$", "a@a"),
        ("", ""),
    ],
)
def test_the_shortest_text_of_a_pattern_is_made(pattern: str, text: str):
    assert sample(pattern) == text


NAMES = st.sampled_from(
    ["answer", "title", "sources", "document_id", "count", "urgent", "category", "due_date", "zone", "items"]
)
LEAVES = st.one_of(
    st.builds(
        lambda low, size: {"type": "string", "minLength": low, "maxLength": low + size},
        st.integers(0, 9),
        st.integers(0, 40),
    ),
    st.builds(
        lambda low, size: {"type": "integer", "minimum": low, "maximum": low + size},
        st.integers(-9, 9),
        st.integers(0, 9),
    ),
    st.builds(
        lambda low, step: {"type": "number", "exclusiveMinimum": low, "multipleOf": step},
        st.integers(-9, 9),
        st.integers(1, 5),
    ),
    st.sampled_from(
        [{"type": "boolean"}, {"type": "null"}, {"type": "number"}, {"type": ["integer", "null"]}, {}, True]
    ),
    st.lists(st.one_of(st.text(max_size=5), st.integers(), st.none()), min_size=1, unique_by=str).map(
        lambda options: {"enum": options}
    ),
    st.sampled_from(["email", "date", "uuid", "uri", "unheard-of"]).map(
        lambda form: {"type": "string", "format": form}
    ),
    st.one_of(st.text(max_size=5), st.integers(), st.none(), st.lists(st.integers(), max_size=2)).map(
        lambda one: {"const": one}
    ),
)


def branches(parts):
    objects = st.dictionaries(NAMES, parts, max_size=4).flatmap(
        lambda properties: (
            st.lists(st.sampled_from(sorted(properties)), unique=True).map(
                lambda required: {
                    "type": "object",
                    "properties": properties,
                    "required": required,
                    "additionalProperties": False,
                }
            )
            if properties
            else st.just({"type": "object"})
        )
    )
    lists = st.builds(
        lambda item, low, size: {"type": "array", "items": item, "minItems": low, "maxItems": low + size},
        parts,
        st.integers(0, 3),
        st.integers(0, 3),
    )
    return st.one_of(objects, lists, st.lists(parts, min_size=1, max_size=3).map(lambda options: {"anyOf": options}))


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(schema=st.recursive(LEAVES, branches, max_leaves=12))
def test_whatever_the_schema_the_value_is_valid(schema):
    root = of(result=schema)
    asked = 'Draft an answer and classify.\n\nInput: {"request": "Is 5 the count of broken lifts?", "zone": "North"}'
    result = {"results": [{"document_id": "d1", "title": "Lifts", "text": "The count of lifts is 5. None is broken."}]}
    assert set(fill(root, asked, ("search_documents", result))) == {"result"}
