"""A call of an orchestrator, whichever door it came through: replayed, admitted, sent, written down."""
