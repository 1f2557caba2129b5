"""Holds the live page to a browser: what it shows, how it behaves while rows arrive, and whether everybody can use it.

Usage: page.py PROGRAMS [--pictures FOLDER] [CHECK ...]

PROGRAMS is the folder of the program `pipeline`. Without names all checks are made. Prints a line for each, and at
the end what is wrong; exits 1 then. With --pictures no check is made: the states of the page are drawn, for the documents.
"""

import argparse
import inspect
import signal
import sys
import tempfile
import time
import traceback
from functools import cached_property
from pathlib import Path

import page_figures
import page_live
import page_looks
import page_pictures
import page_use
from browser import LIVE, REPOSITORY, Browser, Pipeline, until

# What is not done by then hangs: the browser and the pipelines are ended by whoever started them.
MOST_SECONDS = 540


class States:
    """A page of each state, of a feed that has ended; and one on which rows arrive."""

    # How each is fed, and what its one more row is fed with.
    FEEDS = {
        "ok": (["--rate", "100", "--count", "1500", "--label-delay", "uniform:0s..2s", "--label-missing", "2%"], []),
        "look": (["--rate", "150", "--count", "2500", "--label-delay", "uniform:0s..2s",
                  "--drift", "bmi:+0.08@1000", "--label-shift", "*1.4@1000"],
                 ["--drift", "bmi:+0.08@0", "--label-shift", "*1.4@0"]),
        "provisional": (["--rate", "2", "--count", "14", "--label-delay", "0s"], []),
        "no-label": (["--rate", "100", "--count", "400", "--no-labels"], ["--no-labels"]),
    }
    # What is only drawn: a file of scikit-learn brings no reference, and has four features; after a swap there are two versions, and
    # one that is worse gives its place back.
    FOUR = [flag for name in ["age", "sex", "s1", "s2", "s3", "s4"] for flag in ["--drop", name]]
    DRAWN = {"no-reference": ([*FEEDS["ok"][0], *FOUR], FOUR), "swapped": FEEDS["ok"],
             "rolled-back": (["--rollback", "act", "--rate", "100", "--count", "4000", "--label-delay", "uniform:0s..2s"],
                             ["--rollback", "act"])}
    # How much more the new version says of each row.
    SWAPPED = {"swapped": 2, "rolled-back": 30}

    def __init__(self, programs, folder):
        self.programs, self.folder = programs, folder
        # All at once, for they need their time.
        self.pipelines = {name: self.pipeline(name).start(*feed) for name, (feed, _) in self.FEEDS.items()}

    def pipeline(self, name):
        return Pipeline(self.programs, self.folder / name)

    @cached_property
    def quiet(self):
        """The pages of the feeds, by state."""
        return {name: self.pipelines[name].serve_quietly(*flags) for name, (_, flags) in self.FEEDS.items()}

    def drawn(self):
        """The pages of all states that there are pictures of, by state."""
        pages = dict(self.quiet)
        for name, (feed, flags) in self.DRAWN.items():
            pipeline = self.pipelines[name] = self.pipeline(name)
            if name == "no-reference":
                pipeline.model = REPOSITORY / "model/tests/fixtures/pickles/linear_p5.pkl"
            kept = ["--versions", pipeline.folder / "versions"]
            pipeline.start(*feed, *kept)
            if name in self.SWAPPED:
                until("rows of the first version", lambda: pipeline.answers() and pipeline.rows("labelled") > 700)
                pipeline.swap(self.SWAPPED[name])
            pages[name] = pipeline.serve_quietly(*flags, *kept)
        return pages

    @property
    def live(self):
        """Rows arrive there, also where a check that failed has ended it."""
        if "live" not in self.pipelines:
            self.pipelines["live"] = self.pipeline("live")
        pipeline = self.pipelines["live"]
        return pipeline if pipeline.runs() else pipeline.start(*LIVE)

    def stop(self):
        for pipeline in self.pipelines.values():
            pipeline.stop(kill=True)


def checks():
    for module in [page_live, page_figures, page_use, page_looks]:
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__ and name.startswith("the_"):
                yield name, function


def run(browser, states, wanted):
    failed = {}
    assert set(wanted) <= {name for name, _ in checks()}, f"not all of {wanted} are checks"
    for name, check in checks():
        if wanted and name not in wanted:
            continue
        if check.__module__ != page_live.__name__:
            # Without these nothing else can be checked.
            assert states.quiet
        start = time.monotonic()
        browser.look(1440)
        try:
            said = check(browser, states)
            # Every check leaves the console empty, unless it has read it itself.
            assert not (console := browser.console()), console
            hosts = {url for url in browser.requests() if not url.startswith(("http://127.0.0.1:", "data:"))}
            assert not hosts, f"asked for from elsewhere: {hosts}"
            print(f"{name}: {said or 'ok'} ({time.monotonic() - start:.1f} s)", flush=True)
        except Exception:
            failed[name] = traceback.format_exc()
            print(f"FAILED {name} ({time.monotonic() - start:.1f} s)", flush=True)
            browser.console()
            browser.requests()
    return failed


def too_long(*_):
    # No check catches this.
    sys.exit(f"not done after {MOST_SECONDS} s")


arguments = argparse.ArgumentParser()
arguments.add_argument("programs", type=Path)
arguments.add_argument("checks", nargs="*")
arguments.add_argument("--pictures", type=Path)
arguments = arguments.parse_args()
signal.signal(signal.SIGALRM, too_long)
signal.alarm(MOST_SECONDS)
with tempfile.TemporaryDirectory() as folder:
    states = States(arguments.programs, Path(folder))
    try:
        with Browser() as browser:
            if arguments.pictures:
                page_pictures.draw(browser, states, arguments.pictures)
            elif failed := run(browser, states, arguments.checks):
                # Last, for the end is what everybody looks at first.
                sys.exit("\n".join(f"FAILED {name}\n{why}" for name, why in failed.items()))
    finally:
        states.stop()
