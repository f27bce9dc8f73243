# What it takes, beside others.

.PHONY: bench
bench: control-plane-build ## measure the operator beside a Go controller and a bare flood (ARGS='change memory', BENCH_ROUNDS=5)
	cargo build --release --locked --package directconnect-operator
	go build -C benches/peer -trimpath -ldflags '-s -w' -o "$(abspath $(TARGET))/bench/peer" .
	cargo build --profile rig --locked --package benches
	OPERATOR_BINARY="$(abspath $(TARGET))/release/directconnect-operator" PEER_BINARY="$(abspath $(TARGET))/bench/peer" \
	  "$(TARGET)/rig/bench" $(ARGS)
