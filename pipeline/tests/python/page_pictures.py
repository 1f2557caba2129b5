"""Draws the states of the page, in light and dark, on a monitor and on a phone: the pictures of the documents."""

import base64

# Light goes without saying on a phone.
SIZES = {"": (1440, 900, "-light"), "-phone": (390, 844, "")}


def draw(browser, states, folder):
    folder.mkdir(parents=True, exist_ok=True)
    browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    for state, pipeline in states.quiet.items():
        for suffix, (width, height, light) in SIZES.items():
            for dark in [False, True]:
                browser.look(width, height, dark)
                browser.get(pipeline.url)
                shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
                path = folder / f"page-{state}{suffix}{'-dark' if dark else light}.png"
                path.write_bytes(base64.b64decode(shot["data"]))
                print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
