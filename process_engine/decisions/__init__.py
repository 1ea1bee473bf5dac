"""Decisions: DMN 1.3 decision tables and expressions, read into plain JSON and evaluated without running code.

unary_tests   the cells of a table's inputs: S-FEEL
model         what a decision is, in plain JSON
reader        a DMN file -> decisions
hit_policies  the rows that match -> the answer
evaluation    a decision and variables -> the answer
"""
