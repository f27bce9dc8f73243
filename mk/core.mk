CARGO_MUTANTS := 27.1.0
# Rooms that `make mutants` changes, one after another; a mutant of the core takes seconds, one of a shell minutes.
PIECES ?= core reconcile state kubernetes aws

.PHONY: mutants
mutants: cargo-mutants control-plane-build ## change code in every small way, and see that a test notices (PIECES='core state', ARGS='--shard 1/4')
	@for piece in $(PIECES); do \
	  echo "== $$piece"; \
	  if [ "$$piece" = core ]; then \
	    PROPTEST_CASES=100 cargo mutants --no-shuffle --package directconnect-core --file 'crates/core/src/**/*.rs' $(ARGS) -- --test core; \
	  else \
	    cargo mutants --no-shuffle --package directconnect-operator --file "src/$$piece/**/*.rs" $(ARGS) -- --lib --test guard --test integration --test failures; \
	  fi || exit; \
	done

.PHONY: cargo-mutants
cargo-mutants:
	@cargo mutants --version >/dev/null 2>&1 || cargo install cargo-mutants --locked --version $(CARGO_MUTANTS)
