"""Whether everybody can use the page: by keyboard, without script, and under a policy that lets nothing in from elsewhere."""

import difflib
import json
import urllib.error
import urllib.request

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from browser import until

# What has the focus: its place among all elements, how it is marked, and whether it is in sight.
FOCUSED = """
    const of = document.activeElement, style = getComputedStyle(of), box = of.getBoundingClientRect();
    return {
        at: [...document.querySelectorAll('*')].indexOf(of),
        name: of.tagName + ' ' + (of.getAttribute('aria-labelledby') ?? of.textContent.trim().slice(0, 40)),
        marked: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
        seen: box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
        covered: !of.contains(document.elementFromPoint(
            box.left + box.width / 2, Math.min(Math.max(box.top + 3, 0), innerHeight - 1)))
            && getComputedStyle(of).position !== 'absolute' && box.height < innerHeight / 2,
    }"""
# What must be reached, in the order of the document: also what is scrolled sideways.
REACHED = """
    const all = [...document.querySelectorAll('*')];
    return all.filter(of => of.checkVisibility() && (of.matches('a[href], summary, button, svg.plot:has(.hit)') ||
        of.matches('.scroll') && of.scrollWidth > of.clientWidth)).map(of => all.indexOf(of))"""


def press(browser, *keys):
    ActionChains(browser).send_keys(*keys).perform()


def the_keyboard_reaches_everything_in_order(browser, states):
    said = []
    for width in [1440, 320]:
        browser.look(width)
        browser.get(states.quiet["ok"].url)
        browser.js("document.documentElement.style.scrollBehavior = 'auto'")
        wanted, found = browser.js(REACHED), []
        for _ in wanted:
            press(browser, Keys.TAB)
            focused = browser.js(FOCUSED)
            assert focused["marked"], f"no outline is seen at {focused}"
            assert focused["seen"], f"out of sight: {focused}"
            assert not focused["covered"], f"something lies over it: {focused}"
            found.append(focused["at"])
        names = "return arguments[0].map(at => document.querySelectorAll('*')[at].outerHTML.slice(0, 90))"
        assert found == wanted, {
            "missed": browser.js(names, sorted(set(wanted) - set(found))),
            "not expected": browser.js(names, sorted(set(found) - set(wanted))),
        }
        said.append(f"{len(found)} stops at {width} px")
    return ", ".join(said)


def the_arrow_keys_and_the_pointer_say_what_a_chart_shows(browser, states):
    pipeline = states.quiet["ok"]
    browser.get(pipeline.url)
    version = pipeline.report()["versions"][0]
    mature = [pane for pane in version["timeline"] if pane["mature"] and pane["mae"] is not None][-1]
    line = "#good .frame .readout"
    rest = browser.text(line)
    assert f"{mature['labelled']} of {mature['predicted']} labelled" in rest, (rest, mature)
    titles = browser.texts("#good .hit title")
    assert len(titles) > 5 and len(set(titles)) == len(titles)
    browser.js("document.querySelector('#good svg.plot').focus()")
    last = len(titles) - 1
    for key, at in [(Keys.END, last), (Keys.ARROW_LEFT, last - 1), (Keys.HOME, 0), (Keys.ARROW_LEFT, 0), (Keys.ARROW_RIGHT, 1)]:
        press(browser, key)
        assert browser.text(line) == titles[at], (key, at, browser.text(line))
        assert browser.js("return document.querySelectorAll('.hit.at').length") == 1
    hit = browser.find_elements(By.CSS_SELECTOR, "#good .hit")[5]
    ActionChains(browser).move_to_element(hit).perform()
    until("the line of what is pointed at", lambda: browser.text(line) == titles[5])
    return rest


def script_off(browser, is_off):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": is_off})


def text_of(browser, pipeline, without_script):
    """All that the page says, but what copies a command, which only a script can."""
    script_off(browser, without_script)
    try:
        browser.get(pipeline.url)
        # In one go, for the script puts back what is missing.
        return browser.js("""
            document.querySelectorAll('button[data-copy]').forEach(of => of.remove());
            return document.body.innerText.replace(/\\s+/g, ' ')""")
    finally:
        script_off(browser, False)


def the_page_is_complete_without_script(browser, states):
    pipeline = states.quiet["look"]
    browser.get(pipeline.url)
    # The zone of whoever looks is known from the second answer on.
    until("the zone", lambda: browser.js("return document.cookie.includes('zone=')"))
    scripted, alone = pipeline.of_one_report(lambda: [text_of(browser, pipeline, without) for without in [False, True]])[0]
    assert scripted == alone, list(difflib.unified_diff(scripted.split(), alone.split(), lineterm="", n=2))
    script_off(browser, True)
    try:
        browser.get(pipeline.url)
        assert not browser.js("return document.documentElement.classList.contains('script')"), "the script ran"
        browser.find_element(By.CSS_SELECTOR, "nav.switch a[href*=rmse]").click()
        until("the other score", lambda: browser.text("#good h3") == "RMSE by time of prediction")
        assert browser.text("nav.switch [aria-current]") == "RMSE" and browser.current_url.endswith("?score=rmse#good")
        fold = browser.find_element(By.CSS_SELECTOR, "#good summary")
        fold.click()
        assert browser.js("return document.querySelector('#good details').open")
    finally:
        script_off(browser, False)
    return f"{len(alone)} letters"


