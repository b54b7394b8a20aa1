"""A receiver of Stripe's webhooks as one writes it with FastAPI: verify, parse, deduplicate, keep, answer.

The rows are those that Patchbay keeps of a delivery (delivery, body, identity, event, job), in tables of its own, all
in one transaction a request, durable before the answer.

    DATABASE_URL=sqlite:FILE            the standard library's sqlite3, WAL, synchronous=FULL
    DATABASE_URL=postgresql://…         asyncpg with a pool; the tables lie in the schema `peer`
    STRIPE_WEBHOOK_SECRET=whsec_…
    uvicorn app:app --workers N
"""

import contextlib
import hashlib
import hmac
import json
import os
import sqlite3
import sys
import time
import uuid

import asyncpg
from fastapi import FastAPI, Request, Response

URL = os.environ["DATABASE_URL"]
SECRET = os.environ["STRIPE_WEBHOOK_SECRET"].encode()
TOLERANCE = 300  # seconds
POOL = int(os.environ.get("POOL", "16"))

BYTES = "BLOB" if URL.startswith("sqlite:") else "BYTEA"
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS bodies (id TEXT PRIMARY KEY, bytes {BYTES} NOT NULL, checksum TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (id TEXT PRIMARY KEY, provider TEXT NOT NULL, received_at BIGINT NOT NULL,
    verdict TEXT NOT NULL, headers {BYTES} NOT NULL, remote TEXT, size BIGINT NOT NULL, body_id TEXT, event_id TEXT);
CREATE TABLE IF NOT EXISTS identities (provider TEXT NOT NULL, provider_event_id TEXT NOT NULL, event_id TEXT NOT NULL,
    PRIMARY KEY (provider, provider_event_id));
CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, provider TEXT NOT NULL, delivery_id TEXT NOT NULL,
    provider_event_id TEXT NOT NULL, type TEXT NOT NULL, customer TEXT, occurred_at BIGINT, received_at BIGINT NOT NULL,
    state TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_type ON events (type, id);
CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL, due_at BIGINT NOT NULL,
    input TEXT NOT NULL, created_at BIGINT NOT NULL);
CREATE INDEX IF NOT EXISTS jobs_ready ON jobs (due_at, id) WHERE state = 'available';
"""
IDENTITY = "INSERT INTO identities VALUES ({}) ON CONFLICT DO NOTHING RETURNING event_id"
OTHERS = [f"INSERT INTO {table} VALUES ({{}})" for table in ("bodies", "deliveries", "events", "jobs")]


def verified(body: bytes, header: str) -> bool:
    parts = [part.partition("=") for part in header.split(",")]
    moment = next((value for name, _, value in parts if name == "t"), "")
    if not moment.isdigit() or abs(time.time() - int(moment)) > TOLERANCE:
        return False
    wanted = hmac.new(SECRET, moment.encode() + b"." + body, hashlib.sha256).hexdigest()
    return any(name == "v1" and hmac.compare_digest(value, wanted) for name, _, value in parts)


def rows(body: bytes, event: dict, request: Request):
    """The values of identity, body, delivery, event and job."""
    now = time.time_ns() // 1000
    delivery, kept, job = uuid.uuid4().hex, uuid.uuid4().hex, uuid.uuid4().hex
    headers = b"".join(name + b": " + value + b"\n" for name, value in request.headers.raw)
    customer = event["data"]["object"].get("customer")
    return [
        ("stripe", event["id"], kept),
        (delivery, body, hashlib.sha256(body).hexdigest()),
        (delivery, "stripe", now, "accepted", headers, request.client.host, len(body), delivery, kept),
        (kept, "stripe", delivery, event["id"], event["type"], customer, event["created"] * 1_000_000, now, "queued"),
        (job, "event.apply", "available", now, kept, now),
    ]


class SQLite:
    @staticmethod
    def filled(statement, count):
        return statement.format(",".join("?" * count))

    async def open(self):
        self.connection = sqlite3.connect(URL.removeprefix("sqlite:"), isolation_level=None, timeout=30)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = FULL")
        self.connection.execute("PRAGMA cache_size = -16384")
        self.connection.executescript(SCHEMA)
        synchronous = self.connection.execute("PRAGMA synchronous").fetchone()[0]
        print(f"peer: SQLite {sqlite3.sqlite_version}, synchronous={synchronous}", file=sys.stderr, flush=True)

    async def keep(self, values):
        """On the event loop: a thread for each transaction only makes one process slower."""
        run = self.connection.execute
        run("BEGIN IMMEDIATE")
        try:
            if run(self.filled(IDENTITY, 3), values[0]).fetchone():
                for statement, row in zip(OTHERS, values[1:]):
                    run(self.filled(statement, len(row)), row)
            run("COMMIT")
        except BaseException:
            run("ROLLBACK")
            raise

    async def close(self):
        self.connection.close()


class Postgres:
    @staticmethod
    def filled(statement, count):
        return statement.format(",".join(f"${number + 1}" for number in range(count)))

    async def open(self):
        settings = {"search_path": "peer", "synchronous_commit": "on"}
        self.pool = await asyncpg.create_pool(URL, min_size=POOL, max_size=POOL, server_settings=settings)
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(1)")  # one worker at a time makes the tables
            await connection.execute("CREATE SCHEMA IF NOT EXISTS peer")
            await connection.execute(SCHEMA)
            fsync = await connection.fetchval("SHOW fsync")
            commit = await connection.fetchval("SHOW synchronous_commit")
        print(f"peer: PostgreSQL, fsync={fsync}, synchronous_commit={commit}", file=sys.stderr, flush=True)

    async def keep(self, values):
        async with self.pool.acquire() as connection, connection.transaction():
            if await connection.fetchval(self.filled(IDENTITY, 3), *values[0]):
                for statement, row in zip(OTHERS, values[1:]):
                    await connection.execute(self.filled(statement, len(row)), *row)

    async def close(self):
        await self.pool.close()


store = SQLite() if URL.startswith("sqlite:") else Postgres()


@contextlib.asynccontextmanager
async def lifespan(app):
    await store.open()
    yield
    await store.close()


app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)


@app.get("/livez")
async def livez():
    return Response()


@app.post("/webhooks/stripe")
async def receive(request: Request):
    body = await request.body()
    if not verified(body, request.headers.get("stripe-signature", "")):
        return Response(status_code=401)
    await store.keep(rows(body, json.loads(body), request))
    return Response()
