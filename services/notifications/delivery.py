"""One batch of mails: marked as started, carried over one connection, recorded as it ended."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

import stamina
from prometheus_client import Counter

from chassis.crash_points import crash_point
from chassis.errors import LostClaim
from chassis.postgres import Connection, is_transient
from chassis.service import Runtime
from chassis.telemetry import log
from chassis.tracing import log_fields
from services.notifications import ledger
from services.notifications.courier import Courier, MailServerAway
from services.notifications.ledger import StartedMail
from services.notifications.packing import packed
from services.notifications.render import Letterhead
from services.notifications.settings import NotificationsSettings
from services.notifications.verdicts import UNKNOWN, UNTRIED, Verdict, closing

ATTEMPTS = Counter(
    "tenure_mail_attempts_total",
    "Attempts to send a mail. Many 'later': the mail server is busy; 'unknown': it breaks off.",
    ["kind", "verdict"],
)


class Delivery:
    """Sends batches for all connections of one worker, and holds their claims."""

    def __init__(self, runtime: Runtime, settings: NotificationsSettings) -> None:
        """`runtime` gives pool, processor and clock."""
        self._runtime = runtime
        self._settings = settings
        self._server = settings.mail_server
        self._letterhead = Letterhead()
        self._claims: set[UUID] = set()
        #: Set when the service stops: what was not handed in yet goes back to the queue.
        self.stopping = False

    async def any_due(self) -> bool:
        """Whether there is something to send."""
        async with self._runtime.pool.acquire() as connection:
            return await ledger.any_due(connection, await self._runtime.clock.now(connection))

    async def batch(self, courier: Courier) -> bool:
        """Send one batch; False when nothing was due. Raises MailServerAway, transient errors."""
        if not courier.connected:
            if not await self.any_due():
                return False
            await courier.connect()
        claim = uuid4()
        self._claims.add(claim)
        try:
            mails, now = await self.start(claim)
            if not mails:
                return False
            # From here to the end of `record` a crash leaves these mails UNKNOWN.
            crash_point("mail.after_intent")
            verdicts, away = await self._send(courier, mails, now)
            crash_point("mail.after_accept")
            await self.record(claim, mails, verdicts)
        finally:
            self._claims.discard(claim)
        if away is not None:
            raise away
        return True

    async def start(self, claim: UUID) -> tuple[list[StartedMail], datetime]:
        """Mark a batch as started under `claim` and commit that; with the business time."""
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
    ) -> tuple[list[Verdict], MailServerAway | None]:
        """One verdict per mail; what comes after a break or a stop is untried."""
        verdicts: list[Verdict] = []
        away: MailServerAway | None = None
        for mail in mails:
            verdict = UNTRIED
            if away is None and courier.connected and not self.stopping:
                verdict, away = await self._traced(courier, mail, now)
            verdicts.append(verdict)
        return verdicts, away

    async def _traced(
        self, courier: Courier, mail: StartedMail, now: datetime
    ) -> tuple[Verdict, MailServerAway | None]:
        """An attempt as part of the trace of the message that asked for the mail."""
        attempt = mail.attempt
        call = self._runtime.traces.call(
            f"send mail {attempt.kind}",
            mail.traceparent,
            {
                "server.address": self._server.host,
                "server.port": self._server.port,
                "tenure.subscription_id": str(mail.subscription_id),
                "tenure.notice_id": str(attempt.notice_id),
                "tenure.attempt": attempt.number,
            },
        )
        verdict, away = UNTRIED, None
        try:
            verdict = await self._attempt(courier, mail, now)
        except MailServerAway as error:
            away = error
        finally:
            reply = {"tenure.smtp_code": verdict.smtp_code} if verdict.smtp_code else {}
            failed = verdict.what not in ("accepted", "suppressed")
            call.end(verdict.what, reply, failed=failed)
        return _within(verdict, call.traceparent), away

    async def _attempt(self, courier: Courier, mail: StartedMail, now: datetime) -> Verdict:
        try:
            payload = packed(mail, self._letterhead, self._settings.mail_from, now)
        except Exception:
            # Whatever is wrong with one letter must not stop the others, now or after a restart.
            log.exception(
                "a mail cannot be rendered",
                notice_id=str(mail.attempt.notice_id),
                **log_fields(mail.traceparent),
            )
            return Verdict("suppressed", code="NOT_RENDERED")
        if isinstance(payload, Verdict):
            return payload
        return await courier.deliver(payload.to_address, payload.content)

    async def record(
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
                log.warning("another worker took over some of our mails", mails=len(mails))
                raise LostClaim

        reports = [
            (mail.subscription_id, one.report)
            for mail, one in zip(mails, closings, strict=True)
            if one.report is not None
        ]
        async for attempt in stamina.retry_context(on=is_transient, attempts=None, timeout=None):
            with attempt:
                await self._runtime.processor.run(reports, close)

    async def look_after_claims(self) -> None:
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
            ends = [_within(UNKNOWN, mail.traceparent) for mail in lost]
            await self.record(claim, lost, ends)


def _within(verdict: Verdict, traceparent: str | None) -> Verdict:
    return replace(verdict, traceparent=traceparent) if traceparent else verdict
