# One image for web, worker, scheduler and migrate: `docker compose up` builds it, see docker-compose.yml.

FROM python:3.13-slim AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/callboard
COPY requirements.lock /tmp/requirements.lock
RUN /opt/callboard/bin/python -m pip install --require-hashes --only-binary=:all: -r /tmp/requirements.lock

FROM python:3.13-slim
# Reports need Pango and a font, backups pg_dump of PostgreSQL 17.
RUN apt-get update && apt-get install --yes --no-install-recommends libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core postgresql-client \
    && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 callboard && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin callboard
# Volumes take the owner of these folders, so that the processes below need no root.
RUN install -d -o 10001 -g 10001 -m 0700 /data /secrets/app /secrets/postgres /secrets/rabbitmq /run/secrets
COPY --from=packages /opt/callboard /opt/callboard
WORKDIR /app
COPY LICENSE ./
COPY rabbitmq rabbitmq
COPY src src
RUN /opt/callboard/bin/python -m compileall -q src
ENV PATH=/opt/callboard/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CALLBOARD_HOST=0.0.0.0 \
    CALLBOARD_DATA_DIR=/data \
    CALLBOARD_LOG_FORMAT=json
USER 10001:10001
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-m", "src.up.health", "web"]
ENTRYPOINT ["python", "-m", "src"]
CMD ["web"]
