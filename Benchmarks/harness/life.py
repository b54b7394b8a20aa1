"""Bars about memory, size, start and recovery."""

import signal
import time

from . import machine
from .ingest import GATEWAY, WHOLE, Counted
from .results import Result
from .servers import patchbay
from .slices import say, until


def memory(run, engine):
    """Bar 9: resident MiB idle, after 100,000 events and a rest, and at the peak."""
    store, counted, events = run.store(engine, "memory"), Counted(), run.scaled(100_000)
    with patchbay(run.binary, WHOLE, store) as server:
        say(f"  idle for {run.long:g} s")
        time.sleep(run.long)
        idle = server.memory()[0]
        result = counted.load(server, 0, count=events)
        busy, _ = server.memory()
        say(f"  {events:,} events at {result['per_second']:,.0f}/s; resident {busy:.0f} MiB; rests for {run.long:g} s")
        time.sleep(run.long)
        applied = until(lambda: store.count("jobs", "kind = 'event.apply'") == 0, within=120, every=1)
        after, peak = server.memory()
    note, fault = counted.check(store.count("events"))
    notes = [note, "every job was done when it was measured" if applied else "jobs were left when it was measured"]
    name = store.name
    for what, got, least, aim in (
            (f"Memory, idle for {run.long:g} s", idle, 80, 48), ("Memory, after 100,000 events and a rest", after, 256, 128),
            ("Memory, peak", peak, 384, 256)):
        yield Result(f"memory-{engine}", f"{what}, {name}", got, least, aim, "MiB", is_lower_better=True, notes=notes, fault=fault)
        notes = []
    run.done(store)


def size(run, engine):
    """Bar 9: the program's file."""
    stripped = run.folder / "patchbay-stripped"
    machine.output("strip", "-o", stripped, run.binary)
    linked = machine.output("ldd", stripped)
    is_static = "libswift" not in linked
    yield Result(
        "size", "Release file, stripped", stripped.stat().st_size / 2**20, 150, 100, "MiB", is_lower_better=True,
        fault="" if is_static else "the Swift runtime is not inside; build it with make release")
    stripped.unlink()


def startup(run, engine):
    """Bar 10: from start to the first answer with a million events stored."""
    store, events = run.store(engine, "startup"), run.scaled(1_000_000)
    say(f"  stores {events:,} events")
    machine.measured(f"ingest_{store.word}", store.reference, "--count", events, "--jobs", "no", "--seconds", 3600)
    taken = []
    for attempt in range(5):
        syncs, load, began = machine.syncs(run.folder), machine.load_average(), time.monotonic()
        with patchbay(run.binary, WHOLE, store) as server:
            taken.append(time.monotonic() - began)
            say(f"  {attempt + 1}: {taken[-1]:.3f} s, load {load:.2f}, {syncs:,.0f} fdatasync/s")
    yield Result(
        f"startup-{engine}", f"Start to first answer, a million events stored, {store.name}", sorted(taken)[2], 1, 0.2, "s",
        is_lower_better=True, notes=[f"{store.count('events'):,} events; " + ", ".join(f"{x:.3f} s" for x in taken)])
    run.done(store)


def recovery(run, engine):
    """Bar 10: SIGKILL while 100,000 jobs wait, then from the kill to the first job that is done."""
    store, counted, events = run.store(engine, "recovery"), Counted(), run.scaled(100_000)
    with patchbay(run.binary, GATEWAY, store) as server:
        counted.load(server, 0, count=events)
        waiting = store.count("jobs", "kind = 'event.apply'")
        began = time.monotonic()
        server.stop(signal.SIGKILL)
    with patchbay(run.binary, WHOLE, store):
        answered = time.monotonic() - began
        if not until(lambda: store.count("jobs_done", "kind = 'event.apply'") > 0, within=60, every=0.005):
            raise machine.Failed("a minute after the start no job is done")
        took = time.monotonic() - began
    note, fault = counted.check(store.count("events"))
    yield Result(
        f"recovery-{engine}", f"SIGKILL with 100,000 queued to the first job done, {store.name}", took, 3, 1, "s",
        is_lower_better=True, notes=[f"{waiting:,} jobs waited; first answer after {answered:.3f} s; {note}"],
        fault=fault or ("" if waiting >= events else f"only {waiting:,} jobs waited"))
    run.done(store)
