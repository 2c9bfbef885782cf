"""Health and metrics over HTTP, in the service's own loop."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext, suppress
from typing import Any

import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from mode import Service
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from chassis.errors import ConfigurationError
from chassis.telemetry import READY

Troubles = Callable[[], Awaitable[dict[str, str]]]


class _Server(uvicorn.Server):
    """A server that leaves signals to the service it runs in."""

    def install_signal_handlers(self) -> None:
        """Nothing: the worker handles signals."""

    def capture_signals(self) -> Any:
        """Nothing is captured."""
        return nullcontext()


class Http(Service):
    """/healthz says that the loop turns, /readyz that work is done, /metrics what was done."""

    def __init__(
        self,
        host: str,
        port: int,
        service: str,
        troubles: Troubles,
        alive: Callable[[], bool],
        **more: Any,
    ) -> None:
        super().__init__(**more)
        self.app = FastAPI(title=f"Tenure {service}", docs_url=None, redoc_url=None)
        self._host, self._port = host, port
        self._routes(service, troubles, alive)

    def _routes(self, service: str, troubles: Troubles, alive: Callable[[], bool]) -> None:
        @self.app.get("/healthz")
        async def healthz() -> JSONResponse:
            well = alive()
            return JSONResponse({"service": service, "alive": well}, 200 if well else 503)

        async def judged() -> dict[str, str]:
            found = await troubles()
            READY.set(0 if found else 1)
            return found

        @self.app.get("/readyz")
        async def readyz() -> JSONResponse:
            found = await judged()
            body = {"service": service, "ready": not found, "troubles": found}
            return JSONResponse(body, 503 if found else 200)

        @self.app.get("/metrics")
        async def metrics() -> Response:
            await judged()
            return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    async def on_start(self) -> None:
        """Serve; raises ConfigurationError when the port is taken."""
        config = uvicorn.Config(
            self.app, self._host, self._port, log_config=None, access_log=False, lifespan="off"
        )
        self._server = _Server(config)
        self._serving = asyncio.ensure_future(self._serve())
        while not self._server.started:
            if self._serving.done():
                raise ConfigurationError(
                    f"Port {self._port} on {self._host} cannot be served: is it in use?"
                )
            await asyncio.sleep(0.01)

    async def _serve(self) -> None:
        with suppress(SystemExit):
            await self._server.serve()

    async def on_stop(self) -> None:
        """Stop serving."""
        self._server.should_exit = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self._serving, 3)
