"""The queue between the store and the workers, and the invoker of the scheduler function."""
