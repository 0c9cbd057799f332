# `make` lists the targets. Everything works in a fresh clone: what is missing is installed first.

SECONDS ?= 60
SOURCES = Package.swift Sources Tests bench
# Release everywhere: it is what users run, and one build serves the demo, the tests and the benchmark.
SWIFT_FLAGS = -c release
IMPORT_CHECK = --explicit-target-dependency-import-check error

SHELL = /bin/bash -o pipefail
.DEFAULT_GOAL := help
.PHONY: help setup demo stop-demo cluster stop-cluster test check lint imports format release bench bench-index bench-server costs bench-cluster \
	simulate faults clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F"|" "{ printf \"%-22s %s\\n\", \$$1, \$$2 }"

setup: ## install what is missing
	@scripts/setup.sh

demo: ## build, start a node with a few thousand real embeddings, search it
	@scripts/demo.sh

stop-demo: ## stop the demo's node
	@scripts/stop_demo.sh

cluster: ## build, start three nodes as one cluster on 127.0.0.1
	@scripts/cluster.sh

stop-cluster: ## stop the three nodes
	@scripts/stop_cluster.sh

# Built apart: `swift test` alone compiles all modules once more, with other flags. At most two tests at a time, as
# many as the smallest machine has cores: those that never wait would else keep all threads from one that does, for as long
# as they take. What failed is said once more at the end.
test: setup ## pass the tests
	swift build $(SWIFT_FLAGS) --build-tests
	SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=2 swift test $(SWIFT_FLAGS) --skip-build 2>&1 | tee .build/test.log \
		|| { grep "✘" .build/test.log; exit 1; }

check: setup lint imports test ## format, lint, imports, build without warnings, test

lint: ## complain about format and style
	swift format lint --strict --parallel --recursive $(SOURCES)

imports: ## build everything; modules may import only what Package.swift says
	python3 scripts/check_imports.py
	swift build $(SWIFT_FLAGS) --build-tests $(IMPORT_CHECK)

format: ## repair the format
	swift format --in-place --parallel --recursive $(SOURCES)

# By product: `swift build` alone would compile protoc, which only plugins of the gRPC packages want.
release: setup ## build the programs
	swift build $(SWIFT_FLAGS) --product grape-vector-db-server
	swift build $(SWIFT_FLAGS) --product grape-tool
	swift build $(SWIFT_FLAGS) --product grape-bench
	@echo "built: $$(swift build $(SWIFT_FLAGS) --show-bin-path)"

bench: ## measure index and server, with hnswlib, faiss and Qdrant's engine beside the index
	@scripts/bench.sh

bench-index: ## measure the index alone, with the others beside it
	@scripts/bench.sh --index

costs: ## count allocations of inserts, searches, requests; fails above bench/costs.json and request_costs.json
	scripts/setup.sh --cluster-bench
	swift build $(SWIFT_FLAGS) --product grape-bench
	swift build $(SWIFT_FLAGS) --product grape-vector-db-server
	python3 scripts/check_costs.py "$$(swift build $(SWIFT_FLAGS) --show-bin-path)/grape-bench"
	python3 scripts/check_request_costs.py "$$(swift build $(SWIFT_FLAGS) --show-bin-path)/grape-vector-db-server"

bench-server: ## measure a server, with chromadb and milvus-lite beside it; MILLION=1: a server with a million points
	@scripts/bench_server.sh $(if $(MILLION),--million)

bench-cluster: ## measure replicated writes of three nodes, with etcd beside them
	@scripts/bench_etcd.sh

simulate: setup ## simulate consensus alone, then whole nodes, for $(SECONDS) seconds each
	swift build $(SWIFT_FLAGS) --product grape-simulate
	"$$(swift build $(SWIFT_FLAGS) --show-bin-path)/grape-simulate" --seconds $(SECONDS)
	"$$(swift build $(SWIFT_FLAGS) --show-bin-path)/grape-simulate" --cluster --seconds $(SECONDS)

faults: setup ## kill, pause and cut off nodes under load for $(SECONDS) seconds; SEED=N repeats a run
	swift build $(SWIFT_FLAGS) --product grape-vector-db-server
	swift build $(SWIFT_FLAGS) --product grape-faults
	"$$(swift build $(SWIFT_FLAGS) --show-bin-path)/grape-faults" --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) \
		$(FAULTS_FLAGS)

clean: ## remove what was built; data stay
	swift package clean
	rm -rf .build/bench-venv .build/server-venv
