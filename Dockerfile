# The operator's image: one binary on distroless, run by a numeric user that is not root. `make image` builds it; for others
# than your own architecture:
#   docker buildx build --platform linux/amd64,linux/arm64 --tag REGISTRY/directconnect-operator:0.1.0 --push .
#
# The bases are pinned by the digest of their multi-platform index; `docker buildx imagetools inspect NAME:TAG` tells newer ones.
FROM rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082 AS build
WORKDIR /build

# Dependencies first: their layer is built anew only when a manifest or Cargo.lock changes. Cargo reads a workspace only when
# every member has something to build.
COPY Cargo.toml Cargo.lock ./
COPY tests/demo/Cargo.toml tests/demo/
COPY tests/simulator/Cargo.toml tests/simulator/
COPY tests/support/Cargo.toml tests/support/
RUN for member in . tests/demo tests/simulator tests/support; do \
      mkdir -p "$member/src"; echo 'fn main() {}' >"$member/src/main.rs"; touch "$member/src/lib.rs"; \
    done \
 && cargo build --release --locked --package directconnect-operator

# The files may be older than what was built in their place, and cargo goes by time.
COPY src src
RUN touch src/main.rs src/lib.rs \
 && cargo build --release --locked --package directconnect-operator \
 && target/release/directconnect-operator --version

FROM gcr.io/distroless/cc-debian12:nonroot@sha256:9dac0a79194e45a7da0158a9c6da57b217585af0786db3845d1f0ec1a0dd182f
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="directconnect-operator" \
      org.opencontainers.image.description="Keeps the name and the MACsec encryption mode of AWS Direct Connect connections as git says" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /build/target/release/directconnect-operator /usr/local/bin/directconnect-operator
# By number, since Kubernetes can't tell whether a name is root.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/directconnect-operator"]
CMD ["run"]
