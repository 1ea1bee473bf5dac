"""Streams of events and notifications."""
