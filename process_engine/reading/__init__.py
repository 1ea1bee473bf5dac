"""Reading: a BPMN file in, a definition out that can be stored and run, or all that is wrong with it.

vocabulary            which elements of BPMN run
xml_source            reading XML that strangers wrote
bounds, remembered    how large a process may be; what is remembered while reading
settings              what a definition says about its activities beside where tokens go
graph                 a process as nodes and flows
openings              what a definition or a step says about events
definition            all of that: XML -> Definition
"""
