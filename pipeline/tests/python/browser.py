"""A browser on the live page, and the pipeline behind it: real processes and real files.

Nothing goes to the network: the driver is Debian's, and every name but 127.0.0.1 leads nowhere.
"""

import contextlib
import json
import random
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

REPOSITORY = Path(__file__).resolve().parents[3]
AXE = Path(find_spec("axe_playwright_python").origin).parent / "axe.min.js"
# A feed on which something is new all the time.
LIVE = ["--rate", "60", "--label-delay", "exponential:500ms"]


def until(what, condition, seconds=60):
    """Waits for a condition that says something, and returns that."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.05)


def free_port():
    """A port that nobody has, and that nobody is given who asks for any: it is asked for again after a kill."""
    while True:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as free:
            free.bind(("127.0.0.1", port))
            return port


class Pipeline:
    """`pipeline` with a page on an address that it has again after a kill, and a model file of its own."""

    def __init__(self, programs, folder):
        self.programs, self.folder = programs, folder
        folder.mkdir()
        self.model = folder / "model.json"
        shutil.copy(REPOSITORY / "data/model.json", self.model)
        self.address = "127.0.0.1:%d" % free_port()
        self.url = f"http://{self.address}/"
        self.process = None

    def swap(self, more):
        """Another version serves: it says so much more of each row."""
        other = json.loads(self.model.read_text())
        other["intercept"] += more
        for row in other["golden"]:
            row["prediction"] += more
        new = self.model.with_suffix(".new")
        new.write_text(json.dumps(other))
        new.rename(self.model)

    def start(self, *flags):
        command = [self.programs / "pipeline", "--logs", self.folder / "logs", "--model", self.model]
        command += ["--page-addr", self.address, "--data", REPOSITORY / "data/diabetes.csv", "--seed", "16"]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([*command, *flags], stdout=log, stderr=log)
        return self

    def stop(self, kill=False):
        if self.process:
            self.process.kill() if kill else self.process.terminate()
            self.process.wait(30)

    def runs(self):
        return self.process is not None and self.process.poll() is None

    def last_words(self):
        return "\n".join((self.folder / "log").read_text().splitlines()[-3:])

    def serve_quietly(self, *flags):
        """Waits for the end of a bounded feed and serves the page of it: after one more row nothing comes for an hour."""
        assert self.process.wait(120) == 0, self.last_words()
        log = (self.folder / "log").read_text()
        rows, labels = map(int, re.search(r"published (\d+) rows(?: and (\d+) labels)?", log).groups(default="0"))
        self.start("--interval", "1h", *flags)
        until("the report of one more row", lambda: self.answers() and self.rows("predicted") == rows + 1)
        until("the report of its label", lambda: not labels or self.rows("labelled") == labels + 1)
        return self

    def ask(self, path, accept="application/json"):
        request = urllib.request.Request(self.url + path, headers={"Accept": accept})
        return urllib.request.urlopen(request, timeout=20)

    def report(self):
        with self.ask("api/v1/report") as answer:
            return json.load(answer)

    def of_one_report(self, act):
        """What an act gives while the report stays the same, and that report: there is a new one every ten seconds at least."""
        while True:
            before = self.report()
            given = act()
            after = self.report()
            if before == after:
                return given, after

    def listens(self):
        assert self.runs(), self.last_words()
        with contextlib.suppress(OSError), socket.create_connection(self.address.split(":"), 1):
            return True

    def answers(self):
        assert self.runs(), self.last_words()
        with contextlib.suppress(OSError, urllib.error.HTTPError):
            return self.report()["versions"] and True

    def rows(self, kind):
        """Of what serves and has served; a shadow has the same rows once more."""
        return sum(version["rows"][kind] for version in self.report()["versions"] if version["role"] == "serving")


class Browser(webdriver.Chrome):
    """Debian's Chromium, without a window."""

    def __init__(self):
        options = Options()
        options.binary_location = "/usr/bin/chromium"
        # Without its sandbox, which root cannot have; and with texts as wide on every machine.
        for flag in ["headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-background-networking",
                     "force-device-scale-factor=1", "font-render-hinting=none",
                     "host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]:
            options.add_argument("--" + flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        super().__init__(options=options, service=Service("/usr/bin/chromedriver"))
        self.set_script_timeout(60)
        self.look(1440)

    def look(self, width, height=900, dark=False):
        """As wide as that, in light or dark."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def js(self, script, *arguments):
        return self.execute_script(script, *arguments)

    def text(self, selector):
        """What an element says, on one line; none where there is no such element."""
        return self.js("return document.querySelector(arguments[0])?.textContent.replace(/\\s+/g, ' ').trim()", selector)

    def texts(self, selector):
        script = "return [...document.querySelectorAll(arguments[0])].map(of => of.textContent.replace(/\\s+/g, ' ').trim())"
        return self.js(script, selector)

    def console(self):
        """What the console said since this was last asked."""
        return [f"{entry['level']}: {entry['message']}" for entry in self.get_log("browser")]

    def requests(self):
        """What was asked for since this was last asked."""
        messages = (json.loads(entry["message"])["message"] for entry in self.get_log("performance"))
        return [of["params"]["request"]["url"] for of in messages if of["method"] == "Network.requestWillBeSent"]
