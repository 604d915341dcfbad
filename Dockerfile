# konifer-fs in a container, mounted at /mnt with all it keeps in /data:
#
#   docker build -t konifer-fs .
#   install -d -o 1000 /srv/pictures
#   docker run --rm --device /dev/fuse --cap-add SYS_ADMIN --security-opt apparmor=unconfined \
#     -v konifer-fs:/data --mount type=bind,source=/srv/pictures,target=/mnt,bind-propagation=rshared konifer-fs
#
# It runs as user 1000, whom the mountpoint must belong to; `--user` says another. SYS_ADMIN is for fusermount3 alone.
# compose.yaml has it with a PostgreSQL and an S3 store of their own.
# hadolint global ignore=DL3008
FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends \
    gcc libc6-dev libfuse3-dev pkg-config python3-dev python3-venv
COPY pyproject.toml README.md /src/
COPY konifer_fs /src/konifer_fs
COPY daemon /src/daemon
RUN python3 -m venv /opt/konifer-fs && /opt/konifer-fs/bin/pip install --no-cache-dir /src

FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates fuse3 libseccomp2 python3 tini \
    && rm -rf /var/lib/apt/lists/* \
    && sed -i 's/^#user_allow_other/user_allow_other/' /etc/fuse.conf \
    && useradd --uid 1000 konifer-fs \
    && install -d -o konifer-fs -g konifer-fs -m 700 /data
COPY --from=build /opt/konifer-fs /opt/konifer-fs
ENV PATH=/opt/konifer-fs/bin:$PATH
USER 1000
VOLUME /data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=2m CMD ["konifer-fs", "status", "/mnt"]
ENTRYPOINT ["tini", "--", "konifer-fs"]
CMD ["mount", "--foreground", "--data-dir", "/data", "-o", "allow_other", "/mnt"]
