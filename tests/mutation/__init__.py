"""`make mutation` breaks one thing at a time in the engine, and finds out which test notices.

    make mutation                     a sample of all packages that ends in about an hour on two cores
    make mutation SAMPLE=200 SEED=7   so many mutants of each package, drawn with this seed
    make mutation ALL=1               every mutant, overnight
    make mutation ONLY=scheduler/     mutants of files whose path has this in it; LINES=120-180 narrows it down

It mutates `core`, `usecases`, `handlers`, `secrets`, `store`, `queues`, `worker` and `scheduler`, and the Lua.
mutmut's operators break the Python (`python.py`), those in `lua.py` the Lua. Neither mutmut's runner nor any other is
used: each starts a process or copies the project for a mutant, while here a mutant costs a fork.

1. `baseline.py` runs each test once and notes how long it takes, which lines of Python it reaches (coverage.py), and
   which Lua scripts it runs. This is kept in build/mutation, and only what changed is run again.
2. `runner.py` is a pytest session that has collected all tests, with a running Valkey. For each mutant it forks.
   The child applies the mutant (`patch.py`: code objects and Lua texts are exchanged in memory, no file is touched),
   runs the tests that reach the line, the quickest first, and ends at the first failure. A test that takes five
   times as long as it should, plus ten seconds, has noticed too.
3. `report.py` prints the share that was noticed, by package, and each survivor with its file, line and diff.

Tests that start the service in processes of its own are left out, since a mutant is only in memory. The simulation and
the store's model are run in part (`short_runs.py`). What survives for a good reason is listed in `equivalent.toml`,
by its text and not by its line number, and is counted on neither side. Texts for people (a string with a space in it,
a line of the log), annotations and imports are not mutated.
"""
