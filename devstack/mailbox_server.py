"""The mailbox process: SMTP and HTTP in one event loop, without threads of their own."""

import asyncio
import contextlib
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import Body, FastAPI, HTTPException, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from devstack import mailbox_views as views
from devstack.errors import DevstackConfigurationError
from devstack.mailbox_faults import FaultRule, Faults
from devstack.mailbox_search import MailSearch
from devstack.mailbox_smtp import SmtpSession
from devstack.mailbox_store import Entry, MailStore, mails_file
from devstack.ports import HOST

_SHOWN_ON_PAGE = 200
# A mail may hold anything: no script runs, nothing is loaded from elsewhere.
_POLICY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data:; frame-src 'self'"
}


def _found(store: MailStore, mail_id: str) -> Entry:
    entry = store.get(mail_id)
    if entry is None:
        raise HTTPException(404, f"no mail has the id {mail_id}")
    return entry


def _listing(store: MailStore, found: list[Entry], start: int, limit: int) -> dict[str, Any]:
    shown = [views.summary(entry, store.raw(entry)) for entry in found[start : start + limit]]
    return {
        "total": len(store),
        "unread": len(store),
        "count": len(shown),
        "messages_count": len(found),
        "start": start,
        "tags": [],
        "messages": shown,
    }


def create_app(store: MailStore, faults: Faults) -> FastAPI:
    """The HTTP side: Mailpit's paths and field names, and /faults."""
    app = FastAPI(title="Tenure mailbox", docs_url=None, redoc_url=None)
    _add_mail_routes(app, store)
    _add_message_routes(app, store)
    _add_fault_routes(app, faults)
    _add_pages(app, store)

    @app.get("/readyz")
    @app.get("/livez")
    async def ready() -> PlainTextResponse:
        return PlainTextResponse("ok")

    return app


def _add_mail_routes(app: FastAPI, store: MailStore) -> None:
    finder = MailSearch(store)

    # Parsing many mails takes a while: outside the loop, or senders would wait for readers.
    @app.get("/api/v1/messages")
    async def messages(limit: int = 50, start: int = 0) -> dict[str, Any]:
        found = [*store.newest_first()]
        return await asyncio.to_thread(_listing, store, found, start, limit)

    @app.delete("/api/v1/messages")
    async def delete(
        body: Annotated[dict[str, list[str]] | None, Body()] = None,
    ) -> PlainTextResponse:
        if body and body.get("IDs"):
            store.delete(body["IDs"])
        else:
            store.clear()
        return PlainTextResponse("ok")

    @app.get("/api/v1/search")
    async def search(query: str, limit: int = 50, start: int = 0) -> dict[str, Any]:
        found = await asyncio.to_thread(finder.find, query)
        return await asyncio.to_thread(_listing, store, found, start, limit)


def _add_message_routes(app: FastAPI, store: MailStore) -> None:
    @app.get("/api/v1/message/{mail_id}")
    async def message(mail_id: str) -> dict[str, Any]:
        entry = _found(store, mail_id)
        return views.full(entry, store.raw(entry))

    @app.get("/api/v1/message/{mail_id}/headers")
    async def headers(mail_id: str) -> dict[str, list[str]]:
        return views.headers(store.raw(_found(store, mail_id)))

    @app.get("/api/v1/message/{mail_id}/raw")
    async def raw(mail_id: str) -> Response:
        # No str content type: a mail is bytes, in whatever charset it says.
        return Response(
            store.raw(_found(store, mail_id)),
            media_type="text/plain",
            headers={"X-Content-Type-Options": "nosniff"},
        )


def _add_fault_routes(app: FastAPI, faults: Faults) -> None:
    @app.get("/faults")
    async def get_faults() -> list[FaultRule]:
        return faults.rules

    @app.put("/faults")
    async def put_faults(rules: list[FaultRule]) -> list[FaultRule]:
        faults.rules = rules
        return rules

    @app.delete("/faults")
    async def delete_faults() -> list[FaultRule]:
        faults.rules = []
        return faults.rules


def _add_pages(app: FastAPI, store: MailStore) -> None:
    @app.get("/")
    async def index() -> HTMLResponse:
        listing = _listing(store, [*store.newest_first()], 0, _SHOWN_ON_PAGE)
        return HTMLResponse(views.list_page(listing["messages"], len(store)), headers=_POLICY)

    @app.get("/view/{mail_id}")
    async def view(mail_id: str) -> HTMLResponse:
        entry = _found(store, mail_id)
        return HTMLResponse(views.mail_page(views.full(entry, store.raw(entry))), headers=_POLICY)


async def serve(state_dir: Path, smtp_port: int, http_port: int) -> None:
    """Receive and show mail until SIGTERM or SIGINT.

    Raises DevstackError when the SMTP port or the file of the mails is taken.
    """
    store, faults = MailStore(mails_file(state_dir)), Faults()
    loop = asyncio.get_running_loop()
    try:
        smtp = await loop.create_server(lambda: SmtpSession(store, faults), HOST, smtp_port)
    except OSError as error:
        raise DevstackConfigurationError(
            f"The mailbox cannot listen on port {smtp_port}: {error.strerror}."
        ) from error
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(store, faults),
            host=HOST,
            port=http_port,
            log_level="warning",
            lifespan="off",
            timeout_graceful_shutdown=2,
        )
    )
    with contextlib.suppress(asyncio.CancelledError):
        await server.serve()  # uvicorn listens to the signals
    smtp.close()
    store.close()
