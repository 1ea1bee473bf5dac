"""The process engine: BPMN 2.0 in, tasks out. All up to committing is pure: no database, no network, no clock.

    values        what JSON, variables, expressions and schemas are
    reading       BPMN in, a definition out:           reading.definition.parse(xml) -> Definition
    decisions     DMN in, answers out:                 decisions.reader.parse_decisions(xml)
    elements      how each element of BPMN behaves, as SpiffWorkflow specifications
    running       steps of a process instance:         running.steps.start / complete / receive -> Step
    committing    steps go to the database:            committing.advance, arrivals, repair

Each room stands on those above it, and its own page says what is in it, from the ground up.
"""
