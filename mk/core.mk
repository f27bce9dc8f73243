CARGO_MUTANTS := 27.1.0
# The core by itself: it needs nothing of the rest, and a mutant of it is built in seconds.
CORE_ALONE := $(TARGET)/core-alone

.PHONY: mutants
mutants: cargo-mutants core-alone ## change the core in every small way, and see that a test notices
	cd "$(CORE_ALONE)" && PROPTEST_CASES=100 env -u CARGO_TARGET_DIR cargo mutants --in-place --no-shuffle $(ARGS)

# A package of src/core and tests/core alone.
.PHONY: core-alone
core-alone:
	@tests/core/alone "$(CORE_ALONE)"

.PHONY: cargo-mutants
cargo-mutants:
	@cargo mutants --version >/dev/null 2>&1 || cargo install cargo-mutants --locked --version $(CARGO_MUTANTS)