def the_policy_lets_nothing_in(browser, states):
    pipeline = states.quiet["ok"]
    with pipeline.ask("", accept="text/html") as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy, policy
    browser.get(pipeline.url)
    assert not (console := browser.console()), console
    # That the console is read at all: what the policy forbids is refused, and said there.
    browser.js("""
        const script = document.createElement('script');
        script.textContent = 'window.inside = true';
        document.head.append(script);
        document.body.setAttribute('style', 'color: red');
        document.body.append(Object.assign(new Image(), {src: 'http://example.com/a.png'}))""")
    assert not browser.js("return window.inside")
    refused = until("three refusals", lambda: len(console := browser.console()) >= 3 and console, 10)
    assert all("Content Security Policy" in line for line in refused), refused
    browser.requests()
    return policy


def the_answer_follows_what_is_typed(browser, states):
    url = states.quiet["ok"].url
    browser.get(url + "try")
    before = until("an answer", lambda: browser.text(".prediction"))
    field = browser.find_element(By.ID, "x2")
    field.clear()
    field.send_keys("0.1")
    after = until("another answer", lambda: (now := browser.text(".prediction")) != before and now)
    assert "x2=0.1" in browser.current_url, browser.current_url
    with states.quiet["ok"].ask("try?" + browser.current_url.partition("?")[2]) as answer:
        said = json.load(answer)["prediction"]
    assert abs(said - float(after)) < 1, (said, after)
    field.send_keys("x")
    until("the refusal", lambda: "refuses this row" in browser.text("#answer"))
    return f"{before}, then {after}"


def the_slider_and_its_field_say_the_same(browser, states):
    browser.get(states.quiet["ok"].url + "try")
    before = until("an answer", lambda: browser.text(".prediction"))
    slider = browser.find_element(By.CSS_SELECTOR, "input[data-of=x2]")
    slider.send_keys(Keys.END)
    value = browser.js("return document.getElementById('x2').value")
    assert abs(float(value) - float(slider.get_attribute("max"))) < 1e-4, value
    after = until("another answer", lambda: (now := browser.text(".prediction")) != before and now)
    assert f"x2={value}" in browser.current_url, browser.current_url
    field = browser.find_element(By.ID, "x2")
    field.clear()
    field.send_keys("0.01")
    until("the slider", lambda: abs(float(browser.js("return arguments[0].value", slider)) - 0.01) < 1e-9)
    until("the answer of before, or nearly", lambda: browser.text(".prediction") not in (before, after))
    return f"{before}, then {after}"


def the_token_is_a_password(browser, states):
    token = "a-token-for-the-page-alone"
    pipeline = states.pipeline("guarded")
    (pipeline.folder / "tokens").write_text(token)
    states.pipelines["guarded"] = pipeline.start("--page-token-file", pipeline.folder / "tokens", "--interval", "100ms")

    def status(headers):
        request = urllib.request.Request(pipeline.url + "api/v1/verdict", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status
        except urllib.error.HTTPError as why:
            return why.code

    until("the port", lambda: pipeline.listens())
    assert status({}) == 401 and status({"Authorization": "Bearer another-token-of-mine"}) == 401
    until("the verdict", lambda: status({"Authorization": f"Bearer {token}"}) == 200)
    # As somebody types it whom the browser asks; from then on the browser knows it.
    browser.get(pipeline.url.replace("http://", f"http://anybody:{token}@"))
    browser.get(pipeline.url)
    shown = browser.text("#account dd")
    until("other numbers on the page", lambda: browser.text("#account dd") != shown)
    assert not (console := browser.console()), console
    asked = browser.requests()
    assert asked and all(url.startswith(("http://", "data:")) and pipeline.address in url for url in asked), asked
    pipeline.stop()


def the_pages_that_stand_still_ask_for_their_frame_alone(browser, states):
    """An open page of rows would else read the database every two seconds, and one to try would ask the model."""
    browser.requests()
    for place in ["rows", "try", "model"]:
        browser.get(states.quiet["ok"].url + place)
        asked, title = [], browser.title
        until("the frame", lambda: asked.extend(browser.requests()) or any("/frame?of=" in one for one in asked))
        pages = [one for one in asked if one.endswith("/" + place)]
        assert len(pages) == 1, asked
        assert browser.title == title
