# What runs on GitHub.

.PHONY: lint-workflows
lint-workflows: ## check .github and release with actionlint, zizmor, yamllint and shellcheck, which it installs
	.github/scripts/lint
