"""The process engine: BPMN 2.0 in, tasks out. All but `advance` and `deployment` is pure: no database, no clock.

    definition.parse(xml)  -> Definition       read a BPMN file, or say everything that is wrong with it
    steps.start(...)       -> Step             begin a process instance
    steps.complete(...)    -> Step             a task is done: move on, open the next tasks
    decisions.reader.parse_decisions(xml)      read a DMN file

How the modules depend on each other, from the ground up:

    errors, plain_json          what can go wrong; what a JSON value is
    expressions                 CEL: conditions, mappings, instructions
    vocabulary, xml_source      which elements run; reading XML that strangers wrote
    graph                       a process as nodes and flows, in plain JSON
    graph_reader, graph_checks  XML -> graph, and what a graph must obey
    extensions, schemas, forms  `zeebe:` extension elements; JSON Schemas in them
    mappings, loops             ioMapping; multi-instance and loop markers
    bindings, decisions         what a call or rule task refers to; DMN
    library                     what a step needs beside its own definition
    work_settings, activities   what a definition says about one task; about any activity
    definition                  all of that: XML -> Definition
    scoped, withdrawal          which variables a token sees; taking tokens back
    nodes, gateways             the nodes of a graph as SpiffWorkflow specifications
    containers, repeating       activities with an inside; activities that run several times
    calling, computing          call activities; script and business rule tasks
    blueprint                   definition -> SpiffWorkflow specifications
    tokens                      SpiffWorkflow instance <-> state in plain JSON
    motion                      run until only people and agents can go on
    variables, work             mappings; an open token -> NewTask
    steps                       all of that: one step of a process instance
    deployment                  checks and stores definitions and decisions
    advance                     commits steps to the database
"""
