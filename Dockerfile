# One image for all of Tenure: the three services, the `tenure` command and the payment system simulator.
# What runs is the command: `python -m services.billing`, `tenure db migrate`, ...

FROM python:3.11-slim AS packages
RUN python -m venv /opt/tenure
COPY requirements.lock /
# Wheels only: nothing is compiled, so that the same bytes come out everywhere.
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/tenure/bin/python -m pip install --disable-pip-version-check --no-compile \
        --require-hashes --only-binary :all: -r /requirements.lock \
 && /opt/tenure/bin/python -m pip uninstall --yes --quiet pip setuptools
# The rest is written into the image once; at run time its file system is read only.
RUN /opt/tenure/bin/python -m compileall -q -j 0 /opt/tenure/lib

FROM python:3.11-slim
LABEL org.opencontainers.image.title="Tenure" \
      org.opencontainers.image.description="Runs the life of a subscription over Kafka" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0"
RUN groupadd --system --gid 10001 tenure \
 && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /tmp tenure
ENV PATH=/opt/tenure/bin:$PATH \
    PYTHONPATH=/srv/tenure \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HTTP_HOST=0.0.0.0
COPY --from=packages /opt/tenure /opt/tenure
COPY deploy/image/tenure deploy/image/ready /usr/local/bin/
WORKDIR /srv/tenure
COPY contracts contracts
COPY ledger ledger
COPY policies policies
COPY chassis chassis
COPY devstack devstack
COPY services services
COPY ops ops
RUN python -m compileall -q -j 0 .
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --start-interval=1s CMD ["ready"]
CMD ["tenure", "--help"]
