"""Running: steps of a process instance, as pure functions from state to state.

joins                    whether joins stay right when a token is moved by hand
tokens                   SpiffWorkflow instance <-> state in plain JSON
motion, work             run until only people and agents can go on; an open token -> NewTask
stepping                 what all steps have in common
steps                    one step of a process instance: a start, a task that is done, an event
changes, moves, forks    steps by hand: other variables, a token elsewhere, another instance
"""
