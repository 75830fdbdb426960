.DEFAULT_GOAL := help
.PHONY: help check check-long clients bench fmt

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

check: ## Everything that CI checks: format, lints, dependencies, tests on both databases, real clients
	@scripts/check

check-long: ## The same with the slow tests, more cases for each property, and fuzzing
	@scripts/check --long

clients: ## Only the tests with clients that nobody here wrote
	@scripts/check --clients

bench: ## Measure throughput and latency, with durable commits
	@scripts/bench

fmt: ## Format the code
	@cargo fmt --all
