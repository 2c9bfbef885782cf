"""The worker that sends: one loop per connection, one that finds due mails, one for claims."""

import asyncio
from collections.abc import Awaitable, Callable

from mode import Service

from chassis.postgres import transient_errors
from chassis.service import Runtime
from chassis.telemetry import TRANSIENT_ERRORS, log
from services.notifications.courier import Courier, MailServerAway
from services.notifications.delivery import Delivery
from services.notifications.settings import NotificationsSettings

_LOOK_S = 0.05
_CONNECTION_KEPT_S = 10.0
_PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
#: How long a mail in hand may take when the service stops; after that its end is unknown.
_FAREWELL_S = 10.0


class Mailer(Service):
    """Sends queued mails over a few connections; any number of such workers may run."""

    def __init__(self, runtime: Runtime, settings: NotificationsSettings) -> None:
        """Nothing runs yet."""
        super().__init__()
        self._settings = settings
        self._delivery = Delivery(runtime, settings)
        self._loops: list[asyncio.Task[None]] = []
        self._due = asyncio.Event()
        #: Why no mail can be sent at the moment; shown by /readyz.
        self.trouble: str | None = None

    async def on_start(self) -> None:
        """Start the loops."""
        lease_s = self._settings.mail_lease.total_seconds()
        loops = [
            *(self._carry(self._courier()) for _ in range(self._settings.smtp_connections)),
            self._repeat(self._look_for_work, _LOOK_S),
            self._repeat(self._delivery.look_after_claims, lease_s / 4),
        ]
        for loop in loops:
            task = asyncio.create_task(loop)
            task.add_done_callback(self._loop_ended)
            self._loops.append(task)

    async def on_stop(self) -> None:
        """Let every connection finish the mail in hand and record its batch."""
        self._delivery.stopping = True
        self._due.set()
        _, late = await asyncio.wait(self._loops, timeout=_FAREWELL_S)
        for task in late:
            task.cancel()

    def _courier(self) -> Courier:
        settings = self._settings
        return Courier(
            settings.mail_server,
            settings.mail_from,
            settings.smtp_timeout_s,
            settings.smtp_reply_timeout_s,
        )

    def _loop_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._crashing = asyncio.create_task(self.crash(error))

    async def _repeat(self, work: Callable[[], Awaitable[None]], pause_s: float) -> None:
        while not self.should_stop:
            try:
                await work()
            except transient_errors() as error:
                _again(error)
            await self.sleep(pause_s)

    async def _carry(self, courier: Courier) -> None:
        failures = 0
        while not self.should_stop:
            try:
                busy = await self._delivery.batch(courier)
            except MailServerAway as away:
                self.trouble = f"mail server: {away}"
                log.warning("the mail server is away", reason=str(away)[:200])
            except transient_errors() as error:
                _again(error)
            else:
                failures = 0
                if busy:
                    self.trouble = None
                else:
                    await self._rest(courier)
                continue
            await self.sleep(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)])
            failures += 1
        await courier.close()

    async def _rest(self, courier: Courier) -> None:
        """Wait for work; a connection that is not used for a while is closed."""
        self._due.clear()
        if self._delivery.stopping:
            return
        try:
            async with asyncio.timeout(_CONNECTION_KEPT_S):
                await self._due.wait()
        except TimeoutError:
            await courier.close()

    async def _look_for_work(self) -> None:
        if not self._due.is_set() and await self._delivery.any_due():
            self._due.set()


def _again(error: BaseException) -> None:
    TRANSIENT_ERRORS.labels("mailer").inc()
    log.warning("mailing is tried again", error=repr(error)[:200])
