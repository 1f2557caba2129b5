"""What the page does while rows arrive: it shows them by itself, and leaves alone what somebody reads."""

import http.server
import re
import subprocess
import threading

from browser import LIVE, REPOSITORY, until


def predictions(browser):
    """How many predictions the account of the page has."""
    return int((browser.text("#account dl dd") or "0").replace(" ", ""))


def opened(browser, pipeline, query=""):
    """Opens the page, once there is a curve on it, and marks it so that a reload would be seen."""
    until("30 labels", lambda: pipeline.answers() and pipeline.rows("labelled") >= 30)
    browser.get(pipeline.url + query)
    browser.js("window.mark = 1")


def is_same(browser):
    return browser.js("return window.mark") == 1


def the_numbers_change_without_a_reload(browser, states):
    opened(browser, states.live)
    first = predictions(browser)
    until("more predictions", lambda: predictions(browser) > first + 50)
    again = predictions(browser)
    until("still more predictions", lambda: predictions(browser) > again)
    assert is_same(browser), "it was loaded anew"
    title = until("the MAE in the title", lambda: "MAE" in browser.title and browser.title)
    return f"{first} to {predictions(browser)} predictions, {title!r}"


def the_fold_and_the_place_stay_when_parts_are_replaced(browser, states):
    opened(browser, states.live)
    part = "document.getElementById('good')"
    browser.js(f"{part}.querySelectorAll('summary')[1].click()")
    # What has the focus is not replaced at all.
    browser.js("document.activeElement.blur()")
    browser.js("document.documentElement.style.scrollBehavior = 'auto'")
    browser.js(f"{part}.querySelectorAll('summary')[1].scrollIntoView(); window.part = {part}")
    place = f"return {part}.querySelectorAll('summary')[1].getBoundingClientRect().top"
    before, scrolled = browser.js(place), browser.js("return scrollY")
    assert scrolled > 0
    for _ in range(2):
        until("the part to be replaced", lambda: browser.js(f"return window.part !== {part}"))
        folds = browser.js(f"return [...{part}.querySelectorAll('details')].map(fold => fold.open)")
        assert folds == [False, True], folds
        browser.js(f"window.part = {part}")
    after = browser.js(place)
    assert abs(after - before) <= 2, f"what is read has moved from {before} to {after}"
    assert is_same(browser)


def the_part_that_is_held_is_left_alone_and_shown_when_it_is_free(browser, states):
    opened(browser, states.live)
    for hold, free in [
        ("document.querySelector('#good summary').focus()", "document.activeElement.blur()"),
        ("getSelection().selectAllChildren(document.querySelector('#good .words'))", "getSelection().removeAllRanges()"),
    ]:
        browser.js("window.part = document.getElementById('good')")
        browser.js(hold)
        first = predictions(browser)
        until("the other parts to be replaced", lambda: predictions(browser) > first + 100)
        assert browser.js("return window.part.isConnected"), f"replaced though held: {hold}"
        browser.js(free)
        until("the part to be replaced", lambda: not browser.js("return window.part.isConnected"))


def the_swap_of_the_model_file_is_marked(browser, states):
    pipeline = states.live
    opened(browser, pipeline)
    before, said = browser.texts("#events code")[-1], []
    # The second swap comes soon after the first, so that their marks are beside each other.
    for count, algorithm in [(2, "ridge"), (3, "lasso")]:
        new = pipeline.folder / "new.json"
        train = [states.programs / "model", "train", "--data", REPOSITORY / "data/diabetes.csv", "--model", new]
        subprocess.run([*train, "--algorithm", algorithm], check=True, capture_output=True)
        new.rename(pipeline.model)
        event = until("the event", lambda: next((of for of in browser.texts("#events li") if f"after {before}" in of), None))
        before = re.search(r"(model@\S+) serves", event)[1]
        table = f"{count} versions in the table"
        rows = until(table, lambda: len(rows := browser.texts("#each-version tbody tr")) == count and rows)
        assert ["serves" in row for row in rows] == [True] + [False] * (count - 1), rows
        rules = f"{count - 1} rules in the chart"
        until(rules, lambda: browser.js("return document.querySelectorAll('#good line.swap').length") == count - 1)
        [mark] = browser.texts("#good text.hash.serving")
        assert before.startswith(f"model@{mark}"), (mark, before)
        said.append(event)
    assert is_same(browser)
    return "; ".join(said)


def a_proxy_says_no(pipeline):
    """Answers in place of the pipeline until the page has asked again whether something is new."""
    asked = threading.Event()

    class No(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(502)
            if self.path == "/events":
                asked.set()

        def log_message(self, *_):
            pass

    host, port = pipeline.address.split(":")
    with http.server.ThreadingHTTPServer((host, int(port)), No) as server:
        threading.Thread(target=server.serve_forever).start()
        was_asked = asked.wait(60)
        server.shutdown()
    assert was_asked, "the page did not ask again"


def the_page_says_that_metric_is_gone_and_goes_on_by_itself(browser, states):
    pipeline = states.live
    opened(browser, pipeline)
    until("a stream", lambda: browser.js("return !document.getElementById('seen').classList.contains('lost')"))
    pipeline.stop(kill=True)
    said = until("the page to say it", lambda: "not connected since" in browser.text("#seen") and browser.text("#seen"))
    first = predictions(browser)
    assert first > 0, "the numbers are gone"
    a_proxy_says_no(pipeline)
    pipeline.start(*LIVE)
    until("the page to go on", lambda: "last prediction" in browser.text("#seen") and predictions(browser) > first, 90)
    assert not browser.js("return document.getElementById('seen').classList.contains('lost')")
    assert is_same(browser), "it was loaded anew"
    # A browser says by itself that nobody answers, or somebody else, or that the evaluation catches up.
    others = [line for line in browser.console() if "Failed to load resource" not in line]
    assert not others, others
    return said
