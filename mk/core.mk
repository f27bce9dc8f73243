CARGO_MUTANTS := 27.1.0

.PHONY: mutants
mutants: cargo-mutants ## change the core in every small way, and see that a test notices (ARGS='--shard 1/4')
	PROPTEST_CASES=100 cargo mutants --no-shuffle --package directconnect-core $(ARGS)

.PHONY: cargo-mutants
cargo-mutants:
	@cargo mutants --version >/dev/null 2>&1 || cargo install cargo-mutants --locked --version $(CARGO_MUTANTS)
