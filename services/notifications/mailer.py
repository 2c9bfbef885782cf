"""The worker that sends: start a batch, carry it over one connection, record what became of it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from uuid import UUID, uuid4

import stamina
from mode import Service
from prometheus_client import Counter

from chassis.crash_points import crash_point
from chassis.errors import LostClaim
from chassis.postgres import Connection, is_transient, transient_errors
from chassis.service import Runtime
from chassis.telemetry import TRANSIENT_ERRORS, log
from services.notifications import ledger
from services.notifications.courier import Courier, MailServerAway
from services.notifications.ledger import StartedMail
from services.notifications.packing import packed
from services.notifications.render import Letterhead
from services.notifications.settings import NotificationsSettings
from services.notifications.verdicts import UNKNOWN, UNTRIED, Verdict, closing

_LOOK_S = 0.05
_CONNECTION_KEPT_S = 10.0
_PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
#: How long a mail in hand may take when the service stops; after that its end is unknown.
_FAREWELL_S = 10.0
ATTEMPTS = Counter(
    "tenure_mail_attempts_total",
    "Attempts to send a mail. Many 'later': the mail server is busy; 'unknown': it breaks off.",
    ["kind", "verdict"],
)


class Mailer(Service):
    """Sends queued mails over a few connections; any number of such workers may run."""

    def __init__(self, runtime: Runtime, settings: NotificationsSettings) -> None:
        """Nothing runs yet; `runtime` gives pool, processor and clock."""
        super().__init__()
        self._runtime = runtime
        self._settings = settings
        self._letterhead = Letterhead()
        self._claims: set[UUID] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._due = asyncio.Event()
        #: Why no mail can be sent at the moment; shown by /readyz.
        self.trouble: str | None = None

    async def on_start(self) -> None:
        """Start one loop per connection, and the loops that find due mails and look after claims."""
        settings = self._settings
        couriers = [
            Courier(
                settings.mail_server,
                settings.mail_from,
                settings.smtp_timeout_s,
                settings.smtp_reply_timeout_s,
            )
            for _ in range(settings.smtp_connections)
        ]
        lease_s = settings.mail_lease.total_seconds()
        loops = [
            *(self._carry(courier) for courier in couriers),
            self._repeat(self._look_for_work, _LOOK_S),
            self._repeat(self._look_after_claims, lease_s / 4),
        ]
        for loop in loops:
            task = asyncio.create_task(loop)
            task.add_done_callback(self._loop_ended)
            self._loops.append(task)

    async def on_stop(self) -> None:
        """Let every connection finish the mail in hand and record its batch."""
        self._due.set()
        _, late = await asyncio.wait(self._loops, timeout=_FAREWELL_S)
        for task in late:
            task.cancel()

    def _loop_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._crashing = asyncio.create_task(self.crash(error))

    async def _repeat(self, work: Callable[[], Awaitable[None]], pause_s: float) -> None:
        while not self.should_stop:
            try:
                await work()
            except transient_errors() as error:
                self._again(error)
            await self.sleep(pause_s)

    async def _carry(self, courier: Courier) -> None:
        failures = 0
        while not self.should_stop:
            try:
                busy = await self._round(courier)
            except MailServerAway as away:
                self.trouble = f"mail server: {away}"
                log.warning("the mail server is away", reason=str(away)[:200])
            except transient_errors() as error:
                self._again(error)
            else:
                failures = 0
                if not busy:
                    await self._rest(courier)
                continue
            await self.sleep(_PAUSES_S[min(failures, len(_PAUSES_S) - 1)])
            failures += 1
        await courier.close()

    async def _rest(self, courier: Courier) -> None:
        """Wait for work; a connection that is not used for a while is closed."""
        self._due.clear()
        try:
            async with asyncio.timeout(_CONNECTION_KEPT_S):
                await self._due.wait()
        except TimeoutError:
            await courier.close()

    async def _look_for_work(self) -> None:
        if not self._due.is_set() and await self._any_due():
            self._due.set()

    def _again(self, error: BaseException) -> None:
        TRANSIENT_ERRORS.labels("mailer").inc()
        log.warning("mailing is tried again", error=repr(error)[:200])

    async def _round(self, courier: Courier) -> bool:
        """Send one batch, if anything is due. Raises MailServerAway."""
        if not courier.connected:
            if not await self._any_due():
                return False
            await courier.connect()
            self.trouble = None
        claim = uuid4()
        self._claims.add(claim)
        try:
            mails, now = await self._start(claim)
            if not mails:
                return False
            crash_point("mail.after_intent")
            away, verdicts = await self._send(courier, mails, now)
            crash_point("mail.after_accept")
            await self._record(claim, mails, verdicts)
        finally:
            self._claims.discard(claim)
        if away is not None:
            raise away
        return True

    async def _any_due(self) -> bool:
        async with self._runtime.pool.acquire() as connection:
            return await ledger.any_due(connection, await self._runtime.clock.now(connection))

    async def _start(self, claim: UUID) -> tuple[list[StartedMail], datetime]:
        async with self._runtime.pool.acquire() as connection:
            now = await self._runtime.clock.now(connection)
            mails = await ledger.start(
                connection,
                claim,
                now,
                limit=self._settings.mail_batch,
                lease=self._settings.mail_lease,
                message_id_domain=self._settings.mail_domain,
            )
        return mails, now

    async def _send(
        self, courier: Courier, mails: Sequence[StartedMail], now: datetime
    ) -> tuple[MailServerAway | None, list[Verdict]]:
        """One verdict per mail; what comes after a break or a stop is untried."""
        verdicts: list[Verdict] = []
        away: MailServerAway | None = None
        for mail in mails:
            verdict = UNTRIED
            if away is None and courier.connected and not self.should_stop:
                try:
                    verdict = await self._attempt(courier, mail, now)
                except MailServerAway as error:
                    away = error
            verdicts.append(verdict)
        return away, verdicts

    async def _attempt(self, courier: Courier, mail: StartedMail, now: datetime) -> Verdict:
        try:
            payload = packed(mail, self._letterhead, self._settings.mail_from, now)
        except Exception:
            # Whatever is wrong with one letter must not stop the others, now or after a restart.
            log.exception("a mail cannot be rendered", notice_id=str(mail.attempt.notice_id))
            return Verdict("suppressed", code="NOT_RENDERED")
        if isinstance(payload, Verdict):
            return payload
        if mail.contact is None:
            raise ValueError("a mail without a contact has no payload")
        return await courier.deliver(mail.contact.email, payload)

    async def _record(
        self, claim: UUID, mails: Sequence[StartedMail], verdicts: Sequence[Verdict]
    ) -> None:
        """Close the rows and tell the domain in one transaction, however often it takes."""
        closings = [
            closing(mail.attempt, verdict) for mail, verdict in zip(mails, verdicts, strict=True)
        ]
        for mail, verdict in zip(mails, verdicts, strict=True):
            ATTEMPTS.labels(mail.attempt.kind, verdict.what).inc()

        async def close(connection: Connection) -> None:
            now = await self._runtime.clock.now(connection)
            if not await ledger.close(connection, claim, mails, closings, now):
                raise LostClaim(f"another worker took over some of {len(mails)} mails")

        reports = [
            (mail.subscription_id, one.report)
            for mail, one in zip(mails, closings, strict=True)
            if one.report is not None
        ]
        async for attempt in stamina.retry_context(on=is_transient, attempts=None, timeout=None):
            with attempt:
                await self._runtime.processor.run(reports, close)

    async def _look_after_claims(self) -> None:
        """Keep our claims while a mail server is slow, and take over those of workers that died."""
        lease, claim = self._settings.mail_lease, uuid4()
        async with self._runtime.pool.acquire() as connection:
            if self._claims:
                await ledger.extend(connection, self._claims, lease)
            lost = await ledger.take_over(
                connection, claim, limit=self._settings.mail_batch, lease=lease
            )
        if lost:
            log.warning("mails of a worker that died are taken over", mails=len(lost))
            await self._record(claim, lost, [UNKNOWN] * len(lost))
