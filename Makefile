.DEFAULT_GOAL := help
.PHONY: help test check check-long clients bench fmt

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: ## The quick tests, on both databases: nothing foreign but PostgreSQL
	@scripts/with-postgres cargo test --locked --workspace --lib --test it

check: ## Everything that CI checks: format, lints, dependencies, tests on both databases, real clients
	@scripts/check

check-long: ## The same with the slow tests, more cases for each property, and fuzzing
	@scripts/check --long

clients: ## Only the tests with foreign clients, emulators and processes that die
	@scripts/check --clients

bench: ## Measure throughput and latency, with durable commits
	@scripts/bench

fmt: ## Format the code
	@cargo fmt --all
