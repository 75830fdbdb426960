# docker build -t runmint .
#
# docker run -d --read-only -p 127.0.0.1:8080:8080 \
#   -v runmint-data:/var/lib/runmint/data -v runmint-keys:/var/lib/runmint/keys \
#   -e RUNMINT_ISSUER=https://id.example.com/oidc -e RUNMINT_BEHIND_TLS_PROXY=true runmint
#
# Before the first `serve`, run it once with the command `init` and the same volumes and settings. Pass settings
# as RUNMINT_* variables; to use a file, mount it and name it in RUNMINT_CONFIG, which the health check
# reads as well. Stop it with `docker stop --time 30`: it finishes the requests in flight, for up to 25 s.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
# The caches stay on the build machine, so that the next image does not compile everything again. Cargo
# compares modification times, and a checkout may carry older ones than the products of an earlier build.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    touch src/lib.rs src/main.rs crates/*/src/lib.rs \
    && cargo build --release --locked --bin runmint \
    && install -D --mode=0755 target/release/runmint /image/usr/local/bin/runmint \
    && install -D --mode=0644 LICENSE /image/usr/share/doc/runmint/LICENSE \
    && install --directory --mode=0700 /state/data /state/keys

# glibc and root certificates, without a shell or a package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="runmint" \
      org.opencontainers.image.description="A self-hosted OpenID Connect issuer for workload identity" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image/ /
COPY --from=build --chown=65532:65532 /state/ /var/lib/runmint/

# The defaults of database_url and sealing_key_file are relative to this directory. Two volumes, because a backup
# with both the database and the sealing key is enough to sign as this issuer.
WORKDIR /var/lib/runmint
VOLUME ["/var/lib/runmint/data", "/var/lib/runmint/keys"]
# SQLite spills large sorts to a file, and only the data volume is writable.
ENV RUNMINT_LISTEN=0.0.0.0:8080 \
    SQLITE_TMPDIR=/var/lib/runmint/data
# A number, because Kubernetes cannot tell from a name that the user is not root.
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s --retries=3 \
    CMD ["/usr/local/bin/runmint", "health"]
ENTRYPOINT ["/usr/local/bin/runmint"]
CMD ["serve"]
