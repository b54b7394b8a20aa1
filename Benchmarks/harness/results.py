"""A figure beside its bar, and the page that shows them all."""

import dataclasses
import datetime
import json

from .machine import ROOT, facts

PAGE = ROOT / "docs/benchmarks.md"
FIGURES = ROOT / "docs/benchmarks.json"


@dataclasses.dataclass
class Result:
    bar: str  # the name for Benchmarks/run
    what: str
    got: float | None
    least: float | None = None  # what must be reached; None for a figure without a bar
    aim: float | None = None
    unit: str = ""
    is_lower_better: bool = False
    notes: list = dataclasses.field(default_factory=list)
    lines: list = dataclasses.field(default_factory=list)  # every slice
    fault: str = ""  # why the figure does not count

    @property
    def verdict(self):
        if self.fault:
            return f"does not count: {self.fault}"
        if self.got is None:
            return "no figure"
        if self.least is None:
            return ""
        reaches = (lambda bar: self.got <= bar) if self.is_lower_better else (lambda bar: self.got >= bar)
        return "aim" if reaches(self.aim) else "least" if reaches(self.least) else "**missed**"

    def cells(self, before=None):
        had = number(before, self.unit) if before is not None else ""
        return [self.what, number(self.least, self.unit), number(self.aim, self.unit), number(self.got, self.unit), had,
                self.verdict]

    def line(self):
        text = f"= {self.what}: {number(self.got, self.unit) or 'no figure'}"
        if self.least is not None:
            text += f" (least {number(self.least, self.unit)}, aim {number(self.aim, self.unit)})"
        return text + (f": {self.verdict.strip('*')}" if self.verdict else "")


def number(value, unit=""):
    if value is None:
        return ""
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.{1 if abs(value) >= 10 else 2}f}".rstrip("0").rstrip(".")
    return f"{text} {unit}".strip()


def earlier():
    """The figures of the run whose page is in the repository, by what they are."""
    try:
        return json.loads(FIGURES.read_text())["figures"]
    except (OSError, ValueError, KeyError):
        return {}


def write(results, binary, command):
    """The page and its figures. Nothing of them is edited by hand."""
    before = earlier()
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    about = facts(binary)
    page = [
        "# Benchmarks", "",
        f"Made by `{command}` on {now}. Do not edit.", "",
        "Ours and the other run in turn, in slices; what counts is the median of the ratios of neighbours. A pair is "
        "thrown away when the disk's fdatasync rate changed more than threefold between its slices. Every run ends with a "
        "count: what was answered 200 is what is stored.", "",
        "| machine | |", "|---|---|", *[f"| {name} | {value} |" for name, value in about.items()], "",
        "| bar | least | aim | got | before | verdict |", "|---|---|---|---|---|---|",
        *["| " + " | ".join(result.cells(before.get(result.what))) + " |" for result in results], "",
    ]
    for result in results:
        if result.notes or result.lines:
            page += [f"## {result.what}", ""] + [f"- {note}" for note in result.notes]
            page += (["", "```", *result.lines, "```", ""] if result.lines else [""])
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("\n".join(page).rstrip() + "\n")
    figures = {"at": now, "machine": about,
               "figures": before | {result.what: result.got for result in results if result.got is not None and not result.fault}}
    FIGURES.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
