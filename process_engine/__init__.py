"""The process engine: BPMN 2.0 in, tasks out. All up to step_json is pure: no database, no network, no clock.

    definition.parse(xml)  -> Definition       read a BPMN file, or say everything that is wrong with it
    steps.start(...)       -> Step             begin a process instance
    steps.complete(...)    -> Step             a task is done: move on, open the next tasks
    steps.receive(...)     -> Step             an event is there: move on
    decisions.reader.parse_decisions(xml)      read a DMN file

How the modules depend on each other, from the ground up:

    errors, plain_json          what can go wrong; what a JSON value is
    vocabulary, timers          which elements of BPMN run; ISO 8601 timers
    xml_source, bounds          reading XML that strangers wrote; how large a process may be
    reading, extensions         what is remembered while reading; `zeebe:` extension elements
    schema_check, schemas       values against JSON Schemas that tenants wrote; JSON Schemas in a definition
    expressions                 CEL: conditions, mappings, instructions
    library                     what a step needs beside its own definition
    forms, mappings, loops      forms of people; ioMapping; multi-instance and loop markers
    bindings, decisions         what a call or rule task refers to; DMN
    retry_settings, task_limits  what task headers say about attempts and limits
    work_settings, activities   what a definition says about one task; about any activity
    graph                       a process as nodes and flows, in plain JSON
    event_reader, hidden_links  what events catch and throw; what belongs together without a flow
    event_checks                what the events of a graph must obey
    graph_reader, graph_checks  XML -> graph, and what a graph must obey
    scoped, withdrawal          which variables a token sees; taking tokens back
    variables, openings         what goes into a task and comes out of it; what a step says about events
    definition                  all of that: XML -> Definition
    undo                        what could be compensated
    nodes, gateways             the nodes of a graph as SpiffWorkflow specifications
    containers, repeating       activities with an inside; activities that run several times
    ad_hoc                      ad-hoc sub-processes
    calling, computing          call activities; script and business rule tasks
    events, failures, waits     where events are caught, failures of tasks too; what an instance waits for
    joins                       whether joins stay right when a token is moved by hand
    throwing, compensation      where they are thrown; undoing what was completed
    task_errors                 outputs that throw errors
    event_nodes, blueprint      definition -> SpiffWorkflow specifications
    tokens                      SpiffWorkflow instance <-> state in plain JSON
    motion                      run until only people and agents can go on
    work                        an open token -> NewTask
    stepping                    what all steps have in common
    steps                       one step of a process instance: a start, a task that is done, an event
    changes, moves, forks       steps by hand: other variables, a token elsewhere, another instance
    step_json                   a step as the database takes it
    stored_specs                computes steps with what is deployed
    deployment                  checks and stores definitions and decisions
    advance                     commits steps to the database
    history, repair             what an instance was before; commits steps by hand
    arrivals, upkeep            lets processes have the events that have come
"""
