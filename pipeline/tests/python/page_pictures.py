"""Draws the states of the page, in light and dark, on a monitor, a tablet and a phone: the pictures of the documents."""

import base64

SIZES = {1440: 900, 768: 1024, 320: 640}


def draw(browser, states, folder):
    folder.mkdir(parents=True, exist_ok=True)
    browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    for state, pipeline in states.drawn().items():
        for width, height in SIZES.items():
            for theme in ["light", "dark"]:
                browser.look(width, height, theme == "dark")
                browser.get(pipeline.url)
                shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
                path = folder / f"page-{state}-{width}-{theme}.png"
                path.write_bytes(base64.b64decode(shot["data"]))
                print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
