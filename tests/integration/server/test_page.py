"""The page in a real browser: what a person does with the mouse, and what the console must not say."""

import pytest
import yaml
from waiting import wait_until

BIG = "canvas.big"
ORANGE = """(() => {
  const big = document.querySelector("canvas.big");
  const copy = new OffscreenCanvas(big.width, big.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(big, 0, 0);
  const { data } = copy.getImageData(0, 0, big.width, big.height);
  return data.some((red, n) => n % 4 == 0 && red > 245 && Math.abs(data[n + 1] - 140) < 8 && data[n + 2] < 8);
})()"""
MOVES = "document.querySelector('canvas')?.dataset.frame > 0"


@pytest.fixture
def open_page(chromium):
    """Open the page of a server; at the end its console must not have complained but of what is expected."""
    pages = []

    def start(address, *expected):
        page = chromium.open()
        page.show_as(1280, 900)
        pages.append((page, expected))
        page.goto(address)
        return page

    yield start
    for page, expected in pages:
        page.evaluate("1")  # what was said meanwhile is heard
        assert [said for said in page.complaints if not any(each in said for each in expected)] == []


def frame_of(page, selector="canvas"):
    return int(page.evaluate(f"document.querySelector('{selector}')?.dataset.frame ?? 0"))


def test_pictures_move_with_their_boxes_and_an_area_is_drawn_dragged_and_fires(serve, open_page):
    served = serve("yard", zones="zones:\n  hold_s: 0.1\n")
    [name] = served.service.session.sources
    page = open_page(served.start)
    assert "token" not in page.evaluate("location.href")
    page.wait(MOVES)
    first = frame_of(page)
    wait_until(lambda: frame_of(page) > first)
    assert page.evaluate("document.cookie") == "", "no script can read it"
    page.click_on("a.tile")
    page.wait(f"document.querySelector('{BIG}')?.dataset.boxes == 1")
    assert not page.evaluate(ORANGE)
    page.key("p")  # what is due to the past
    page.wait(ORANGE)
    page.click_on("#draw-area")
    for x, y in ((0.5, 0.1), (0.9, 0.1), (0.9, 0.9)):
        page.click(*page.place_in(BIG, x, y))
    page.key("Enter")
    page.wait("document.querySelector('.shape[data-name=\"area 1\"]')")
    page.click_on("#draw-line")
    for x, y in ((0.3, 0.1), (0.3, 0.9)):
        page.click(*page.place_in(BIG, x, y))
    page.wait("document.querySelectorAll('.shape').length == 2")

    def saved():
        return yaml.safe_load(served.job.read_text()).get("zones", {})

    assert saved()["areas"]["area 1"]["streams"] == [name]
    assert saved()["areas"]["area 1"]["polygon"][0] == pytest.approx([0.5, 0.1], abs=0.01)
    page.click(*page.place_in(BIG, 0.9, 0.9), to=page.place_in(BIG, 0.6, 0.8))
    wait_until(lambda: saved()["areas"]["area 1"]["polygon"][2] == pytest.approx([0.6, 0.8], abs=0.01))
    page.wait("document.querySelector('.narrow .event[data-kind=line]')")
    page.wait("document.querySelector('.narrow .event[data-kind=line] img')?.naturalWidth == 320")
    page.wait("document.querySelectorAll('.narrow .event').length > 1")  # below, the class is hidden that gives them
    page.click_on(".shape[data-name='line 1'] button")
    wait_until(lambda: "lines" not in saved())

    labels = "[...document.querySelectorAll('[aria-label=Classes] label')]"
    page.evaluate(f"{labels}.find((label) => label.textContent == 'square').click()")
    page.wait(f"document.querySelector('{BIG}').dataset.boxes == 0")
    page.evaluate("location.hash = '#/events'")
    page.wait("document.querySelectorAll('.events .event').length > 1")
    page.evaluate("location.hash = '#/system'")
    page.wait("document.querySelectorAll('td').length >= 8")


def test_a_camera_that_dies_is_told_and_comes_back(serve, open_page):
    served = serve("yard", "gate")
    page = open_page(served.start)
    tile = "document.querySelector('.tile')?.dataset.state"
    page.wait(f"{tile} == 'live'")
    served.camera.on = False
    page.wait(f"{tile} == 'reconnecting'")
    assert page.evaluate("document.querySelector('.reason').checkVisibility()")
    assert "s3cret" not in page.evaluate("document.body.innerText")
    served.camera.on = True
    page.wait(f"{tile} == 'live'")
    before = frame_of(page)
    wait_until(lambda: frame_of(page) > before)
    assert len(page.evaluate("[...document.querySelectorAll('.tile')].map((tile) => tile.href)")) == 2


