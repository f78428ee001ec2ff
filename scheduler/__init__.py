"""Enqueues ready nodes: on a completion (dispatch, scheduler), every minute (sweep), and after dead letters."""
