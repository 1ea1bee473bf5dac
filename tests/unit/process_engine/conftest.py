"""Makes `bpmn_writing` importable for the behaviour suite in the folder below."""
