"""Definitions of other systems: theirs in, BPMN and a report out."""
