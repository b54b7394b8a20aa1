"""Bars about webhooks in: how many a second, against bare SQL, against nothing, against FastAPI, and how late."""

from . import machine
from .results import Result
from .servers import fastapi, load, patchbay
from .slices import in_turn, say, until
from .stores import SQLite

WARM_UP = 2  # seconds
GATEWAY = ["bench", "gateway"]  # as `serve`, but jobs wait: the reference runs none either
WHOLE = ["serve"]
WORKERS = (1, 2, 3, 4)


class Counted:
    """Load, and a reference, that remember what they were told is stored."""

    def __init__(self):
        self.answered, self.refused = 0, {}

    def load(self, server, seconds, **options):
        result = load(server, seconds, **options)
        for status, count in result["statuses"].items():
            if status == "200":
                self.answered += count
            else:
                self.refused[status] = self.refused.get(status, 0) + count
        for fault in ("broken", "unanswered"):
            if result[fault]:
                self.refused[fault] = self.refused.get(fault, 0) + result[fault]
        return result

    def reference(self, store, seconds, **options):
        program = f"ingest_{store.word}"
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        result = machine.measured(program, store.reference, "--seconds", seconds, *arguments)
        durable = {"synchronous": 2, "fsync": "on", "synchronous_commit": "on"}
        for name, wanted in durable.items():
            if result.get(name, wanted) != wanted:
                raise machine.Failed(f"the reference is not durable: {name} = {result[name]}")
        self.answered += result["deliveries"]
        return result

    def check(self, stored):
        """A note, and a fault when the counts differ."""
        note = f"answered {self.answered:,} = stored {stored:,}"
        if self.refused:
            note += f"; not answered 200: {self.refused}"
        if self.answered != stored:
            return note.replace(" = ", ", but "), "what was answered is not what is stored"
        return note, "not everything was answered 200" if self.refused else ""


def ingest(run, engine):
    """Bar 1, and rows, log and commits an event."""
    ours, theirs = run.store(engine, "ingest-ours"), run.store(engine, "ingest-reference")
    us, them = Counted(), Counted()
    with patchbay(run.binary, GATEWAY, ours) as server:
        durability = server.durability
        us.load(server, WARM_UP)
        them.reference(theirs, WARM_UP)
        with ours.writes() as writes:
            before, logged = us.answered, []

            def slice_of_theirs():
                result = them.reference(theirs, run.seconds)
                logged.append(result)
                return result["per_second"]

            # The server's log is watched throughout; on PostgreSQL the reference's is taken off below.
            pairs = in_turn(
                lambda: us.load(server, run.seconds)["per_second"], slice_of_theirs, run.slices, run.folder)
        events = us.answered - before
        stored = ours.rows()
    run.rates[engine] = pairs.median(0)
    note, fault = us.check(stored["events"])
    their_note, their_fault = them.check(theirs.count("events"))
    log = writes.bytes - (0 if isinstance(ours, SQLite) else sum(result["wal_bytes"] for result in logged))
    their_events = sum(result["deliveries"] for result in logged)
    rows = sum(stored[table] for table in ("events", "deliveries", "bodies", "event_identities", "jobs"))
    yield Result(
        f"ingest-{engine}", f"Durable ingest, {ours.name} ÷ reference", pairs.ratio, 0.5, 0.8,
        notes=[
            f"ours {pairs.median(0) or 0:,.0f}/s, reference {pairs.median(1) or 0:,.0f}/s (medians)",
            f"ours: {durability}; {note}", f"reference: {their_note}",
            f"ours, an event: {rows / max(1, stored['events']):.2f} rows, {log / max(1, events):,.0f} bytes of log, "
            f"{writes.commits / max(1, events):.3f} commits",
            f"reference, an event: 5 rows, {sum(x['wal_bytes'] for x in logged) / max(1, their_events):,.0f} bytes of log, "
            f"{sum(x['commits'] for x in logged) / max(1, their_events):.3f} commits",
        ], lines=pairs.lines, fault=fault or their_fault or pairs.fault)
    run.done(ours, theirs)


def whole(run, engine):
    """The same with all of the server running: each event's job is claimed, applied and told of meanwhile. No bar."""
    ours, theirs = run.store(engine, "whole-ours"), run.store(engine, "whole-reference")
    us, them = Counted(), Counted()
    with patchbay(run.binary, WHOLE, ours) as server:
        def slice_of_ours():
            result = us.load(server, run.seconds)
            # The jobs that are left would run beside the reference.
            if not until(lambda: ours.count("jobs", "kind = 'event.apply'") == 0, within=120, every=0.5):
                raise machine.Failed("two minutes after the load jobs are left")
            return result["per_second"]

        us.load(server, WARM_UP)
        them.reference(theirs, WARM_UP)
        pairs = in_turn(slice_of_ours, lambda: them.reference(theirs, run.seconds)["per_second"], run.slices, run.folder)
    note, fault = us.check(ours.count("events"))
    yield Result(
        f"whole-{engine}", f"Durable ingest while its jobs run, {ours.name} ÷ reference", pairs.ratio,
        notes=[f"ours {pairs.median(0) or 0:,.0f}/s, reference {pairs.median(1) or 0:,.0f}/s (medians)", note],
        lines=pairs.lines, fault=fault or pairs.fault)
    run.done(ours, theirs)


