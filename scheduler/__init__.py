"""What to enqueue and when: on completion (dispatch, scheduler), by clock (sweep); what becomes of dead messages."""
