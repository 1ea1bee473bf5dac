"""Committing: steps go to the database. Only this room knows the kernel.

step_json           a step as the database takes it
stored_specs        computes steps with what is deployed
deployment          checks and stores definitions and decisions
advance             commits steps
history, repair     what an instance was before; commits steps by hand
arrivals, upkeep    lets processes have the events that have come
"""
