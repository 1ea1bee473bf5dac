"""The process engine: BPMN 2.0 in, tasks out. All but the last lines is pure: no database, no network, no clock.

    definition.parse(xml)  -> Definition       read a BPMN file, or say everything that is wrong with it
    steps.start(...)       -> Step             begin a process instance
    steps.complete(...)    -> Step             a task is done: move on, open the next tasks
    steps.receive(...)     -> Step             an event is there: move on
    decisions.reader.parse_decisions(xml)      read a DMN file

How the modules depend on each other, from the ground up:

    errors, plain_json          what can go wrong; what a JSON value is
    expressions                 CEL: conditions, mappings, instructions
    vocabulary, xml_source      which elements run; reading XML that strangers wrote
    graph, timers               a process as nodes and flows, in plain JSON; ISO 8601 timers in it
    event_reader, hidden_links  what events catch and throw; what belongs together without a flow
    graph_reader, graph_checks  XML -> graph, and what a graph must obey (event_checks: its events)
    extensions, schemas, forms  `zeebe:` extension elements; JSON Schemas in them
    mappings, loops             ioMapping; multi-instance and loop markers
    bindings, decisions         what a call or rule task refers to; DMN
    library                     what a step needs beside its own definition
    work_settings, activities   what a definition says about one task; about any activity
    definition                  all of that: XML -> Definition
    scoped, withdrawal          which variables a token sees; taking tokens back
    nodes, gateways             the nodes of a graph as SpiffWorkflow specifications
    containers, repeating       activities with an inside; activities that run several times
    ad_hoc                      ad-hoc sub-processes
    calling, computing          call activities; script and business rule tasks
    undo                        what could be compensated
    events, failures, waits     where events are caught, failures of tasks too; what an instance waits for
    throwing, compensation      where they are thrown; undoing what was completed
    openings, task_errors       what a step says about events; outputs that throw errors
    blueprint                   definition -> SpiffWorkflow specifications
    tokens                      SpiffWorkflow instance <-> state in plain JSON
    motion                      run until only people and agents can go on
    variables, work             mappings; an open token -> NewTask
    steps                       all of that: one step of a process instance
    deployment                  checks and stores definitions and decisions
    advance                     commits steps to the database
    arrivals, upkeep            lets processes have the events that have come
"""
