# The operator's image: one static binary and the CA certificates, run by a numeric user that is not root. `make image` builds
# it; for others than your own architecture:
#   docker buildx build --platform linux/amd64,linux/arm64 --tag REGISTRY/directconnect-operator:TAG --push .
#
# The base is pinned by the digest of its multi-platform index; `docker buildx imagetools inspect NAME:TAG` tells newer ones.
FROM rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082 AS build
WORKDIR /build
# With glibc inside, the binary needs no other file. Cargo applies flags to build scripts too unless it is told a target.
ENV RUSTFLAGS="-C target-feature=+crt-static"

# Dependencies first: their layer is built anew only when a manifest or Cargo.lock changes. Cargo reads a workspace only when
# every member has something to build.
COPY Cargo.toml Cargo.lock ./
COPY benches/rig/Cargo.toml benches/rig/
COPY crates/core/Cargo.toml crates/core/
COPY crates/kubectl-dxcon/Cargo.toml crates/kubectl-dxcon/
COPY tests/demo/Cargo.toml tests/demo/
COPY tests/simulator/Cargo.toml tests/simulator/
COPY tests/support/Cargo.toml tests/support/
RUN for member in . benches/rig crates/core crates/kubectl-dxcon tests/demo tests/simulator tests/support; do \
      mkdir -p "$member/src"; printf '//! Stands in.\n' >"$member/src/lib.rs"; printf '//! Stands in.\nfn main() {}\n' >"$member/src/main.rs"; \
    done \
 && cargo build --release --locked --target "$(rustc --print host-tuple)" --package directconnect-operator

# The files may be older than what was built in their place, and cargo goes by time. Where the linker can pack relocations, the
# binary is 0.6 MB smaller.
COPY crates crates
COPY src src
RUN touch src/main.rs src/lib.rs crates/core/src/lib.rs \
 && cargo rustc --release --locked --target "$(rustc --print host-tuple)" --bin directconnect-operator \
      -- -C link-arg=-Wl,-z,pack-relative-relocs \
 && cp target/*/release/directconnect-operator . \
 && ./directconnect-operator --version

FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="directconnect-operator" \
      org.opencontainers.image.description="Keeps the name and the MACsec encryption mode of AWS Direct Connect connections as git says" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /build/directconnect-operator /usr/local/bin/directconnect-operator
# By number, since Kubernetes can't tell whether a name is root.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/directconnect-operator"]
CMD ["run"]
