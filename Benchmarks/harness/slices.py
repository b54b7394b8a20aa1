"""Two that run in turn, in slices: what is compared is what ran beside each other."""

import statistics
import time

from . import machine

UNSTEADY = 3  # a disk that changed by so much between neighbours tells nothing about either
ATTEMPTS = 3  # times the wanted number of pairs


class Pairs:
    """What came of it. `ratios` holds those of the pairs that count."""

    def __init__(self, names, wanted):
        self.names, self.wanted = names, wanted
        self.lines, self.ratios, self.values = [], [], ([], [])

    @property
    def fault(self):
        return "" if len(self.ratios) == self.wanted else "the disk was not steady enough for as many pairs as were wanted"

    @property
    def ratio(self):
        return statistics.median(self.ratios) if self.ratios else None

    def median(self, side):
        return statistics.median(self.values[side]) if self.values[side] else None


def say(line):
    print(line, flush=True)


def in_turn(first, second, wanted, folder, names=("ours", "reference"), unit="/s"):
    """Runs `first()` and `second()` in turn until `wanted` pairs count. Each answers its number."""
    pairs = Pairs(names, wanted)
    say(f"  {'slice':>5}  {'who':<12} {'got':>12}  {'load':>6}  {'fdatasync/s':>11}")
    for attempt in range(wanted * ATTEMPTS):
        if len(pairs.ratios) == wanted:
            break
        values, syncs = [], []
        for name, run in zip(names, (first, second)):
            syncs.append(machine.syncs(folder))
            load = machine.load_average()
            values.append(run())
            note(pairs, f"  {attempt + 1:>5}  {name:<12} {values[-1]:>10,.1f}{unit}  {load:>6.2f}  {syncs[-1]:>11,.0f}")
        if max(syncs) > UNSTEADY * min(syncs):
            note(pairs, f"  {attempt + 1:>5}  thrown away: the disk changed from {syncs[0]:,.0f} to {syncs[1]:,.0f} syncs/s")
            continue
        pairs.ratios.append(values[0] / values[1])
        for side in (0, 1):
            pairs.values[side].append(values[side])
    return pairs


def note(pairs, line):
    pairs.lines.append(line)
    say(line)


def until(is_so, within, every=0.05):
    """Waits until something is so; says whether it was."""
    end = time.monotonic() + within
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True
