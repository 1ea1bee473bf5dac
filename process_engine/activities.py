"""What a definition says about one activity beyond where its tokens go: how often it runs, its data, what it computes.

Service and user tasks have `work_settings` besides.
"""

from typing import NotRequired, TypedDict

from process_engine.extensions import read_extensions
from process_engine.loops import Loop, read_loop
from process_engine.mappings import Mapping, read_mappings
from process_engine.vocabulary import ACTIVITIES, SUBPROCESS
from process_engine.xml_source import Element, Problems, local_name


class Activity(TypedDict):
    """The settings of one activity, in plain JSON.

    `inputs` and `outputs` are those of an activity that is no task in the queue (see `WorkSettings` for those).
    """

    loop: NotRequired[Loop]
    inputs: NotRequired[list[Mapping]]
    outputs: NotRequired[list[Mapping]]


def read_activity(element: Element, problems: Problems) -> Activity:
    """Read the settings of an activity element that is no task in the queue; `problems` gets what is wrong."""
    kind = local_name(element)
    activity = read_repetition(element, problems)
    if kind == SUBPROCESS:
        extensions = read_extensions(element, frozenset({"ioMapping"}), problems)
        activity["inputs"] = read_mappings(extensions, "input")
        activity["outputs"] = read_mappings(extensions, "output")
    else:
        read_extensions(element, frozenset(), problems)
    return activity


def read_repetition(element: Element, problems: Problems) -> Activity:
    """The settings that every activity may have: its loop."""
    loop = read_loop(element, problems) if local_name(element) in ACTIVITIES else None
    return Activity(loop=loop) if loop else Activity()
