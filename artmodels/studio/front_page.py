"""What a link to the studio looks like where it is shared: title, description and preview are the studio's own."""

import html
import re
from dataclasses import dataclass
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

GRADIO_TAGS = re.compile(r'<meta\s+(?:property="og:|name="twitter:)[^>]*>')
HEAD = re.compile(r"<base[^>]*>")
PREVIEW_WIDTH, PREVIEW_HEIGHT = 1200, 630  # px, what the networks that show previews ask for


@dataclass
class Preview:
    """What is told of the page, and the path of a served picture of it."""

    title: str
    description: str
    picture: str

    def tags(self, root: str, address: str) -> str:
        """The `<meta>` elements, for the studio at `root` and a visitor at `address`."""
        image = f"{root}/gradio_api/file={quote(self.picture)}"
        told = {
            "og:type": "website",
            "og:title": self.title,
            "og:description": self.description,
            "og:url": address,
            "og:image": image,
            "og:image:width": PREVIEW_WIDTH,
            "og:image:height": PREVIEW_HEIGHT,
            "twitter:card": "summary_large_image",
            "twitter:title": self.title,
            "twitter:description": self.description,
            "twitter:image": image,
        }
        lines = [f'<meta name="description" content="{html.escape(self.description)}">']
        for name, value in told.items():
            kind = "name" if name.startswith("twitter") else "property"
            lines.append(f'<meta {kind}="{name}" content="{html.escape(str(value))}">')
        return "\n".join(lines)


class FrontPage:
    """ASGI middleware: in the page that Gradio sends, its own tags for previews give way to those of a `Preview`."""

    def __init__(self, app: ASGIApp, preview: Preview):
        self.app, self.preview = app, preview

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if scope["type"] != "http" or scope["method"] != "GET" or path not in ("", "/"):
            await self.app(scope, receive, send)
            return
        messages: list[Message] = []

        async def collect(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, collect)
        if not messages:
            return
        head, body = messages[0], b"".join(message.get("body", b"") for message in messages[1:])
        headers = MutableHeaders(raw=head["headers"])
        if headers.get("content-type", "").startswith("text/html") and "content-encoding" not in headers:
            root = address_of_studio(scope)
            query = scope["query_string"].decode("latin-1")
            tags = self.preview.tags(root, f"{root}/?{query}" if query else f"{root}/")
            start, script, rest = body.partition(b"<script>")  # what follows is large, and none of it a tag
            text = GRADIO_TAGS.sub("", start.decode("utf-8"))
            body = HEAD.sub(lambda found: found[0] + "\n" + tags, text, count=1).encode() + script + rest
            headers["content-length"] = str(len(body))
        await send(head)
        await send({"type": "http.response.body", "body": body})


def address_of_studio(scope: Scope) -> str:
    """Where a visitor finds the studio, also behind a proxy that tells it."""
    headers = Headers(scope=scope)
    scheme = headers.get("x-forwarded-proto", scope.get("scheme", "http")).split(",")[0].strip()
    host = headers.get("x-forwarded-host", headers.get("host", "")).split(",")[0].strip()
    return f"{scheme}://{host}{scope.get('root_path', '')}".rstrip("/")
