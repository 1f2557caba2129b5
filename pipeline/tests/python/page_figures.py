"""Every figure of the page that the API has too is the API's, of the same commit."""

import csv
import io
import re

# In their order.
FEATURES = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]


def number(text):
    """A number as the page writes it, and how far it may be off from what it was rounded from."""
    found = re.fullmatch(r"([+−]?)(\d[\d ]*)(?:\.(\d+))?", text)
    assert found, f"{text!r} is no number"
    sign, whole, decimals = found.groups()
    value = float(whole.replace(" ", "") + "." + (decimals or "0"))
    # Three digits: 1234 may stand for 1230.
    size = 10.0 ** -len(decimals) if decimals else max(1.0, 10.0 ** (len(str(int(value))) - 3))
    return (-value if sign == "−" else value), size / 2


def agrees(what, text, value):
    shown, off = number(text)
    assert abs(shown - value) <= off * (1 + 1e-9), f"{what} is {text} on the page and {value} in the API"


def is_count(what, text, value):
    assert text.replace(" ", "") == str(value), f"{what} is {text} on the page and {value} in the API"


def percent(what, text, share):
    if text in ("–", "<0.1 %", ">99 %"):
        assert {"–": share is None, "<0.1 %": share and share < 0.0005, ">99 %": share and 0.99 < share < 1}[text], (what, text, share)
    else:
        agrees(what, text.removesuffix(" %"), share * 100)


def estimate(what, text, of):
    """`42.8` or `42.8 (40.2 … 45.7)`."""
    if of is None:
        assert text == "–", (what, text)
        return
    value, _, interval = text.partition(" (")
    agrees(what, value, of["value"])
    assert bool(interval) == (of["interval"] is not None), (what, text, of)
    if interval:
        for end, text in zip(["low", "high"], interval.removesuffix(")").split(" … "), strict=True):
            agrees(f"{what}, {end} end", text, of["interval"][end])


def cells(browser, selector):
    script = """return [...document.querySelectorAll(arguments[0])].map(row =>
        [...row.cells].map(cell => cell.textContent.replace(/\\s+/g, ' ').trim()))"""
    return browser.js(script, selector)


def scores(browser, version):
    names = ["mae", "rmse", "bias", "r2", "median", "p90", "p99"]
    *rows, wape = cells(browser, "#good .figure:last-of-type > details tbody tr")
    tables = [version["scores"]["last_rows"], version["scores"]["since_first"]]
    for name, row in zip(names, rows, strict=True):
        for text, table in zip(row[1:], tables, strict=True):
            estimate(f"{row[0]} of {table['rows']} rows", text, table[name])
    for text, table in zip(wape[1:], tables, strict=True):
        percent(wape[0], text, table["wape"])
    beside = {row[0]: row[1:] for row in cells(browser, "#good .figure:last-of-type > .scroll tbody tr")}
    for name, value in [("last {} labels", tables[0]), ("all {} labels", tables[1])]:
        text, interval, _ = beside[name.format(f"{value['rows']:,}".replace(",", " ") if value["rows"] > 9999 else value["rows"])]
        estimate(name, f"{text} ({interval})", value["mae"])
    agrees("held out", beside["held out in training"][0], version["holdout_mae"])


def counts(browser, report, version):
    key = dict(reversed(re.match(r"([\d ]+) (\w+) ", text).groups()) for text in browser.texts("#trust .key li"))
    for kind in ["labelled", "waiting", "expired"]:
        is_count(kind, key[kind], version["rows"][kind])
    account = browser.texts("#account dl dd")
    for kind, text in zip(["predicted", "labelled", "waiting", "expired"], account, strict=True):
        is_count(f"{kind} of all", text, sum(of["rows"][kind] for of in report["versions"]))


def timeline(browser, version):
    panes = cells(browser, "#good .figure:first-of-type > details tbody tr")
    for row, pane in zip(panes, reversed(version["timeline"]), strict=True):
        if pane["mae"] is None:
            assert row[1] == "–", row
        else:
            agrees(f"MAE of {row[0]}", row[1], pane["mae"])
        is_count(f"labelled of {row[0]}", row[2], pane["labelled"])
        is_count(f"rows of {row[0]}", row[3], pane["predicted"])


def features(browser, version):
    rows = {row[0]: row for row in cells(browser, "#changed tbody tr")}
    for spread in [*version["drift"]["features"], version["drift"]["prediction"]]:
        _, _, psi, noise, state = rows.pop(spread["name"])
        agrees(f"PSI of {spread['name']}", psi, spread["psi"])
        agrees(f"PSI of {spread['name']} by chance", noise, spread["psi_noise"])
        drifts = spread["drifts_since"] or spread["stuck_since"]
        assert state == (spread["words"] if drifts else "steady"), (spread["name"], state)
    assert not rows, rows


