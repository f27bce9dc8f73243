# What takes too long for every run of the tests.

.PHONY: soak
soak: control-plane-build ## two replicas under kills, stops and partitions for longer, and a heavier load (SOAK_SECONDS, SOAK_SEED)
	SOAK_SECONDS="$(or $(SOAK_SECONDS),900)" SOAK_SEED="$(or $(SOAK_SEED),$$RANDOM)" \
	  cargo test --locked --test failures -- --nocapture soak::
	LOAD_RESOURCES="$(or $(LOAD_RESOURCES),5000)" cargo test --locked --test failures -- --nocapture load::