def test_signing_in_and_a_narrow_dark_screen(serve, open_page):
    served = serve("yard")
    page = open_page(served.url, "403")
    page.show_as(380, 800, scheme="dark")
    page.wait("location.pathname == '/login' && document.getElementById('token')")
    for text in ("wrong", "0123456789abcdef-test"):
        page.evaluate("document.getElementById('token').focus(); document.getElementById('token').value = ''")
        page.type(text)
        page.click_on("button.main")
        if text == "wrong":
            page.wait("document.getElementById('wrong').textContent == 'This is not the token.'")
    page.wait(MOVES)
    page.click_on("a.tile")
    page.wait(f"document.querySelector('{BIG}')?.dataset.frame > 0")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing reaches over the edge"
    page.key("Escape")
    page.wait("document.querySelector('.tile')")
    served.service.session.streams.pause(next(iter(served.service.session.sources)))
    page.wait("document.querySelector('.tile').dataset.state == 'paused'")


AREA = """zones:
  hold_s: 0.1
  lines:
    middle: {points: [[0.5, 0.0], [0.5, 1.0]]}
clips: {before_s: 1, after_s: 0.5}
"""


def test_events_are_filtered_and_their_clips_are_played(serve, open_page):
    served = serve("yard", zones=AREA)
    page = open_page(f"{served.start}#/events", "404")
    page.goto(f"{served.url}/#/events")
    page.wait("document.querySelector('.event[data-clip=ready]')")
    page.click_on(".event[data-clip=ready] .play")
    page.wait("document.querySelector('dialog.player video')?.currentTime > 0.3")
    assert page.evaluate("document.querySelector('video').videoWidth") == 320
    page.click_on("dialog.player button")
    page.wait("!document.querySelector('dialog')")
    choose = (
        "((key, value) => {{ const s = document.querySelector(`select[data-filter=${{key}}]`); s.value = value;"
        " s.dispatchEvent(new Event('change')); }})({key!r}, {value!r})"
    )
    page.evaluate(choose.format(key="class", value="circle"))
    page.wait("document.querySelectorAll('.event').length == 0")
    assert page.evaluate("document.querySelector('.bars').getAttribute('aria-label')").endswith("0")
    page.evaluate(choose.format(key="class", value="square"))
    page.evaluate(choose.format(key="zone", value="middle"))
    page.wait("document.querySelectorAll('.event').length > 0")
    page.wait("[...document.querySelectorAll('.bars i')].some((bar) => bar.style.height == '100%')")
    hour = page.evaluate("[...document.querySelectorAll('.bars i')].findIndex((bar) => bar.style.height == '100%')")
    page.click_on(f".bars button:nth-child({1 + (hour + 12) % 24})")
    page.wait("document.querySelectorAll('.event').length == 0")


def test_four_points_give_speeds_and_a_line_counts_the_classes_that_are_chosen(serve, open_page):
    served = serve("yard", zones=AREA)
    page = open_page(served.start)
    page.wait(MOVES)
    page.click_on("a.tile")
    page.wait(f"document.querySelector('{BIG}')?.dataset.boxes == 1")
    page.click_on("#draw-ground")
    for x, y in ((0.1, 0.3), (0.9, 0.3), (0.95, 0.9), (0.05, 0.9)):
        page.click(*page.place_in(BIG, x, y))
    page.wait("document.querySelector('.shape[data-name=\"ground 1\"]')")
    page.evaluate(
        "(() => { const i = document.querySelector('.shape[data-kind=grounds] .number input'); i.value = 40;"
        "i.dispatchEvent(new Event('change')); })()"
    )

    def zones():
        return yaml.safe_load(served.job.read_text())["zones"]

    wait_until(lambda: zones().get("grounds", {}).get("ground 1", {}).get("metres", [[0]])[1] == [40, 10])
    [name] = served.service.session.sources
    wait_until(lambda: (speeds := served.service.live.latest(name).detections.speeds_mps) is not None and speeds > 0.5)
    page.evaluate("document.querySelector('.shape[data-name=middle] details').open = true")
    page.evaluate("document.querySelector('.shape[data-name=middle] details input[type=checkbox]').click()")
    wait_until(lambda: zones()["lines"]["middle"].get("classes") == ["square"])


def test_twenty_streams_on_one_page(serve, open_page):
    served = serve(*(f"cam{number}" for number in range(20)))
    page = open_page(served.start)
    page.wait("document.querySelectorAll('.tile').length == 20")
    page.wait("[...document.querySelectorAll('.tile canvas')].every((canvas) => canvas.dataset.frame > 0)")
    before = page.evaluate("[...document.querySelectorAll('.tile canvas')].map((canvas) => +canvas.dataset.frame)")
    page.wait(
        f"[...document.querySelectorAll('.tile canvas')].every((canvas, n) => canvas.dataset.frame > {before}[n])"
    )
