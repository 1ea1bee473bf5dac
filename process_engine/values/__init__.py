"""Values: what JSON, variables, expressions and schemas are.

errors, plain_json       what can go wrong; what a JSON value is
timers, library          ISO 8601 timers; what a step needs beside its own definition
schema_check, schemas    values against JSON Schemas that tenants wrote; JSON Schemas in a definition
expressions              CEL: conditions, mappings, instructions
variables, scoped        what goes into a task and comes out of it; which variables a token sees
"""
