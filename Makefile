# make help lists what is here. Everything that a target needs is installed by the target itself,
# from Debian's packages and the language registries, or named in one line when it cannot be.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

CARGO ?= cargo
TAG ?= dev

# Where cargo puts what it builds.
TARGET = $(or $(CARGO_TARGET_DIR),target)

.PHONY: help build demo test quick check unit servers next suites charts cluster-test bench images crds soak clean

help: ## prints this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | column -t -s '|'

build: ## builds the programs, optimised, into target/release
	$(CARGO) build --release --bins

demo: ## streams ticks from the simulator to a Redis, until Ctrl-C
	@examples/demo

test: ## everything: check, all tests, a real cluster; prints the time of each stage
	@MAKE="$(MAKE)" tests/stages check unit servers suites charts cluster-test

quick: ## format, lints and unit tests, for while you work
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings
	$(CARGO) test --workspace --exclude tests --lib

check: ## format, lints, documentation, spelling, licences, bans, structure of the code
	tests/install check
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items
	.state/tools/bin/typos
	$(CARGO) test --package tests --test structure
	.state/tools/bin/cargo-deny --log-level error check licenses bans sources

unit: ## tests of each package; as root, for networks that fail
	tests/install suites
	PLAN_SEQUENCES=10000 $(CARGO) test --workspace --exclude tests

servers: ## tests of the link to Redis again, with Valkey and a later Redis
	tests/install servers
	for server in valkey redis8; do
		echo "with $$server"
		REDIS_SERVER=$(CURDIR)/.state/servers/$$server/redis-server $(CARGO) test --package ingestor --test clocks \
			--test cluster --test link --test outage --test redis_login --test redis_tls --test refusals \
			--test refused_events --test rights --test sentinel --test subscriber
	done

next: ## builds operator and ingestor with a further assignment version, for tests, into target/next
	$(CARGO) build --workspace --bins --features contract/next
	install -D --target-directory=$(TARGET)/next $(TARGET)/debug/kite-operator $(TARGET)/debug/kite-ingestor

suites: ## tests with real Redis, simulator, programs and official clients
	tests/install suites
	tests/install readers
	$(MAKE) next
	$(CARGO) build --workspace --bins
	$(CARGO) test --package tests --test local --test clients --test calendar --test greeks --test fuzz --test gateway --test soak
	if [ -n "$${KITE_FIXTURES:-}" ]; then
		$(CARGO) test --package tests --features fixtures --test fixtures
	else
		echo "left out: recorded data of the real Kite (KITE_FIXTURES names no folder)"
	fi

charts: ## helm lint and kubeconform
	tests/charts

cluster-test: ## end to end on a one-node Kubernetes that it starts, or on that of KUBECONFIG
	tests/install cluster
	$(CARGO) build --workspace --bins
	$(CARGO) test --package tests --features cluster --test cluster -- --nocapture

bench: ## measures the figures of docs/performance.md on this machine
	tests/install suites
	$(CARGO) build --release --bins
	$(CARGO) run --release --package tests --bin bench

images: ## builds the container images, localhost/kite-*:$(TAG)
	tests/install cluster
	PROFILE=release TAG=$(TAG) images/build

crds: ## writes the CRDs into their chart, and docs/reference.md
	$(CARGO) run --package crds --bin crdgen -- charts/kite-ticker-crds/templates docs/reference.md

soak: ## long runs
	PROPTEST_CASES=100000 PLAN_SEQUENCES=1000000 $(CARGO) test --release --workspace --exclude tests --no-fail-fast
	$(CARGO) test --release --package operator --lib -- --ignored --nocapture
	$(CARGO) build --release --workspace --bins
	SOAK_SECONDS=3600 $(CARGO) test --release --package tests --test soak -- --nocapture
	FUZZ_SECONDS=600 $(CARGO) test --release --package tests --test fuzz -- --test-threads 1
	SILENCE_SECONDS=75 $(CARGO) test --release --package ingestor --test network -- --nocapture --include-ignored
	OUTAGE_SECONDS=300 CALM_SECONDS=330 SCALE_SETS=10000 MOVE_WITHOUT_POKE=1 $(MAKE) cluster-test

clean: ## removes what builds and tests left here, the cluster included
	tests/cluster/down --purge || true
	rm -rf .state
	$(CARGO) clean
