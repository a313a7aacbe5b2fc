.DEFAULT_GOAL := help
.PHONY: help run build test test-fast test-crash routes lint generate bench setup clean

# The race detector watches where goroutines share state. It would triple the time of the rest, most of it compiling clients.
RACED := commands|eventstore|projections
PACKAGES = $(shell go list -tags servers ./... | grep $(1) -E '^payledger/($(RACED))(/|$$)')

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

run: build ## start everything on embedded defaults, with demo data
	bin/payledger dev --demo

build: ## build bin/payledger
	@scripts/setup fast
	go build -o bin/payledger ./cmd/payledger

test: ## all tests, against a real Postgres, Kafka and Elasticsearch
	@scripts/setup
	scripts/with-servers scripts/test -race -tags servers $(call PACKAGES) -- -tags servers $(call PACKAGES,-v)

test-fast: ## the tests that need no more than Go and Postgres
	@scripts/setup fast
	scripts/with-postgres scripts/test ./...

test-crash: ## the tests that kill processes and cut connections, three times over
	@scripts/setup fast
	scripts/with-postgres scripts/test -race -count 3 ./eventstore/faulttest -- -count 3 -run TestKills ./e2e

routes: ## write out/routes.md: each route with the statuses that its tests saw
	@scripts/setup fast
	@mkdir -p out
	ROUTES_TABLE=$(CURDIR)/out/routes.md scripts/with-postgres go test -count 1 ./cmd/payledger/internal/httpapi

lint: ## check style, imports and formatting
	go tool -modfile=tools.mod golangci-lint run --build-tags servers ./...

generate: ## write the generated files anew
	go generate ./...

bench: ## measure speed on a durable Postgres; prints a table, writes out/bench.json (BENCH=-quick: a smoke run)
	@scripts/setup fast
	go run ./bench $(BENCH)

setup: ## install what the other targets need
	scripts/setup

clean: ## remove what was built and the development data
	rm -rf bin out .data
