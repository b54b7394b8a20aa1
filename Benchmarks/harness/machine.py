"""This machine: what it is, how busy it is, how fast its disk makes things durable, and the small C programs."""

import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile

BENCHMARKS = pathlib.Path(__file__).resolve().parent.parent
ROOT = BENCHMARKS.parent
BUILT = ROOT / ".build-bench"
VENV = ROOT / ".venv-bench"

# Program: source, what it is linked with.
PROGRAMS = {
    "ingest": ("load/ingest.c", []),
    "sink": ("load/sink.c", []),
    "syncs": ("load/syncs.c", []),
    "ingest_sqlite": ("reference/ingest_sqlite.c", ["sqlite3"]),
    "jobs_sqlite": ("reference/jobs_sqlite.c", ["sqlite3"]),
    "ingest_postgres": ("reference/ingest_postgres.c", ["libpq"]),
    "jobs_postgres": ("reference/jobs_postgres.c", ["libpq"]),
}


class Failed(Exception):
    """A sentence for the person who ran the benchmark."""


def output(*command, **options):
    """What a program prints; raises Failed with its last words when it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise Failed(f"{pathlib.Path(str(command[0])).name} ended with {done.returncode}: {' '.join(words)}")
    return done.stdout


def measured(program, *arguments, **options):
    """The one line of JSON that a program of ours prints."""
    return json.loads(output(BUILT / program, *arguments, **options))


def build_programs():
    BUILT.mkdir(exist_ok=True)
    headers = [*BENCHMARKS.glob("*.h"), *BENCHMARKS.glob("*/*.h")]
    for name, (source, libraries) in PROGRAMS.items():
        target, file = BUILT / name, BENCHMARKS / source
        if target.exists() and all(target.stat().st_mtime > x.stat().st_mtime for x in [file, *headers]):
            continue
        flags = output("pkg-config", "--cflags", "--libs", *libraries).split() if libraries else []
        output("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", target, file, *flags)


def prepare_peers():
    """The virtual environment of FastAPI, pgqueuer and dlt, at the versions that their requirements name."""
    wanted = [BENCHMARKS / peer / "requirements.txt" for peer in ("fastapi", "pgqueuer", "dlt")]
    stamp, text = VENV / "requirements", "".join(file.read_text() for file in wanted)
    if stamp.exists() and stamp.read_text() == text:
        return
    print("Installs FastAPI, pgqueuer and dlt into .venv-bench/ …", flush=True)
    output(sys.executable, "-m", "venv", VENV)
    output(VENV / "bin/pip", "install", "-q", "--disable-pip-version-check", *[x for file in wanted for x in ("-r", file)])
    stamp.write_text(text)


def syncs(folder):
    """4 KiB writes with fdatasync a second, now."""
    return measured("syncs", folder, 1)["per_second"]


def load_average():
    return os.getloadavg()[0]


def data_folder():
    """A folder on a disk. In memory nothing would be durable."""
    for parent in (os.environ.get("TMPDIR"), "/var/tmp", str(ROOT)):
        if parent and os.path.isdir(parent) and file_system(parent)[0] not in ("tmpfs", "ramfs"):
            return pathlib.Path(tempfile.mkdtemp(prefix="patchbay-bench.", dir=parent))
    raise Failed("There is no folder on a disk; set TMPDIR to one.")


def file_system(path):
    """Its type and device."""
    fields = output("df", "--output=fstype,source", path).splitlines()[-1].split()
    return fields[0], fields[1]


def facts(binary):
    """What a reader must know to compare."""
    cpu = "unknown"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
    memory = int(pathlib.Path("/proc/meminfo").read_text().split()[1]) // 1024
    kind, device = file_system(os.environ.get("TMPDIR") or "/var/tmp")
    return {
        "cpu": f"{cpu}, {os.cpu_count()} cores",
        "memory": f"{memory} MiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "disk": f"{device}, {kind}",
        "sqlite": version("pkg-config", "--modversion", "sqlite3"),
        "postgres": version(shutil.which("postgres") or f"{os.environ.get('POSTGRES_DIR', '')}/bin/postgres", "--version"),
        "swift": version("swiftc", "--version"),
        "patchbay": version(binary, "--version") + ", " + commit(),
    }


def version(*command):
    try:
        return output(*command).splitlines()[0]
    except (OSError, Failed, IndexError):
        return "unknown"


def commit():
    try:
        name = output("git", "-C", ROOT, "rev-parse", "--short=10", "HEAD").strip()
        return name + ("+" if output("git", "-C", ROOT, "status", "--porcelain", "--untracked-files=no").strip() else "")
    except (OSError, Failed):
        return "no commit"
