# Measurements side by side (bench/).
# Tansu, from its crate: some 20 minutes, once per machine. Without it make bench leaves it out and says so.
TANSU_VERSION ?= 0.6.0
.PHONY: tansu
tansu: $(CACHE)/tansu/bin/tansu ## Tansu, another broker on object storage, for make bench (some 20 minutes, once per machine)

$(CACHE)/tansu/bin/tansu:
	@mkdir -p $(CACHE)/tansu
	CARGO_TARGET_DIR=$(CACHE)/tansu/target CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
		nice -n 19 cargo install --locked -j 1 tansu@$(TANSU_VERSION) --no-default-features --features dynostore --root $(CACHE)/tansu

BENCH_WRITE ?= $(CURDIR)/docs
.PHONY: bench
bench: MINUTES = 6
bench: stack-tools apache-kafka ## firnlog beside Apache Kafka and Tansu: writes docs/BENCHMARKS.md (MINUTES=6 of tasks, some 8 in all; on a quiet machine)
	go build -trimpath -o bin/firnlog ./cmd/firnlog
	FIRNLOG_TOOLS=$(TOOLS) go test -tags stack -count=1 -timeout 90m -v -run 'TestCompare$$' ./bench/compare -args -minutes=$(MINUTES) -commit=$$(git rev-parse --short HEAD) -write=$(BENCH_WRITE) | grep -v '^=== '; exit $${PIPESTATUS[0]}

# Only what is listed here is compared: benchmarks of hot paths, which do no I/O.
GUARD_BASE ?= HEAD~1
GUARD_SLOWER ?= 1.3
GUARD_PACKAGES := ./core/record ./core/segment ./core/ledger ./core/ingest ./core/fetch ./core/wire
.PHONY: bench-guard
bench-guard: ## hot paths beside the commit before, in turns: fails at 1.3 times the time or one more allocation (GUARD_BASE=commit GUARD_SLOWER=1.3)
	@base=$$(mktemp -d) && trap "git worktree remove --force $$base" EXIT && git worktree add -q --detach $$base $(GUARD_BASE) && \
		go run ./bench/guard --base $$base --slower $(GUARD_SLOWER) --bench '^Benchmark(Hot.*|Validate)$$' $(GUARD_PACKAGES)

.PHONY: figures-goals
figures-goals: stack-tools ## goals beside what is measured: work beside bare PUTs, latency on models of S3, memory, 1,000 partitions, dollars (6 minutes; on a quiet machine)
	go build -trimpath -o bin/firnlog ./cmd/firnlog
	FIRNLOG_TOOLS=$(TOOLS) go test -tags stack -count=1 -timeout 20m -v -run 'TestGoals$$' ./bench/goals -args -size=1024 -rounds=3 -seconds=30 -idle=1m | grep -v '^=== '; exit $${PIPESTATUS[0]}