def nothing(run, engine):
    """Bar 2: what the store costs. The other server verifies, parses and answers, and keeps nothing."""
    ours, null = run.store(engine, "nothing-ours"), run.store("sqlite", f"nothing-{engine}")
    us, them = Counted(), Counted()
    with patchbay(run.binary, GATEWAY, ours) as server, patchbay(
            run.binary, GATEWAY, null, ["--without-store"]) as other:
        us.load(server, WARM_UP)
        them.load(other, WARM_UP)
        pairs = in_turn(
            lambda: us.load(server, run.seconds)["per_second"], lambda: them.load(other, run.seconds)["per_second"],
            run.slices, run.folder, ("ours", "no store"))
    note, fault = us.check(ours.count("events"))
    yield Result(
        f"nothing-{engine}", f"Durable ingest, {ours.name} ÷ our server without a store", pairs.ratio, 0.35, 0.5,
        notes=[f"ours {pairs.median(0) or 0:,.0f}/s, without {pairs.median(1) or 0:,.0f}/s (medians)", note],
        lines=pairs.lines, fault=fault or pairs.fault)
    run.done(ours, null)


def peer(run, engine):
    """Bar 3: FastAPI, with as many workers as serve it best."""
    machine.prepare_peers()
    ours, theirs = run.store(engine, "peer-ours"), run.store(engine, "peer-theirs", migrated=False)
    us, them = Counted(), Counted()
    best = 0, 1
    say("  FastAPI with how many workers?")
    for workers in WORKERS:
        with fastapi(theirs.url, run.folder, workers) as server:
            them.load(server, WARM_UP)
            rate = them.load(server, max(2, run.seconds / 2))["per_second"]
        say(f"  {workers} workers: {rate:,.0f}/s")
        best = max(best, (rate, workers))
    with patchbay(run.binary, GATEWAY, ours) as server, fastapi(theirs.url, run.folder, best[1]) as other:
        us.load(server, WARM_UP)
        them.load(other, WARM_UP)
        pairs = in_turn(
            lambda: us.load(server, run.seconds)["per_second"], lambda: them.load(other, run.seconds)["per_second"],
            run.slices, run.folder, ("ours", "FastAPI"))
        said = [line for line in other.log.read_text().splitlines() if line.startswith("peer: ")]
        durability = said[-1].removeprefix("peer: ") if said else ""
    note, fault = us.check(ours.count("events"))
    their_note, their_fault = them.check(theirs.count("events"))
    least, aim = (8, 12) if engine == "sqlite" else (3.5, 6)
    yield Result(
        f"peer-{engine}", f"Durable ingest, {ours.name} ÷ FastAPI and uvicorn", pairs.ratio, least, aim,
        notes=[
            f"ours {pairs.median(0) or 0:,.0f}/s, FastAPI {pairs.median(1) or 0:,.0f}/s with {best[1]} workers (medians)",
            f"ours: {note}", f"FastAPI: {durability}; {their_note}",
        ], lines=pairs.lines, fault=fault or their_fault or pairs.fault)
    run.done(ours, theirs)


def latency(run, engine):
    """Bar 4: how late at half the rate, checkpoints included."""
    ours, theirs = run.store(engine, "late-ours"), run.store(engine, "late-reference")
    us, them = Counted(), Counted()
    with patchbay(run.binary, GATEWAY, ours) as server:
        us.load(server, WARM_UP)
        them.reference(theirs, WARM_UP)
        rate = (run.rates.get(engine) or us.load(server, run.seconds)["per_second"]) / 2
        say(f"  {rate:,.0f} events/s for {run.long:g} s")
        p99 = []

        def slice_of_ours():
            result = us.load(server, run.long, rate=rate)
            p99.append(result["p99_ms"])
            say(f"         ours         p50 {result['p50_ms']} p99 {result['p99_ms']} max {result['max_ms']} ms")
            return result["p99_ms"]

        def slice_of_theirs():
            result = them.reference(theirs, run.long, rate=rate)
            say(f"         reference    p50 {result['p50_ms']} p99 {result['p99_ms']} max {result['max_ms']} ms")
            return result["p99_ms"]

        pairs = in_turn(slice_of_ours, slice_of_theirs, run.long_slices, run.folder, unit=" ms")
    note, fault = us.check(ours.count("events"))
    notes = [f"at {rate:,.0f} events/s, open loop, {run.long:g} s a slice; reference p99 {pairs.median(1) or 0:,.1f} ms", note]
    yield Result(
        f"latency-{engine}", f"p99 at half the rate, {ours.name} ÷ reference", pairs.ratio, 3, 1.5,
        is_lower_better=True, notes=notes, lines=pairs.lines, fault=fault or pairs.fault)
    yield Result(
        f"latency-{engine}", f"p99 at half the rate, {ours.name}", pairs.median(0), 40, 15, "ms", is_lower_better=True,
        fault=fault or pairs.fault)
    run.done(ours, theirs)
