"""Leaves a page open for long while a thousand rows a second arrive, and watches what browser and pipeline take.

Usage: page_hour.py PROGRAMS [MINUTES [ROWS_A_SECOND]]      an hour, 1000

Prints a line a minute: the heap and the nodes of the page after a collection of garbage, the memory of the pipeline, and the rows.
Exits 1 if page or pipeline have grown between the first quarter, when tables fill, and the end.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from browser import Browser, Pipeline, until

MB = 1e6


def memory(process):
    """What a process has in memory, in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def heap(browser):
    """The heap of the page in bytes, and how many nodes it has, without what is garbage."""
    browser.execute_cdp_cmd("HeapProfiler.enable", {})
    browser.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    metrics = browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    metrics = {metric["name"]: metric["value"] for metric in metrics}
    return metrics["JSHeapUsedSize"], metrics["Nodes"]


def growth(values):
    """From the second quarter to the last one, as a share."""
    quarter = len(values) // 4
    before, after = (statistics.median(part) for part in [values[quarter:2 * quarter], values[-quarter:]])
    return after / before - 1


def main(programs, minutes=60, rate=1000):
    with tempfile.TemporaryDirectory() as folder:
        pipeline = Pipeline(Path(programs).resolve(), Path(folder) / "hour")
        pipeline.start("--rate", str(rate), "--label-delay", "exponential:2s", "--text", "off")
        browser = None
        try:
            until("a report", pipeline.answers)
            browser = Browser()
            browser.execute_cdp_cmd("Performance.enable", {})
            browser.get(pipeline.url)
            samples = []
            for minute in range(minutes):
                end = time.monotonic() + 60
                shown = browser.text("#account dd")
                until("other numbers on the page", lambda: browser.text("#account dd") != shown)
                # What is measured is how it is after a while: there is nothing else to wait for.
                time.sleep(max(0, end - time.monotonic()))
                used, nodes = heap(browser)
                samples.append((used, nodes, memory(pipeline.process)))
                print(f"minute {minute + 1}: page {used / MB:.1f} MB, {nodes:.0f} nodes; pipeline {samples[-1][2] / MB:.0f} MB; "
                      f"{pipeline.rows('predicted')} rows", flush=True)
                browser.get_log("performance")
            wrong = browser.console()
            heaps, nodes, memories = zip(*samples)
            print(f"grown by {growth(heaps):+.1%} (page), {growth(nodes):+.1%} (nodes), {growth(memories):+.1%} (pipeline)")
            assert not wrong, wrong
            assert growth(heaps) < 0.1 and growth(nodes) < 0.1, "the page grows"
            assert growth(memories) < 0.1, "the pipeline grows"
        finally:
            if browser:
                browser.quit()
            pipeline.stop()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
