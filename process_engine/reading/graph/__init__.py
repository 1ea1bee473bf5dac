"""A process as nodes and flows: read out of XML, and checked.

graph                         a process as nodes and flows, in plain JSON
event_reader, hidden_links    what events catch and throw; what belongs together without a flow
event_checks                  what the events of a graph must obey
graph_reader, graph_checks    XML -> graph, and what a graph must obey
"""
