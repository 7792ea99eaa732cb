"""The page of `peft-bench report --format html`, clicked on in headless Chromium from a file.

    page_test.py SAMPLE_PAGE LIBRARY FOLDER [PICTURES]

SAMPLE_PAGE writes pages of made-up rows into FOLDER, with the plot library of the folder LIBRARY where it is there.
PICTURES: a folder for screenshots. Exit 77 where Playwright or Chromium is absent.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as xml

try:
    from playwright.sync_api import Error, sync_playwright
except ImportError:
    print("skipped: the Python package playwright is not installed")
    sys.exit(77)

sample, library, folder = (pathlib.Path(word).resolve() for word in sys.argv[1:4])
pictures = pathlib.Path(sys.argv[4]).resolve() if len(sys.argv) > 4 else None
HOSTILE = "</script><b>lora</b>"
faults = []


def check(holds, what):
    if not holds:
        faults.append(what)


def launch(play):
    """Debian's Chromium, another one, or Playwright's own."""
    for name in ("chromium", "chromium-browser", "google-chrome", None):
        path = shutil.which(name) if name else None
        if name and not path:
            continue
        try:
            options = ["--no-sandbox"] if os.geteuid() == 0 else []
            return play.chromium.launch(executable_path=path, args=options)
        except Error:
            continue
    print("skipped: there is no Chromium")
    sys.exit(77)


class View:
    """A page that is looked at; what its console says is a fault."""

    def __init__(self, browser, name, width=1200, scheme="light", scripts=True):
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme,
                                           java_script_enabled=scripts, accept_downloads=True)
        self.page = self.context.new_page()
        self.where = f"{name}, {width} px, {scheme}"
        self.page.on("console", lambda message: check(False, f"{self.where}: the console says {message.text}"))
        self.page.on("pageerror", lambda error: check(False, f"{self.where}: {error}"))
        self.page.on("request", lambda request: check(request.url.startswith(("file:", "blob:")), f"{self.where}: asks for {request.url}"))
        self.page.goto((folder / name).as_uri())
        if scripts:
            self.page.wait_for_function("document.querySelector('th button') !== null")

    def __enter__(self):
        return self.page

    def __exit__(self, *_):
        if pictures:
            pictures.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=pictures / (re.sub(r"[^a-z0-9]+", "-", self.where) + ".png"), full_page=True)
        self.context.close()


def first_column(page, column):
    return page.eval_on_selector_all("#tables table >> nth=0 >> tbody tr",
                                     "(lines, c) => lines.filter((l) => !l.hidden).map((l) => l.cells[c].textContent)", column)


def test_tables(page):
    table = page.locator("#tables table").first
    names = table.locator("tbody th").all_inner_texts()
    check(any(HOSTILE in name for name in names), f"a name that is markup is not shown as text: {names}")
    score = table.get_by_role("button", name="score")
    for direction, sign in (("descending", -1), ("ascending", 1)):
        score.click()
        values = [float(text.split()[0]) for text in table.locator("tbody tr td:nth-child(2)").all_inner_texts()]
        check(values == sorted(values, key=lambda v: sign * v), f"sorted {direction}: {values}")
        check(table.locator("th[aria-sort]").get_attribute("aria-sort") == direction, f"aria-sort is not {direction}")
    score.click()
    check(table.locator("tbody th").all_inner_texts() == names, "the third click does not bring the first order back")
    table.get_by_role("button", name="memory").click()
    check(table.locator("th[aria-sort]").count() == 1, "two columns say that they are sorted")

    widths = "els => els.map((e) => Math.round(e.getBoundingClientRect().left))"
    before = page.eval_on_selector_all("#tables table:first-of-type th[scope=col]", widths)
    page.get_by_label("Filter").fill("tuning spam")
    visible = page.locator("#tables tbody tr:visible").count()
    status = page.locator("#tables [role=status]").first.inner_text()
    check(0 < visible and status.startswith(f"{visible} of "), f"{visible} rows are left, and the status is {status!r}")
    page.get_by_label("Filter").fill("tuning")
    check(page.eval_on_selector_all("#tables table:first-of-type th[scope=col]", widths) == before, "columns jump when rows are filtered")
    page.get_by_label("Filter").fill("")

    page.get_by_text("Columns", exact=True).click()
    page.get_by_label("memory", exact=True).uncheck()
    check(table.get_by_role("button", name="memory").count() == 0, "a column that is not wanted is there")
    page.get_by_label("memory", exact=True).check()
    check(table.get_by_role("button", name="memory").count() == 1, "a column does not come back")


def test_pairs(page):
    ia3, adapter, lora = (page.get_by_label(f"choose {name}").first for name in ("ia3", "adapter", HOSTILE))
    for box in (ia3, adapter, lora):
        box.check()
    check(not ia3.is_checked() and adapter.is_checked(), "of three rows not the last two are chosen")
    page.get_by_role("button", name="Compare these two").click()
    a, b = (page.get_by_label(f"Row {side}").evaluate("s => s.selectedOptions[0].textContent") for side in "AB")
    check((a, b) == ("adapter", HOSTILE), f"chosen are {a!r} and {b!r}")
    facts = page.locator("#pairs .facts").inner_text()
    check("after Holm" in facts and "A minus B" in facts, f"the test is not told: {facts!r}")
    example = page.locator("#pairs details.example").filter(has_text="films.tsv").nth(1)
    example.locator("summary").click()
    text = example.locator("pre").inner_text()
    check(len(text) > 10, f"the example's text is {text!r}")
    check(page.locator("#pairs .example i, #pairs .example script").count() == 0, "an answer or a text is markup")
    page.get_by_label("Row B").select_option("4")
    page.get_by_label("Row A").select_option("4")
    check(page.locator("#pairs details.example").count() == 0, "a row differs from itself")


def save(page, section):
    with page.expect_download() as download:
        page.locator(f"#{section}").get_by_role("button", name="Save as SVG").click()
    check(download.value.suggested_filename.endswith(".svg"), f"{section}: the file is {download.value.suggested_filename}")
    return xml.parse(download.value.path()).getroot()


def test_plots(page):
    for section in ("costs", "curves", "pairs", "searches", "usage"):
        live = page.locator(f"#{section} .live svg")
        check(live.count() == 1 and live.bounding_box()["height"] > 100, f"{section} has no plot")
        check(page.locator(f"#{section} .plots").is_hidden(), f"{section}: the static plots are shown too")
        root = save(page, section)
        texts = [e.text or "" for e in root.iter() if e.tag.endswith("text")]
        check(root.tag.endswith("svg") and len(texts) > 5, f"{section}: the saved plot has {len(texts)} texts")
        check(section == "pairs" or any(HOSTILE in text for text in texts), f"{section}: the saved plot has no legend")
    dots = "document.querySelectorAll('#costs .live svg [aria-label=dot] > *').length"
    check(page.evaluate(dots) == 12, f"{page.evaluate(dots)} points of 12 rows")
    ticks = page.locator("#costs .live [aria-label='x-axis tick label'] text").all_text_contents()
    check(ticks[0] == "0" and all(ticks), f"the ticks are {ticks}")
    before = page.locator("#costs .live svg").inner_html()
    page.locator("#costs").get_by_role("combobox", name="Against").select_option(label="memory")
    check(page.locator("#costs .live svg").inner_html() != before, "another cost draws the same plot")
    before = page.locator("#curves .live svg").inner_html()
    page.locator("#curves").get_by_role("combobox", name="Curve").select_option(label="training loss")
    check(page.locator("#curves .live svg").inner_html() != before, "the loss draws the same plot as the score")
    page.locator("#curves").get_by_role("combobox", name="Row").select_option(label="ia3")
    lines = page.locator("#curves .live [aria-label=line] path").count()
    check(lines == 5, f"{lines} curves of a row of 5 runs")
    page.locator("#costs .live svg").scroll_into_view_if_needed()
    dot = page.locator("#costs .live [aria-label=dot] > *").nth(3).bounding_box()
    page.mouse.move(dot["x"] + 4, dot["y"] + 4)
    tip = page.locator("#costs .live [aria-label=tip]").text_content()
    check("accuracy" in tip, f"what a point says is {tip!r}")
    page.locator("#pairs .live svg").scroll_into_view_if_needed()
    box = page.locator("#pairs .live [aria-label=cell] rect").nth(5).bounding_box()
    page.mouse.move(box["x"] + 6, box["y"] + 6)
    page.mouse.click(box["x"] + 8, box["y"] + 8)
    sides = [page.get_by_label(f"Row {side}").input_value() for side in "AB"]
    check(sides[0] != sides[1], f"a click on the matrix chooses {sides}")


def test_keyboard(page):
    def go(what, most=80):
        """Tab until the focus is on what this selector finds."""
        for _ in range(most):
            page.keyboard.press("Tab")
            if page.evaluate("(what) => document.activeElement.matches(what)", what):
                return True
        faults.append(f"the keyboard does not reach {what}")
        return False

    if go("[type=search]"):
        page.keyboard.type("lora")
        check(page.locator("#tables tbody tr:visible").count() < 12, "typing does not filter")
        for _ in range(4):
            page.keyboard.press("Backspace")
    if go("th:nth-child(2) button"):
        page.keyboard.press("Enter")
        check(page.locator("#tables table").first.locator("th[aria-sort=descending]").count() == 1, "Enter does not sort")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        check(outline != "none", "the focus is not seen")
    if go("[type=checkbox]"):
        page.keyboard.press("Space")
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        if go(".chosen button"):
            page.keyboard.press("Enter")
            check(page.evaluate("document.activeElement.textContent") == "Two rows", "the focus does not go to the two rows")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.parentElement.className") == "example":
            page.keyboard.press("Enter")
            check(page.locator("details.example[open]").count() == 1, "Enter does not open an example")
            return
    faults.append("the keyboard does not reach an example")


def test_width(page, width):
    check(page.evaluate("document.documentElement.scrollWidth") <= width, f"the page is wider than {width} px: {page.evaluate('document.documentElement.scrollWidth')}")


def contrast(page, where):
    """The least contrast of texts of the page to its ground (WCAG's formula)."""
    found = page.evaluate("""() => {
      const parts = (text) => (text.match(/[\\d.]+/g) ?? [0, 0, 0]).map(Number);
      const light = ([r, g, b]) => [r, g, b].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
      let least = [99, ""];
      for (const element of document.querySelectorAll("body *")) {
        if (element.closest("svg, script, style") || ![...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
        let ground = element;
        while (ground && parts(getComputedStyle(ground).backgroundColor)[3] === 0) ground = ground.parentElement;
        const of = light(parts(getComputedStyle(element).color)), on = light(parts(getComputedStyle(ground ?? document.body).backgroundColor));
        const value = (Math.max(of, on) + 0.05) / (Math.min(of, on) + 0.05);
        if (value < least[0]) least = [value, element.tagName + " " + element.textContent.slice(0, 30)];
      }
      return least;
    }""")
    check(found[0] >= 4.5, f"{where}: a contrast of {found[0]:.1f} to 1: {found[1]}")


def main():
    words = [str(sample), str(folder)] + ([str(library)] if library.is_dir() else [])
    subprocess.run(words, check=True)
    with sync_playwright() as play:
        browser = launch(play)
        with View(browser, "page.html") as page:
            test_tables(page)
            test_pairs(page)
        if library.is_dir():
            with View(browser, "page.html") as page:
                test_plots(page)
        with View(browser, "page.html") as page:
            test_keyboard(page)
        for name in ("page.html", "static.html"):
            for width in (400, 1200):
                for scheme in ("light", "dark"):
                    with View(browser, name, width, scheme) as page:
                        test_width(page, width)
                        contrast(page, f"{name}, {scheme}")
        for name in ("large.html", "long.html"):
            size = (folder / name).stat().st_size
            check(size < 1_000_000, f"{name} has {size} bytes")
            with View(browser, name) as page:
                page.get_by_label("Filter").fill("lora")
                check(page.locator("#tables tbody tr:visible").count() > 0, f"{name} is not filtered")
        with View(browser, "static.html", scripts=False) as page:
            check(page.locator(".plots svg").count() >= 9, "without scripts there are no plots")
            check(page.locator("#tables table").count() >= 3, "without scripts there are no tables")
        browser.close()
    for file in sorted((folder / "figures").glob("*.svg")):
        root = xml.parse(file).getroot()
        check(root.find("{*}title") is not None and root.find("{*}desc") is not None, f"{file.name} has no title")
    print("\n".join(dict.fromkeys(faults)) or "the page does what it says")
    if not library.is_dir():
        print(f"without the plot library, which is not in {library}")
    sys.exit(1 if faults else 0)


main()
