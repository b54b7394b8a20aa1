#!/usr/bin/env python3
"""jobs.py URL [--seconds 5] [--set 100]: jobs that do nothing, through pgqueuer, in a database of their own.

Enqueues sets of 100 on one connection while a queue manager works on another, and stops when all have been worked
off. Its tables are all logged (`durable`) and commits synchronous. Prints one line of JSON.
"""

import argparse
import asyncio
import json
import logging
import time

import asyncpg
import uvloop
from pgqueuer.db import AsyncpgDriver
from pgqueuer.qm import QueueManager
from pgqueuer.queries import Queries

BACKLOG_MAX = 4000  # as our own side has
SETTINGS = {"synchronous_commit": "on"}


async def main():
    options = argparse.ArgumentParser()
    options.add_argument("url")
    options.add_argument("--seconds", type=float, default=5)
    options.add_argument("--set", type=int, default=100)
    options = options.parse_args()
    logging.disable(logging.WARNING)

    sender = await asyncpg.connect(options.url, server_settings=SETTINGS)
    receiver = await asyncpg.connect(options.url, server_settings=SETTINGS)
    queries = Queries(AsyncpgDriver(sender))
    if not await queries.schema_is_installed():
        await queries.install()
    manager = QueueManager(Queries(AsyncpgDriver(receiver)))
    enqueued = done = 0

    @manager.entrypoint("noop")
    async def noop(job):
        nonlocal done
        done += 1

    working = asyncio.create_task(manager.run(batch_size=options.set))
    start = time.monotonic()
    while time.monotonic() - start < options.seconds:
        await queries.enqueue(["noop"] * options.set, [b"x" * 30] * options.set, [0] * options.set)
        enqueued += options.set
        while enqueued - done > BACKLOG_MAX:
            await asyncio.sleep(0.001)
    while done < enqueued:
        await asyncio.sleep(0.001)
    manager.shutdown.set()
    await working  # writes what it has buffered
    took = time.monotonic() - start
    print(json.dumps({
        "jobs": done, "seconds": round(took, 3), "per_second": round(done / took, 1),
        "fsync": await sender.fetchval("SHOW fsync"),
        "synchronous_commit": await sender.fetchval("SHOW synchronous_commit"),
    }))
    await sender.close()


uvloop.run(main())
