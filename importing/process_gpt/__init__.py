"""Imports process definitions of Process GPT: its JSON in, a BPMN file and a report out.

How the modules depend on each other, from the ground up:

    findings            what could not be carried over as it was
    model               a definition of Process GPT, in one shape whichever of its shapes the file has
    read_json, parts    a JSON file -> model
    vocabulary          forms, their fields, and how a field is named in an expression
    conditions          a condition in Python -> CEL
    people, tasks       roles -> assignments; activities -> the settings of a task
    calls, each         call activities; sub-processes that run for each item of a list
    branches            the flows that leave a node: conditions, default, order
    plan                model -> what is written: nodes and flows that the engine runs
    layers, layout      where each node and flow is drawn
    write_bpmn          all of that -> XML
    convert             JSON file -> BPMN file, checked by the engine that will run it
    command             `fleet import process-gpt`
"""
