# dxfproxy. Plain `make` lists what there is.

# A Go that was unpacked where its manual says is found without being on PATH.
export PATH := $(PATH):/usr/local/go/bin

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# Most packages start a database server; more at a time than this only makes
# leases run out on small machines.
PARALLEL ?= 2
FUZZTIME ?= 20s
# What make test-stores tests: all when empty.
STORES   ?=
JOBS     ?=
# What make chaos runs: each fault with each job once, when empty. A seed runs the same again.
RUNS     ?=
SEED     ?=
FAULTS   ?=
LINTER   := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.5.0

.PHONY: help
help:
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-20s%s\n", $$1, $$2 }'

.PHONY: build
build: ## bin/dxfproxy
	$(GO) build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/dxfproxy ./cmd/dxfproxy

.PHONY: demo
demo: ## a store, three nodes, a million rows under load, an index and an import: watch them
	@scripts/setup demo
	@$(MAKE) -s build
	bin/dxfproxy demo

.PHONY: cluster
cluster: ## three nodes on ports 4000 to 4002 over one store, until Ctrl-C
	@scripts/setup demo
	@$(MAKE) -s build
	scripts/cluster

.PHONY: setup
setup: ## install what tests and benchmarks need
	@scripts/setup test

.PHONY: test
test: setup ## check, then all tests with the race detector
	@$(MAKE) -s check
	$(GO) test -race -p $(PARALLEL) -timeout 20m $$($(GO) list ./... | grep -v '/decode$$')
	$(GO) test -timeout 5m ./decode # one goroutine, and thirty times as long under the race detector
	$(GO) test -timeout 5m -run '^TestS4' ./source # what is left out under the race detector

.PHONY: test-stores
test-stores: setup ## relay and jobs on MariaDB 11.8 and MySQL 9.7, the relay before TiDB 8.5; fetches them. STORES="mysql-9.7", JOBS=TestTypes
	@set -e; dirs=$$(scripts/stores $(STORES)); for dir in $$dirs; do \
		echo "on $$dir"; export DXFPROXY_TEST_BASEDIR=$$dir; \
		$(GO) test -count=1 ./internal/relaytest; \
		case $$dir in *mysql-*) $(GO) test -count=1 -run TestMySQLAccountsOnEitherLeg ./protocol ;; esac; \
		case $$dir in *tidb-*) continue ;; esac; \
		$(GO) test -count=1 ./store ./table ./changefeed; \
		$(GO) test -count=1 -timeout 20m -run '$(if $(JOBS),^TestI[12],^TestI)' ./importinto; \
		$(GO) test -count=1 -timeout 40m -run '$(JOBS)' ./internal/dxftest; \
	done

.PHONY: conformance
conformance: build ## others' test suites at a store and through a node: what differs; SUITES="godriver clients dump mtr mtr-ps mtr-cursor mtr-nonblocking"
	@scripts/setup conformance
	$(GO) run ./internal/conformance -binary bin/dxfproxy $(SUITES)

.PHONY: chaos
chaos: setup build ## jobs while nodes, network and store break, every acknowledged write compared; RUNS=200 SEED=1 FAULTS="swallow failover" STORES=mysql-9.7
	$(GO) run ./internal/chaos -binary bin/dxfproxy $(if $(RUNS),-runs $(RUNS)) $(if $(SEED),-seed $(SEED)) $(if $(FAULTS),-faults "$(FAULTS)") $(if $(STORES),-basedir "$$(scripts/stores $(STORES))")

.PHONY: real-files
real-files: ## public Parquet files against DuckDB, value by value; fetches both. FILES=folder reads that
	cd scripts/realfiles && $(GO) run . $(FILES)

.PHONY: check
check: ## formatting, go vet, and that no input a fuzzer has found is left out of the repository
	@unformatted=$$(gofmt -l .) && if [ -n "$$unformatted" ]; then printf 'not formatted:\n%s\n' "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	@left=$$(git ls-files --others -- '*/testdata/fuzz/*' 2>/dev/null); if [ -n "$$left" ]; then printf 'not committed:\n%s\n' "$$left"; exit 1; fi

.PHONY: lint
lint: check ## check, and golangci-lint (built on first use)
	@if command -v golangci-lint >/dev/null; then golangci-lint run ./...; else $(GO) run $(LINTER) run ./...; fi

.PHONY: vuln
vuln: ## known vulnerabilities in what we call; says so when their database cannot be reached
	@scripts/vuln || [ $$? = 69 ]

.PHONY: cover
cover: setup ## coverage by function, and coverage.out
	$(GO) test -p $(PARALLEL) -timeout 20m -coverpkg=./... -coverprofile=coverage.out ./...
	$(GO) tool cover -func=coverage.out | tail -1

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME each
	@set -e; grep -rl --include='*_test.go' '^func Fuzz' . | while read -r file; do \
		grep -o '^func Fuzz[A-Za-z0-9_]*' "$$file" | while read -r _ target; do \
			echo "$$(dirname "$$file") $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")" </dev/null || exit 1; \
		done || exit 1; \
	done

.PHONY: bench
bench: setup build ## ADD INDEX against the store's own ALTER and pt-online-schema-change
	$(GO) run ./internal/bench/addindex -binary bin/dxfproxy

.PHONY: bench-small
bench-small: setup build ## an index on an empty table, and a dump, beside the store's own
	$(GO) run ./internal/bench/addindex -binary bin/dxfproxy -small -rounds 5

.PHONY: bench-far
bench-far: setup build ## the copy of a million rows with nodes 20, 50 and 100 ms from the store
	$(GO) run ./internal/bench/addindex -binary bin/dxfproxy -rows 1000000 -latency 20ms,50ms,100ms

.PHONY: bench-import
bench-import: build ## IMPORT INTO against LOAD DATA and myloader; on another store: STORES=mysql-9.7; BENCH="-rows 500000 -rounds 1"
	@scripts/setup import
	$(GO) run ./internal/bench/importinto -binary bin/dxfproxy $(if $(STORES),-basedir "$$(scripts/stores $(STORES))") $(BENCH)

.PHONY: bench-relay
bench-relay: setup build ## what the relay costs a statement: against HAProxy, and in detail
	$(GO) run ./internal/bench/relay -binary bin/dxfproxy
	$(GO) test -run '^$$' -bench . -benchmem ./protocol ./sqltext

.PHONY: clean
clean: ## remove what was built
	rm -rf bin coverage.out

# LICENSES.md names what we build on; this renews it when go.mod has changed.
LICENSES.md: go.mod scripts/licenses
	scripts/licenses > $@.new && mv $@.new $@
