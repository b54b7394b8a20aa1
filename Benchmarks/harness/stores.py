"""Where a contestant keeps its rows: a file of its own, or a database of its own on the benchmark's PostgreSQL."""

import contextlib
import os
import pathlib
import shutil
import sqlite3
import threading
import time

from .machine import output
from .servers import settings

TABLES = ("events", "deliveries", "bodies", "event_identities", "jobs", "jobs_done", "lanes")
PAGE = 8192  # of our SQLite files
FRAME = PAGE + 24  # a page in the log


class Store:
    def migrated(self, binary):
        output(binary, "migrate", "--database", self.url, env=settings(binary))
        return self

    def count(self, table, where="true"):
        return int(self.value(f"SELECT count(*) FROM {table} WHERE {where}"))

    def rows(self):
        return {table: self.count(table) for table in TABLES}


class SQLite(Store):
    name, word = "SQLite", "sqlite"

    def __init__(self, folder, name):
        self.folder = pathlib.Path(folder)
        self.path = self.folder / f"{name}.sqlite"
        self.url = f"sqlite:{self.path}"
        self.log = self.folder / f"{name}.log"
        self.reference = self.path

    def value(self, sql):
        with contextlib.closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=30)) as connection:
            return connection.execute(sql).fetchone()[0]

    def change(self, sql):
        with contextlib.closing(sqlite3.connect(self.path, timeout=30)) as connection:
            connection.execute(sql)
            connection.commit()

    def writes(self):
        return SQLiteWrites(self.path)

    def drop(self):
        for file in self.folder.glob(self.path.name + "*"):
            shutil.rmtree(file) if file.is_dir() else file.unlink()


class Postgres(Store):
    name, word = "PostgreSQL", "postgres"

    def __init__(self, folder, name):
        self.folder = pathlib.Path(folder)
        self.log = self.folder / f"{name}-postgres.log"
        self.server = os.environ["PATCHBAY_TEST_POSTGRES"]
        self.database = "bench_" + name.replace("-", "_")
        self.url = self.reference = self.server.rpartition("/")[0] + "/" + self.database
        psql(self.server, f'CREATE DATABASE "{self.database}"')

    def value(self, sql):
        return psql(self.url, sql)

    def change(self, sql):
        psql(self.url, sql)

    def writes(self):
        return PostgresWrites(self)

    def drop(self):
        psql(self.server, f'DROP DATABASE "{self.database}" WITH (FORCE)')


ENGINES = {"sqlite": SQLite, "postgres": Postgres}


def psql(url, sql):
    options = dict(os.environ, PGOPTIONS="-c search_path=patchbay,peer,public")
    return output(f"{os.environ['POSTGRES_DIR']}/bin/psql", url, "-AtqX", "-v", "ON_ERROR_STOP=1", "-c", sql,
                  env=options).strip()


class SQLiteWrites:
    """Commits and bytes of a log while it is open, by the header of its shared memory: a counter of changes, the number
    of frames, and a salt that changes when the log begins anew. Looks every 2 ms, so a little is missed at each turn."""

    def __init__(self, path):
        self.path, self.frames, self.commits = f"{path}-shm", 0, 0
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.thread.join()
        self.bytes = self.frames * FRAME

    def watch(self):
        last = None
        while not self.ends.wait(0.002):
            try:
                with open(self.path, "rb") as file:
                    header = file.read(48)
            except OSError:
                continue
            if len(header) < 48:
                continue
            now = tuple(int.from_bytes(header[at:at + 4], "little") for at in (8, 16, 32))
            if last is not None:
                (changes, frames, salt), (changes_before, frames_before, salt_before) = now, last
                self.commits += (changes - changes_before) & 0xFFFFFFFF
                goes_on = salt == salt_before and frames >= frames_before
                self.frames += frames - frames_before if goes_on else frames
            last = now


class PostgresWrites:
    """Commits of a database and bytes of the server's log while it is open."""

    def __init__(self, store):
        self.store = store

    def log(self):
        return int(self.store.value("SELECT pg_current_wal_insert_lsn() - '0/0'"))

    def committed(self):
        return int(self.store.value("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"))

    def __enter__(self):
        self.before = self.log(), self.committed()
        return self

    def __exit__(self, *_):
        self.bytes = self.log() - self.before[0]
        time.sleep(2)  # a session tells its counts once a second
        self.commits = self.committed() - self.before[1]
