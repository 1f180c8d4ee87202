"""What these tests share: a Hub of their own, and the real client that speaks with it."""

import time
import types

import pytest
from hub_server import TOKEN, Hub
from huggingface_hub import constants


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub of the test's own that the real client speaks with, with an empty cache, as somebody who may write."""
    server = Hub()
    server.cache = cache = tmp_path / "hub-cache"
    for name, value in {
        "ENDPOINT": server.address,
        "HUGGINGFACE_CO_URL_TEMPLATE": server.address + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_OFFLINE": False,
        "HF_HUB_CACHE": str(cache),
        "HF_TOKEN_PATH": str(tmp_path / "no-token"),
    }.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hasty = types.SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})  # between the client's attempts
    for module in ("utils._http", "file_download"):
        monkeypatch.setattr(f"huggingface_hub.{module}.time", hasty)
    yield server
    server.close()
