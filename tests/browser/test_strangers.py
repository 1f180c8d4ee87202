"""What strangers try: a real server, plain HTTP, and files, floods and silences that nobody should suffer from."""

import asyncio
import io
import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import torch
from helpers import hub_environment, serving, slowness
from hub_server import Handler
from PIL import Image

from artmodels.generate.recipe import Latent, Recipe, pack_rows
from artmodels.studio.traffic import UPLOADS_EACH

SECONDS = 15.0  # that files live on this server: the slowest machine looks at a photo in less


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def server(steered_folder, visited_hub, folder, tmp_path_factory) -> Iterator[str]:
    log, home = tmp_path_factory.mktemp("server") / "log", tmp_path_factory.mktemp("home")
    ours = {"ARTMODELS_MODELS": str(steered_folder), "ARTMODELS_CACHE": str(home), "GRADIO_TEMP_DIR": str(folder)}
    # Gradio looks only every 15 seconds whether a page is still open, but in its own tests
    brief = {"ARTMODELS_FILES_MINUTES": str(SECONDS / 60), "GRADIO_IS_E2E_TEST": "1"}
    brief |= dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:9")  # where nobody answers
    with serving(["app.py"], log, hub_environment(visited_hub, home, **ours, **brief)) as address:
        yield address
    assert "Traceback" not in log.read_text()


