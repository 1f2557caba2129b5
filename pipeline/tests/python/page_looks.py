"""How the page looks in each state: nothing is cut off, no text lies over another, and axe finds nothing."""

import re
import urllib.request

from browser import AXE

# Those of a bare Debian: the second is wider than what most people have.
FONTS = ["Liberation Sans", "DejaVu Sans"]
WIDTHS = [320, 390, 768, 1024, 1119, 1440, 1920]
SIZE = "const of = document.documentElement; return [of.scrollWidth, of.clientWidth]"
# What reaches beyond the right edge, the outermost elements of it only.
BEYOND = """
    const width = document.documentElement.clientWidth;
    const is = of => of.getBoundingClientRect().right > width + 1 && !of.closest('.hidden');
    return [...document.body.querySelectorAll('*')].filter(is).slice(0, 5).map(of => of.outerHTML.slice(0, 120))"""
# A time may stand as far to the right as this; where it stands today is chance.
FURTHEST = """
    document.querySelectorAll('.frame.right text.tick[text-anchor=middle]').forEach(of => of.setAttribute('x', '96%'))"""
# Pairs of texts of one picture whose boxes share more than a pixel in both directions.
OVERLAPS = """
    const found = [];
    for (const plot of document.querySelectorAll('svg.plot, svg.dots')) {
        const texts = [...plot.querySelectorAll('text')].filter(of => of.checkVisibility());
        const boxes = texts.map(of => of.getBoundingClientRect());
        for (let a = 0; a < texts.length; a++) for (let b = 0; b < a; b++) {
            const [one, other] = [boxes[a], boxes[b]];
            const wide = Math.min(one.right, other.right) - Math.max(one.left, other.left);
            const high = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
            if (wide > 1 && high > 3) found.push(`${texts[a].textContent} | ${texts[b].textContent}`);
        }
    }
    return found"""
# Texts of pictures that leave the window.
CUT = """
    const width = document.documentElement.clientWidth;
    const isCut = of => { const box = of.getBoundingClientRect(); return box.width && (box.left < 0 || box.right > width); };
    return [...document.querySelectorAll('svg.plot text')].filter(of => of.checkVisibility() && isCut(of))
        .map(of => of.textContent)"""


def looks(browser, widths):
    """Shows the page in each font at each width. Both fonts must be there."""
    wide = set()
    for font in FONTS:
        browser.look(1440)
        browser.js("document.body.style.fontFamily = JSON.stringify(arguments[0])", font)
        wide.add(browser.js("""
            const range = document.createRange();
            range.selectNodeContents(document.querySelector('h2'));
            return range.getClientRects()[0].width"""))
        for width in widths:
            browser.look(width)
            yield font, width
    assert len(wide) == len(FONTS), f"not all of {FONTS} are installed"


def pages(states):
    """Every state, scores on both sides of 0, several versions, and the other pages."""
    for state, pipeline in states.quiet.items():
        yield state, pipeline.url
    for score in ["bias", "r2"]:
        yield score, states.quiet["look"].url + "?score=" + score
    yield "versions", states.live.url
    ok = states.quiet["ok"].url
    for place in ["rows", "rows?show=furthest", "rows?id=nobody", "try", "try?x2=wood", "model"]:
        yield place, ok + place
    with urllib.request.urlopen(ok + "rows?show=furthest") as page:
        yield "a row", ok + re.search(r"rows\?id=[^\"#]+", page.read().decode())[0]


def the_page_is_never_wider_than_the_window(browser, states):
    wrong = []
    for name, url in pages(states):
        browser.get(url)
        browser.js("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
        for font, width in looks(browser, WIDTHS):
            browser.js(FURTHEST)
            wide, room = browser.js(SIZE)
            if wide > room or browser.js(CUT):
                wrong.append((name, font, width, wide, browser.js(BEYOND), browser.js(CUT)))
    assert not wrong, "\n".join(map(str, wrong))
    # That it would be seen.
    browser.js("document.querySelector('h2').style.width = '3000px'")
    wide, room = browser.js(SIZE)
    assert wide > room and browser.js(BEYOND), "what is too wide is not seen"
    return f"{len(list(pages(states)))} pages at {len(WIDTHS)} widths in {len(FONTS)} fonts"


def the_texts_of_a_chart_do_not_overlap(browser, states):
    wrong, count = [], 0
    for name, url in pages(states):
        browser.get(url)
        for font, width in looks(browser, [320, 360, 768, 1440]):
            wrong += [(name, font, width, pair) for pair in browser.js(OVERLAPS)]
            count += browser.js("return document.querySelectorAll('svg.plot text, svg.dots text').length")
    assert not wrong, "\n".join(map(str, wrong))
    # That it would be seen; at once, before the page mends itself.
    browser.get(states.quiet["ok"].url)
    moved = "const [one, other] = document.querySelectorAll('#good text.tick'); other.setAttribute('y', one.getAttribute('y'));"
    assert browser.js(moved + OVERLAPS), "an overlap is not seen"
    return f"{count} texts"


def the_judge_of_accessibility_finds_nothing(browser, states):
    source, wrong, count, passed = AXE.read_text(), {}, 0, 0
    for name, url in pages(states):
        for dark in [False, True]:
            for width in [320, 1440]:
                browser.look(width, dark=dark)
                browser.get(url)
                browser.js(source)
                said = browser.execute_async_script(
                    "const done = arguments[arguments.length - 1];"
                    "axe.run({resultTypes: ['violations']}).then(done, why => done({failed: String(why)}))")
                assert "failed" not in said, said
                count, passed = count + 1, passed + len(said["passes"])
                for rule in said["violations"]:
                    if rule["impact"] in ("serious", "critical"):
                        # The first page of each is enough to find it.
                        for node in rule["nodes"]:
                            where = f"{name} at {width} px, {'dark' if dark else 'light'}: {node['failureSummary']}"
                            wrong.setdefault((rule["id"], node["html"][:150]), where)
                    else:
                        print(f"axe, {name} at {width} px: {rule['impact']}: {rule['help']}")
    assert not wrong, "\n".join(map(str, wrong.items()))
    assert passed > 10 * count, "axe has looked at nothing"
    return f"{count} pages"
