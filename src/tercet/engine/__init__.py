"""Runs jobs at one party: agreement, dataflow, scheduler of coroutines, failure reports."""
