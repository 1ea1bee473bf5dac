"""What schemathesis does before each request: the credentials of FLEET_TEST_TOKENS take turns.

It is named by SCHEMATHESIS_HOOKS, and loaded by schemathesis alone.
"""

import itertools
import json
import os
from typing import Any

import schemathesis

_TURNS = itertools.cycle(json.loads(os.environ["FLEET_TEST_TOKENS"]))


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    case.headers["Authorization"] = f"Bearer {next(_TURNS)}"
