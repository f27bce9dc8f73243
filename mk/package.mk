# What has to do with packages: image, chart, manifests. Included by the Makefile.

DOCKER ?= docker
VERSION := $(shell sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
IMAGE ?= directconnect-operator:$(VERSION)
CARGO_CYCLONEDX := 0.5.9

.PHONY: image
image: ## build the image (IMAGE=registry/name:tag, DOCKER=podman), and tell its size
	$(DOCKER) build --build-arg VERSION="$(VERSION)" --build-arg REVISION="$$(git rev-parse HEAD)" --tag "$(IMAGE)" .
	@$(DOCKER) image inspect --format '$(IMAGE): {{.Size}} bytes' "$(IMAGE)"

.PHONY: manifests
manifests: control-plane-build ## write anew what is made from something else: install.yaml, the chart's README, argocd-cm
	deploy/generate

.PHONY: test-packaging
test-packaging: control-plane-build ## test chart, manifests, alerts and health scripts with the real tools
	env -u KUBECONFIG tests/packaging/run

.PHONY: sbom
sbom: ## write target/directconnect-operator.cdx.json, what the binary is made of (CycloneDX)
	@cargo cyclonedx --version >/dev/null 2>&1 || cargo install cargo-cyclonedx --locked --version $(CARGO_CYCLONEDX)
	cargo cyclonedx --quiet --format json --spec-version 1.5 --no-build-deps --override-filename directconnect-operator.cdx
	@# It writes one beside every manifest of the workspace; only the operator's is about what is shipped.
	@mkdir -p "$(TARGET)"
	@mv directconnect-operator.cdx.json "$(TARGET)"/
	@rm benches/*/directconnect-operator.cdx.json crates/*/directconnect-operator.cdx.json tests/*/directconnect-operator.cdx.json
	@echo "$(TARGET)/directconnect-operator.cdx.json: $$(grep -c '"purl"' "$(TARGET)/directconnect-operator.cdx.json") packages"
