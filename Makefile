# Everything that people and machines do with this repository. `make` alone lists it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

CARGO_DENY := 0.20.2
CRD := crds/directconnectconnections.directconnect-operator.dev.yaml
TARGET := $(or $(CARGO_TARGET_DIR),target)

include $(wildcard mk/*.mk)

.PHONY: help
help: ## list these targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

.PHONY: demo
demo: control-plane-build ## watch the operator at work on a real API server and a simulated Direct Connect
	cargo build --quiet --locked --package directconnect-operator --package kubectl-dxcon --package demo
	"$(TARGET)/debug/demo"

.PHONY: test
test: control-plane-build ## run every test
	@# Most tests wait most of the time, so there may be more of them at once than there are cores.
	RUST_TEST_THREADS="$${RUST_TEST_THREADS:-8}" cargo test --workspace --locked
	env -u KUBECONFIG tests/packaging/run

.PHONY: lint
lint: cargo-deny ## check format, lints, documentation links, licences and sources of dependencies
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked --quiet
	cargo deny --workspace --locked check licenses bans sources
	@# The advisories are a git repository of their own, which not every network lets through.
	@if cargo deny fetch db >/dev/null 2>&1; then cargo deny --workspace --locked check --disable-fetch advisories; \
	else echo 'advisories not checked: their database cannot be fetched from here'; fi

.PHONY: run
run: ## run the operator on the cluster of KUBECONFIG (ARGS='--poll-interval 10s ...')
	cargo run --locked -- run $(ARGS)

.PHONY: fmt
fmt: ## format the code
	cargo fmt --all

.PHONY: crds
crds: ## write the CRD anew from the types
	@mkdir -p $(dir $(CRD))
	cargo run --quiet --locked -- crd >$(CRD).new
	mv $(CRD).new $(CRD)
	cp $(CRD) deploy/base/crd.yaml
	cp $(CRD) charts/directconnect-operator/files/crd.yaml

.PHONY: control-plane
control-plane: ## run a real API server of your own until Ctrl-C; prints its kubeconfig
	@tests/control-plane/run

.PHONY: size
size: control-plane-build ## measure the released binaries and the memory that the operator takes; fails beyond the limits
	cargo build --release --locked --package directconnect-operator
	@# By itself, as what it needs of libraries must not get into the operator.
	cargo build --release --locked --package kubectl-dxcon
	OPERATOR_BINARY="$(abspath $(TARGET))/release/directconnect-operator" \
	  cargo run --quiet --locked --package test-support --bin measure-size

.PHONY: clean
clean: ## remove what was built, but for the API server, which is kept in the user's cache folder
	cargo clean

# What a new machine lacks.

.PHONY: control-plane-build
control-plane-build:
	@tests/control-plane/build >/dev/null

.PHONY: cargo-deny
cargo-deny:
	@cargo deny --version >/dev/null 2>&1 || cargo install cargo-deny --locked --version $(CARGO_DENY)
