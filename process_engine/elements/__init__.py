"""Elements: how each element of BPMN behaves, as SpiffWorkflow specifications.

undo, withdrawal           what could be compensated; taking tokens back
nodes, gateways            the nodes of a graph
containers, repeating      activities with an inside; activities that run several times
ad_hoc                     ad-hoc sub-processes
computing, calling         script and business rule tasks; call activities
events, failures, waits    where events are caught, failures of tasks too; what an instance waits for
throwing, compensation     where they are thrown; undoing what was completed
task_errors                outputs that throw errors
event_nodes, blueprint     definition -> SpiffWorkflow specifications
"""
