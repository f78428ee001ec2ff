"""What to enqueue and when: on completion (dispatch, scheduler), by clock (sweep), and what to do with dead messages."""