@pytest.fixture
def web(server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{server}gradio_api/", timeout=60) as client:
        yield client


def photo(side: int = 64, colour: str = "teal") -> bytes:
    content = io.BytesIO()
    Image.effect_noise((side, side), 60).convert("RGB").save(content, "PNG")
    Image.new("RGB", (side, side), colour).save(content, "PNG")
    return content.getvalue()


def upload(web: httpx.Client, content: bytes, name: str = "photo.png") -> str:
    (path,) = web.post("upload", files={"files": (name, content)}).raise_for_status().json()
    return path


def status(web: httpx.Client, path: str) -> int:
    return web.get(f"file={quote(path)}").status_code


def file_data(path: str) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def call(web: httpx.Client, name: str, *data: Any) -> tuple[str, Any]:
    """What a call by plain HTTP ends with: `complete` or `error`, and what comes with it."""
    event = web.post(f"call/{name}", json={"data": data}).raise_for_status().json()["event_id"]
    *_, kind, told = [line for line in web.get(f"call/{name}/{event}").text.splitlines() if line]
    return kind.removeprefix("event: "), json.loads(told.removeprefix("data: "))


def press(web: httpx.Client, elem_id: str, kind: str, values: dict[str, Any], session: str = "visitor") -> str:
    """What the page does on an event of a component, with the first of its inputs named by `elem_id`; all the news."""
    config = httpx.get(str(web.base_url).replace("gradio_api/", "config"), timeout=60).json()
    ids = {part["id"]: part["props"].get("elem_id") for part in config["components"]}
    (target,) = (number for number, name in ids.items() if name == elem_id)
    chosen = next(one for one in config["dependencies"] if [target, kind] in one["targets"])
    initial = {part["id"]: part["props"].get("value") for part in config["components"]}
    data = [values.get(ids[number], initial[number]) for number in chosen["inputs"]]
    body = {"data": data, "fn_index": chosen["id"], "session_hash": session}
    web.post("queue/join", json=body).raise_for_status()
    return web.get("queue/data", params={"session_hash": session}).text


def wait_until(done, seconds: float = 3 * SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def addresses_in(told: str) -> list[str]:
    """Paths of served files that HTML shows."""
    return [part.split('\\"')[0].split('"')[0] for part in told.split("gradio_api/file=")[1:]]


def painted(web: httpx.Client) -> list[str]:
    return [item["image"]["path"] for item in call(web, "generate", "mosaic", 7, 2)[1][0]]


def test_nobody_passes_the_queue_by_or_passes_for_the_studio(web):
    for way in ("run", "api"):
        assert web.post(f"{way}/generate", json={"data": []}).status_code in (404, 405)
    body = {"data": ["mosaic", 7, 1], "session_hash": "the studio"}
    answer = web.post("call/generate", json=body)
    assert answer.status_code == 400 and "up to 64 letters" in answer.text
    assert web.get("heartbeat/files%20from%20127.0.0.1").status_code == 404


def test_a_photo_and_all_that_was_made_of_it_are_deleted(web):
    path = upload(web, photo(300))
    told = press(web, "look-at-file", "upload", {"look-at-file": file_data(path)})
    shown = addresses_in(told)
    assert len(shown) >= 2 and all(web.get(f"file={each}").status_code == 200 for each in shown), told
    assert status(web, path) == 403  # deleted as soon as it was seen
    wait_until(lambda: all(web.get(f"file={each}").status_code == 403 for each in shown))


def test_nothing_of_any_visitor_is_left_after_a_while(web, folder, server):
    """Whatever serves files, and however: painting, films, enlarging, the panel, uploads that nobody read."""
    wall = [item["path"] for item in wall_of(server)]
    painted(web)
    call(web, "film", [1, 2], {"mosaic": 1}, 1, 8, 64)
    upload(web, photo())
    recipe = Recipe("sketcher", "0" * 64, (Latent(1),), {"mosaic": 1.0}, 0.8)
    call(web, "recipe", recipe.to_json())

    def files() -> set[str]:
        # a folder may go while it is looked into, which `rglob` does not forgive
        walk = ((place, name) for place, _, names in os.walk(folder) for name in names)
        return {os.path.join(place, name) for place, name in walk if Path(name).suffix}

    # what the page begins with: the wall, sample photos, styles
    shown = paths_in(httpx.get(f"{server}config", timeout=60).json())
    for_all = {*shown, *(path for path in files() if path.endswith("preview.jpg"))}  # and a link to the studio shows
    assert len(files()) > len(for_all) > len(wall) > 0
    wait_until(lambda: {path for path in files() if "uploads" not in path} == for_all)
    assert all(status(web, path) == 200 for path in shown)


def paths_in(part: Any) -> set[str]:
    """All served files that a page's config names."""
    if isinstance(part, dict):
        own = {part["path"]} if isinstance(part.get("path"), str) and "/served/" in part["path"] else set()
        return own.union(*map(paths_in, part.values()))
    return set().union(*map(paths_in, part)) if isinstance(part, list) else set()


def wall_of(server: str) -> list[dict[str, Any]]:
    config = httpx.get(f"{server}config", timeout=60).json()
    (wall,) = (part for part in config["components"] if part["props"].get("elem_id") == "wall")
    return [item["image"] for item in wall["props"]["value"]]


def test_whoever_closes_the_page_is_known_to_have_left(web):
    """Two visitors have a picture explained at the same time; one of them goes."""
    shown = {}
    with web.stream("GET", "heartbeat/gone") as page:
        alive = page.iter_lines()  # kept: without it the connection would end at once
        next(alive)
        for session in ("gone", "here"):
            told = press(web, "look-at-file", "upload", {"look-at-file": file_data(upload(web, photo()))}, session)
            shown[session] = addresses_in(told)[0]
    wait_until(lambda: web.get(f"file={shown['gone']}").status_code == 403, SECONDS * 0.8)
    assert web.get(f"file={shown['here']}").status_code == 200


def test_nobody_can_have_anything_deleted_but_their_own_upload(web, folder, server):
    wall, ours = wall_of(server)[0]["path"], upload(web, photo())
    (theirs,) = painted(web)[:1]
    (root,) = folder.glob("artmodels-studio-*")
    for path in (wall, theirs, str(root), str(root / "uploads"), str(Path(ours).parent), "/etc/passwd", "app.py"):
        kind, told = call(web, "recipe", "", file_data(path))
        assert kind == "error" and "\n" not in told["error"] and str(folder) not in told["error"], told
    assert status(web, wall) == status(web, theirs) == 200
    call(web, "recipe", "", file_data(ours))
    assert status(web, ours) == 403
    assert status(web, "/etc/passwd") == status(web, str(root / "lock")) == 403


def test_two_who_open_the_same_file_do_not_disturb_each_other(web):
    content = web.get(f"file={quote(painted(web)[0])}").content
    first, second = upload(web, content), upload(web, content)
    assert first != second
    assert call(web, "recipe", "", file_data(first))[0] == "complete"
    assert status(web, first) == 403 and status(web, second) == 200
    assert call(web, "recipe", "", file_data(second))[0] == "complete"


def test_a_shared_link_shows_the_studios_own_title_and_picture(server):
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "user-space.hf.space"}
    page = httpx.get(f"{server}?style=mosaic&seed=7&x=%22%3E%3Cscript%3E", headers=told, timeout=60).text
    tags = dict(re.findall(r'<meta (?:property|name)="((?:og|twitter):[^"]*)" content="([^"]*)">', page))
    assert tags["og:title"] == tags["twitter:title"] == "ArtModels" and "by a neural network" in tags["og:description"]
    assert tags["og:url"] == "https://user-space.hf.space/?style=mosaic&amp;seed=7&amp;x=%22%3E%3Cscript%3E"
    assert page.count('"og:title"') == 1 and "header-image.jpg" not in page and '"{url}"' not in page
    image = httpx.get(server + tags["og:image"].removeprefix("https://user-space.hf.space/"), timeout=60)
    with Image.open(io.BytesIO(image.content)) as preview:
        assert preview.size == (1200, 630)
    icon = httpx.get(f"{server}favicon.ico", timeout=60)
    assert icon.status_code == 200 and b"<svg" in icon.content


def test_an_upload_or_a_request_that_is_too_large_is_refused_in_a_line(web):
    large = {"data": [["x" * 9_000_000]], "fn_index": 1, "session_hash": "large"}
    answers = [
        web.post("queue/join", json=large),
        web.post("upload", content=(bytes(1_000_000) for _ in range(70)), headers={"Content-Type": "x/y"}),
        web.post("queue/join", content=(b"[" * 1_000_000 for _ in range(9)), headers={"Content-Type": "x/json"}),
    ]
    for answer in answers:
        assert answer.status_code in (400, 413) and len(answer.text) < 300, answer.text
    assert answers[0].status_code == answers[2].status_code == 413


def test_one_address_cannot_keep_others_from_uploading(server):
    """Uploads that never end, from one address; those of another still come in."""
    host, port = server.removeprefix("http://").rstrip("/").split(":")
    slow = []
    for _ in range(UPLOADS_EACH + 2):
        slow.append(socket.create_connection((host, int(port))))
        lines = ["POST /gradio_api/upload HTTP/1.1", f"Host: {host}", "X-Forwarded-For: 9.9.9.7"]
        lines += ["Content-Type: multipart/form-data; boundary=x", "Content-Length: 1000"]
        slow[-1].sendall(("\r\n".join(lines) + "\r\n\r\n--x\r\n").encode())
    try:
        for last in slow[-2:]:
            last.settimeout(20)
            assert b"503" in last.recv(200).partition(b"\r\n")[0]
        with httpx.Client(base_url=f"{server}gradio_api/", headers={"X-Forwarded-For": "9.9.9.8"}, timeout=60) as other:
            assert upload(other, photo())
    finally:
        for each in slow:
            each.close()


@pytest.mark.parametrize(
    "body",
    [
        "[" * 200_000,
        '{"data": ' + "[" * 5000 + "]" * 5000 + "}",
        "null",
        "7",
        '{"data": 7}',
        '{"data": {}}',
        "{}",
        "\x00",
    ],
)
def test_a_body_of_any_other_shape_is_refused_in_a_line(web, body):
    answer = web.post("call/generate", content=body, headers={"Content-Type": "application/json"})
    if answer.status_code == 200:  # deep, but JSON: it is told when it is looked at
        told = web.get(f"call/generate/{answer.json()['event_id']}").text
        assert "event: error" in told and "Traceback" not in told
    else:
        assert answer.status_code in (400, 422), answer.text


def test_a_recipe_has_the_limits_of_a_link_on_every_road(web):
    """Many small latents, and few large ones: by the page's state, by a program, in a text."""
    plain = Recipe("sketcher", "0" * 64, (Latent(1),), {"mosaic": 1.0}, 0.8).to_data()
    rows = pack_rows(torch.zeros(2000))

    layers = {"kind": "layers", "first": 1, "style_weights": {"mosaic": 1.0}}

    def mixed(edits: int, latents: int) -> dict[str, Any]:
        of_each = [{"seed": seed, "weight": 0.1, "rows": rows} for seed in range(latents)]
        return {**plain, "edits": [{**layers, "latents": of_each}] * edits}

    for recipe, expected in (
        (mixed(16, 70), "longer than 250000 characters"),
        (mixed(2, 60), "longer than 250000 characters"),
        ({**plain, "edits": [{**layers, "latents": [{"seed": 1}] * 500}] * 3}, "at most 1000 latents"),
        ({**plain, "style_weights": {"m" * 300: 1.0}}, "should have at most 200 characters"),
    ):
        kind, told = call(web, "film", [recipe, 2])
        assert kind == "error" and expected in told["error"], told
        if recipe != mixed(16, 70):  # as a text it is longer than a sheet of a thousand
            assert expected in call(web, "recipe", json.dumps(recipe))[1]["error"]
        told = press(web, "distance", "input", {"distance": 0.4, "near": recipe}, session=f"visitor-{len(expected)}")
        assert "process_completed" in told


def test_models_that_come_slowly_keep_nobody_else_waiting(server, visited_hub):
    """Programs name models whose Hub does not answer; the page and other programs go on painting."""
    ended = threading.Event()

    def answer_late(handler: Handler, body: bytes) -> None:
        ended.wait(70)
        handler.refuse(404, "RepoNotFound")

    visited_hub.fail("user/slow", answer_late, times=1000)
    flood, other = {"X-Forwarded-For": "8.8.4.4"}, {"X-Forwarded-For": "9.9.9.10"}

    async def attack() -> tuple[list[str], float]:
        async with httpx.AsyncClient(base_url=f"{server}gradio_api/", timeout=60) as web:

            async def told(body: list[Any], headers: dict[str, str]) -> str:
                joined = await web.post("call/generate", json={"data": body}, headers=headers)
                return (await web.get(f"call/generate/{joined.json()['event_id']}", headers=headers)).text

            slow = [asyncio.create_task(told(["indigo", 1, 1, 1, f"user/slow{n}"], flood)) for n in range(30)]
            await asyncio.sleep(1)
            before = time.monotonic()
            assert "event: complete" in await told(["mosaic", 1, 4], other)
            seconds = time.monotonic() - before
            while sum(each.done() for each in slow) < 20 and time.monotonic() - before < 55:  # on a busy machine
                await asyncio.sleep(0.1)
            ended.set()
            return await asyncio.gather(*slow), seconds

    try:
        answers, seconds = asyncio.run(attack())
    finally:
        ended.set()
        visited_hub.faults.clear()
    assert seconds < 8 * slowness() and all("event: error" in answer for answer in answers)
    assert sum("other models are coming in" in answer for answer in answers) >= 20


def test_a_film_that_nobody_waits_for_ends_and_lets_others_have_theirs(web):
    long = ["film", [1, 2], {"mosaic": 1}, 30, 30, 512]
    for _ in range(2):
        web.post("call/film", json={"data": long[1:]}).raise_for_status()  # and nobody asks what became of it
    before = time.monotonic()
    kind, _ = call(web, "film", [1, 2], {"mosaic": 1}, 1, 8, 64)
    assert kind == "complete" and time.monotonic() - before < 30 * slowness()


def test_only_a_few_films_wait_for_one_address(web):
    elsewhere = {"X-Forwarded-For": "1.2.3.4"}
    body = {"data": [[1, 2], {"mosaic": 1}, 1, 8, 32]}
    answers = [web.post("call/film", json=body, headers=elsewhere).status_code for _ in range(8)]
    assert answers[0] == 200 and 503 in answers


def test_one_address_cannot_fill_the_queue_nor_keep_all_others_waiting(server):
    """A flood from one address is cut at a hundred, and a visitor from elsewhere is served meanwhile."""
    flood, other = {"X-Forwarded-For": "8.8.8.8"}, {"X-Forwarded-For": "9.9.9.9"}
    body = {"data": ["mosaic", 1, 36]}

    async def attack() -> tuple[list[int], float]:
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(base_url=f"{server}gradio_api/", timeout=120, limits=limits) as web:
            sent = [web.post("call/generate", json=body, headers=flood) for _ in range(160)]
            answers = [answer.status_code for answer in await asyncio.gather(*sent)]
            before = time.monotonic()
            joined = await web.post("call/generate", json={"data": ["mosaic", 1, 1]}, headers=other)
            told = await web.get(f"call/generate/{joined.json()['event_id']}", headers=other)
            assert "event: complete" in told.text
            return answers, time.monotonic() - before

    answers, seconds = asyncio.run(attack())
    assert set(answers) == {200, 503} and answers.count(200) <= 100 + 24 + 10 and answers.count(503) >= 20
    assert seconds < 10 * slowness(), seconds
