"""TLS towards Kafka: whom we believe, and the certificate that we show."""

import ssl


def context(
    cafile: str | None, certfile: str | None, keyfile: str | None, password: str | None
) -> ssl.SSLContext:
    """Verifies the broker and its name; shows a client certificate where one is given.

    Raises ValueError naming the variable whose file cannot be used.
    """
    try:
        made = ssl.create_default_context(cafile=cafile or None)
    except OSError as error:
        raise ValueError(_unusable("KAFKA_SSL_CAFILE", cafile, error)) from None
    if keyfile and not certfile:
        raise ValueError("KAFKA_SSL_KEYFILE needs KAFKA_SSL_CERTFILE beside it")
    if certfile:
        try:
            # A callable, so that OpenSSL never asks at a terminal.
            made.load_cert_chain(certfile, keyfile or None, password=lambda: password or "")
        except OSError as error:
            names = "KAFKA_SSL_CERTFILE or KAFKA_SSL_KEYFILE"
            raise ValueError(_unusable(names, certfile, error)) from None
    return made


def _unusable(variable: str, file: str | None, error: OSError) -> str:
    why = error.strerror or error.__class__.__name__
    if isinstance(error, ssl.SSLError):
        why = f"no readable certificate or key in PEM form ({error.reason or 'SSL error'})"
    return f"{variable} cannot be used, {file}: {why}"
