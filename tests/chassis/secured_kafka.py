"""A broker of its own with one listener more, where clients show a certificate and log in."""

from pathlib import Path

from devstack.kafka import Kafka
from devstack.ports import HOST, free_ports

CERTIFICATES = Path(__file__).parent / "certificates"
USER = "tenure"
_MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"


class SecuredKafka:
    """Starts it, any number of times, each time with the password that USER then has."""

    def __init__(self, folder: Path) -> None:
        """Nothing runs yet; `address` is where clients will find it."""
        self._folder = folder
        self._plain, self._controller, self._secured = free_ports(3)
        self.address = f"{HOST}:{self._secured}"
        self._running: Kafka | None = None

    async def start(self, password: str) -> None:
        """Start it, after stopping the one that runs."""
        await self.stop()
        names = f"PLAINTEXT://{HOST}:{self._plain},SASL_SSL://{self.address}"
        listener = "listener.name.sasl_ssl"
        login = f'{_MODULE} required user_{USER}="{password}";'
        self._running = Kafka(
            self._folder,
            self._plain,
            self._controller,
            more={
                "listeners": f"{names},CONTROLLER://{HOST}:{self._controller}",
                "advertised.listeners": names,
                "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,"
                "SASL_SSL:SASL_SSL",
                f"{listener}.sasl.enabled.mechanisms": "PLAIN",
                f"{listener}.plain.sasl.jaas.config": login,
                f"{listener}.ssl.client.auth": "required",
                f"{listener}.ssl.keystore.type": "PEM",
                f"{listener}.ssl.keystore.location": CERTIFICATES / "broker.pem",
                f"{listener}.ssl.truststore.type": "PEM",
                f"{listener}.ssl.truststore.location": CERTIFICATES / "ca.pem",
            },
        )
        await self._running.start()

    async def stop(self) -> None:
        """Stop it; what it stored stays."""
        if self._running:
            await self._running.stop()
            self._running = None

    def variables(self, password: str) -> dict[str, str]:
        """What a client needs to get in."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.address,
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SSL_CAFILE": str(CERTIFICATES / "ca.pem"),
            "KAFKA_SSL_CERTFILE": str(CERTIFICATES / "client.pem"),
            "KAFKA_SASL_MECHANISM": "PLAIN",
            "KAFKA_SASL_USERNAME": USER,
            "KAFKA_SASL_PASSWORD": password,
        }
