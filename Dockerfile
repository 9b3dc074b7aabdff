# The gateway as an image: docs/install.md, "Container".
#
#   docker build --tag agwtwisted .
#   docker run --read-only --cap-drop ALL \
#       --publish 8443:8443 --volume ./gateway:/etc/agwtwisted:ro agwtwisted

ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
WORKDIR /source
COPY setup.cfg pyproject.toml README.md LICENSE ./
COPY agwtwisted agwtwisted
COPY twisted twisted
RUN python3 -m venv /opt/agwtwisted \
    && /opt/agwtwisted/bin/pip install --no-cache-dir --no-compile . \
    && /opt/agwtwisted/bin/pip uninstall --yes pip \
    && /opt/agwtwisted/bin/python -m compileall -q /opt/agwtwisted

FROM python:${PYTHON}-slim
RUN groupadd --gid 10001 agwtwisted \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin agwtwisted \
    && install --directory --owner=10001 --group=10001 --mode=0700 /etc/agwtwisted /var/lib/agwtwisted
COPY --from=build /opt/agwtwisted /opt/agwtwisted
# Without a state directory the control socket is in the runtime directory, as under systemd: here in memory that every
# user may write to, under a read-only root file system, too. The gateway makes that directory its user's alone.
ENV PATH=/opt/agwtwisted/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 RUNTIME_DIRECTORY=/dev/shm/agwtwisted
USER 10001:10001
EXPOSE 8443
# Drains, for at most drain_timeout: `docker stop --time` has to be more than that.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
    CMD ["agw", "status", "--quiet", "--config", "/etc/agwtwisted/gw.ini"]
ENTRYPOINT ["agw"]
CMD ["run", "--config", "/etc/agwtwisted/gw.ini"]