def furthest(browser, version):
    rows = cells(browser, "#wrong .figure:last-of-type tbody tr")
    for row, of in zip(rows, version["charts"]["furthest"], strict=True):
        for text, value in zip(row[1:], [of["y_true"], of["y_pred"], of["y_pred"] - of["y_true"]], strict=True):
            agrees(f"of the row of {row[0]}", text, value)


def answers(browser, report):
    shown = list(zip(browser.texts(".answers .answer"), browser.texts(".answers .reason"), strict=True))
    for (answer, reason), of in zip(shown, report["answers"], strict=True):
        unit = " MAE" if of["question"] == "how_good" else ""
        assert (answer, reason) == (spaced(of["answer"]) + unit, spaced(of["reason"])), (answer, reason, of)
    assert browser.text(".sentence") == spaced(report["verdict"]["sentence"])
    assert browser.text(".todo") == spaced(report["verdict"]["advice"])


def spaced(text):
    return " ".join(text.split())


def versions(browser, report):
    latest = sorted(report["versions"], key=lambda of: of["last_predicted"], reverse=True)
    rows = cells(browser, "#each-version tbody tr")
    for row, of in zip(rows, latest if len(latest) > 1 else [], strict=True):
        assert row[0] == f"{of['model']}@{of['version']}", row
        is_count(f"labels of {row[0]}", row[1], of["rows"]["labelled"])
        if of["scores"]["since_first"]["mae"]:
            agrees(f"MAE of {row[0]}", row[2], of["scores"]["since_first"]["mae"]["value"])


def the_word_is_that_of_the_state(browser, states):
    words = {"ok": "OK", "look": "Look", "provisional": "Provisional", "nothing": "Nothing yet"}
    found = set()
    for pipeline in states.quiet.values():
        state = pipeline.report()["verdict"]["state"]
        browser.get(pipeline.url)
        assert browser.text("h1") == words[state] and browser.title.startswith(words[state]), (state, browser.text("h1"))
        found.add(state)
    assert found == set(words), found


def the_figures_are_those_of_the_api(browser, states):
    for state in ["ok", "look"]:
        pipeline = states.quiet[state]
        _, after = pipeline.of_one_report(lambda: browser.get(pipeline.url))
        assert after["verdict"]["state"] == state, after["verdict"]
        version = after["versions"][after["verdict"]["version"]]
        answers(browser, after)
        scores(browser, version)
        counts(browser, after, version)
        timeline(browser, version)
        features(browser, version)
        furthest(browser, version)
        versions(browser, after)
    # A page of other rows is seen to be one.
    version["rows"]["waiting"] += 1
    try:
        counts(browser, after, version)
    except AssertionError:
        return
    raise AssertionError("any figure would do")


def the_lists_are_those_of_their_files(browser, states):
    """The page shows the first rows of the CSV, in all kinds of lists; a part of a feature's range has its own rows alone."""
    pipeline = states.quiet["look"]
    browser.get(pipeline.url)
    slices = browser.js("return [...document.querySelectorAll('#wrong a[href*=slice]')].map(of => of.getAttribute('href'))")
    assert slices, "no range is worse than elsewhere"
    said = []
    for path in ["./rows", "./rows?show=waiting", "./rows?show=expired", "./rows?show=furthest", *slices]:
        browser.get(pipeline.url + path.removeprefix("./"))
        shown = browser.texts("#list td a.mono")
        link = browser.js("return document.querySelector('#list a[download]')?.getAttribute('href')")
        assert bool(link) == bool(shown), path
        if not link:
            continue
        with pipeline.ask(link.removeprefix("./")) as answer:
            rows = list(csv.DictReader(io.TextIOWrapper(answer)))
        assert shown == list(dict.fromkeys(row["id"] for row in rows))[:len(shown)], path
        query = dict(part.split("=") for part in path.partition("?")[2].partition("#")[0].split("&") if part)
        if query.get("show") == "slice":
            place = FEATURES.index(query["feature"]) + 1
            low, high = (float(query.get(end, default)) for end, default in [("from", "-inf"), ("to", "inf")])
            assert all(low <= float(row[f"feature_{place}"]) < high for row in rows), path
        said.append(f"{len(rows)} {query.get('show', 'all')}")
    return ", ".join(said)
